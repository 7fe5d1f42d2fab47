import { describe, expect, it } from "vitest";
import { type SmoothKind, smooth } from "./smooth";

const x = Float64Array.from({ length: 101 }, (_, i) => i);
const noisy = x.map((i) => 5 + (i % 2 ? 1 : -1));
const KINDS: SmoothKind[] = ["ema", "gauss", "mean", "median"];

describe.each(KINDS)("%s", (kind) => {
  const run = (y: Float64Array, strength = 60, places = x) => smooth(places, y, { kind, strength }, 100);

  it("leaves a constant as it is", () => {
    for (const value of run(x.map(() => 3))) expect(value).toBeCloseTo(3, 9);
  });

  it("makes noise smaller", () => {
    const spread = (y: Float64Array) => Math.max(...y.slice(20, 80)) - Math.min(...y.slice(20, 80));
    expect(spread(run(noisy))).toBeLessThan(kind === "median" ? 2.1 : 0.5);
  });

  it("keeps NaN and infinities in their places, and away from others", () => {
    const broken = noisy.slice();
    broken[50] = Number.NaN;
    broken[60] = Number.POSITIVE_INFINITY;
    const out = run(broken);
    expect([out[50], out[60]]).toEqual([Number.NaN, Number.POSITIVE_INFINITY]);
    expect([...out].filter(Number.isFinite)).toHaveLength(99);
  });

  it("does nothing at strength 0", () => {
    expect(run(noisy, 0)).toBe(noisy);
  });
});

it("an average over time forgets by distance, not by count", () => {
  const places = Float64Array.from([0, 1, 2, 100]);
  const out = smooth(places, Float64Array.from([0, 0, 0, 10]), { kind: "ema", strength: 40 }, 100);
  expect(out[3]).toBeCloseTo(10, 3);
});
