import { expect, it } from "vitest";
import { type Band, between, bundle, iqm, type Middle, quantile, spread } from "./aggregate";

const curve = (values: number[], step = 1) => ({
  x: Float64Array.from(values, (_, i) => i * step),
  y: Float64Array.from(values),
});
const CURVES = [curve([0, 2, 4]), curve([2, 4, 6]), curve([4, 6, 8])];

it("reads between points and not beyond them", () => {
  expect(between(curve([0, 10]), 0.25)).toBe(2.5);
  expect(between(curve([0, 10]), 1.5)).toBeNaN();
});

it.each<[Middle, Band, number, number]>([
  ["mean", "minmax", 0, 4],
  ["median", "std", 0, 4],
  ["mean", "stderr", 2 - 2 / Math.sqrt(3), 2 + 2 / Math.sqrt(3)],
  ["mean", "none", 2, 2],
])("%s with %s", (middle, band, low, high) => {
  const out = bundle(CURVES, middle, band);
  expect([...out.y]).toEqual([2, 4, 6]);
  expect(out.low[0]).toBeCloseTo(low, 9);
  expect(out.high[0]).toBeCloseTo(high, 9);
  expect([...out.counts]).toEqual([3, 3, 3]);
});

it("a curve that ends early counts only where it is", () => {
  const out = bundle([curve([1, 1, 1, 1]), curve([3, 3])], "mean", "none");
  expect([...out.y]).toEqual([2, 2, 1, 1]);
});

it("the middle half leaves extremes out", () => {
  expect(iqm(Float64Array.from([-100, 1, 2, 3, 4, 5, 6, 1000]))).toBe(3.5);
});

it("an interval lies around the middle and is the same each time", () => {
  const many = Array.from({ length: 12 }, (_, i) => curve([i, i + 1]));
  const out = bundle(many, "iqm", "ci");
  expect(out.low[0]).toBeLessThan(5.5);
  expect(out.high[0]).toBeGreaterThan(5.5);
  expect(bundle(many, "iqm", "ci").low[0]).toBe(out.low[0]);
});

it("bands of many curves: the median, shares of them, and every extreme", () => {
  const curves = Array.from({ length: 11 }, (_, i) => curve([i, i, i]));
  const spike = curve(
    Array.from({ length: 2001 }, (_, i) => (i === 1001 ? 99 : 5)),
    2 / 2000,
  );
  const found = spread([...curves, spike]);
  expect(found.middle[0]).toBe(5);
  expect([found.bands[1]?.low[0], found.bands[1]?.high[0]]).toEqual([1.1, 8.9]);
  expect(Math.max(...(found.bands[0]?.high ?? []))).toBe(99);
  expect(quantile([1, 2, 4], 0.75)).toBe(3);
  expect(spread([]).x.length).toBe(0);
});

it("the band of extremes holds what lies between two places", () => {
  const spike = curve(Array.from({ length: 2001 }, (_, i) => (i === 1001 ? 99 : 5)));
  expect(Math.max(...bundle([spike, curve([1, 1])], "mean", "minmax").high)).toBe(99);
});
