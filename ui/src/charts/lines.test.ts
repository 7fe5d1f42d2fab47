import { expect, it } from "vitest";
import type { Series } from "../api/series";
import { type Drawn, picture, type Settings } from "./lines";

const settings: Settings = {
  smoothing: { kind: "none", strength: 0 },
  logX: false,
  logY: false,
  clip: false,
  start: undefined,
  stop: undefined,
  middle: "mean",
  band: "minmax",
  scaleX: 1,
};
const run = (id: string, group: string | null = null): Drawn => ({
  id,
  label: id,
  look: { colour: "#000", dash: [] },
  group,
});
const series = (id: string, values: number[], x = values.map((_, i) => i)): Series => ({
  run: id,
  key: "loss",
  kind: "float",
  total: 1000,
  withoutX: 0,
  lastRow: null,
  error: null,
  x: Float64Array.from(x),
  values: Float64Array.from(values),
});
const draw = (curves: Series[], runs: Drawn[], more: Partial<Settings> = {}) =>
  picture(new Map(curves.map((one) => [one.run, one])), runs, { ...settings, ...more });

const SPIKE = Array.from({ length: 100 }, (_, i) => (i === 50 ? 900 : 1 + (i % 3)));

it("shows a spike, also behind a smoothed line", () => {
  for (const kind of ["none", "median"] as const) {
    expect(draw([series("a", SPIKE)], [run("a")], { smoothing: { kind, strength: 60 } }).y[1]).toBeGreaterThan(900);
  }
});

it("says what clipping leaves out", () => {
  const found = draw([series("a", SPIKE)], [run("a")], { clip: true });
  expect(found.y[1]).toBeLessThan(10);
  expect(found.clipped).toEqual({ count: 1, high: { value: 900, x: 50 }, low: null });
});

it("marks NaN and infinities where they are", () => {
  const found = draw([series("a", [1, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])], [run("a")]);
  expect(found.marks.map((mark) => [mark.kind, mark.x])).toEqual([
    ["NaN", 1],
    ["+Inf", 2],
    ["-Inf", 3],
  ]);
});

it("sorts along an axis that goes back", () => {
  expect([...(draw([series("a", [3, 1, 2], [30, 10, 20])], [run("a")]).lines[0]?.y ?? [])]).toEqual([1, 2, 3]);
});

it("leaves out what a logarithm has no place for", () => {
  const found = draw([series("a", [0, 1, 10])], [run("a")], { logX: true, logY: true });
  expect(found.x).toEqual([1, 2]);
  expect(found.y[0]).toBeGreaterThan(0);
});

it("draws a group as one line with a band", () => {
  const found = draw([series("a", [0, 0]), series("b", [2, 4])], [run("a", "g"), run("b", "g")]);
  expect(found.lines).toHaveLength(1);
  expect([...(found.lines[0]?.y ?? [])]).toEqual([1, 2]);
  expect([...(found.lines[0]?.high ?? [])]).toEqual([2, 4]);
  expect(found.lines[0]?.runs).toBe(2);
});

it("takes the y axis by hand, and says what lies beyond it", () => {
  const found = draw([series("a", SPIKE)], [run("a")], { yEnds: [null, 10] });
  expect(found.y[1]).toBe(10);
  expect(found.clipped).toEqual({ count: 1, high: { value: 900, x: 50 }, low: null });
  expect(draw([series("a", SPIKE)], [run("a")], { yEnds: [0, null], logY: true }).y[0]).toBeGreaterThan(0);
});

it("draws bands where lines are too many, and keeps the lines for the pointer", () => {
  const many = Array.from({ length: 61 }, (_, i) => series(`r${i}`, [i, i + 1]));
  const runs = many.map((one) => run(one.run));
  expect(draw(many, runs).spread?.bands).toHaveLength(3);
  expect(draw(many, runs).lines).toHaveLength(61);
  expect(draw(many, runs, { many: "lines" }).spread).toBeNull();
  expect(draw(many.slice(0, 30), runs).spread).toBeNull();
  expect(draw(many.slice(0, 30), runs, { many: "bands" }).spread).not.toBeNull();
});
