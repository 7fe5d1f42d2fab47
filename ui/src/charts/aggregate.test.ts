import { expect, it } from "vitest";
import { type Band, between, bundle, iqm, type Middle } from "./aggregate";

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
