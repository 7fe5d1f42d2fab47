import { expect, it } from "vitest";
import { firstBad, gridOf, logReach, ramp } from "./scale";

const points = (x: number[], values: number[]) => ({ x: Float64Array.from(x), values: Float64Array.from(values) });

it("puts few points into a column each and keeps the largest of many", () => {
  const few = gridOf([points([0, 10, 20], [1, 2, 3])], 100);
  expect([few.columns, [...few.values]]).toEqual([3, [1, 2, 3]]);
  const x = Array.from({ length: 1000 }, (_, at) => at);
  const many = gridOf(
    [
      points(
        x,
        x.map((at) => (at === 612 ? 9 : 1)),
      ),
    ],
    10,
  );
  expect(many.columns).toBe(10);
  expect([...many.values].filter((value) => value === 9)).toHaveLength(1);
});

it("holds what was seen until the next look", () => {
  const grid = gridOf([points([0, 10, 40], [1, 2, 3]), points([0, 20, 30], [4, 5, 6])], 100);
  expect(grid.columns).toBe(5);
  expect([...grid.values]).toEqual([1, 2, 2, 2, 3, 4, 4, 5, 6, Number.NaN]);
});

it("finds what was bad first, whatever layer it was", () => {
  const grid = gridOf(
    [points([0, 1, 2], [1, 1, Number.NaN]), points([0, 1, 2], [1, Number.POSITIVE_INFINITY, Number.NaN])],
    10,
  );
  expect(firstBad(grid)).toEqual({ row: 1, column: 1 });
  expect(firstBad(grid, 0)).toEqual({ row: 1, column: 1 });
  const same = gridOf([points([0], [Number.NaN]), points([0], [Number.NaN])], 10);
  expect(firstBad(same, 1)).toEqual({ row: 1, column: 0 });
  expect(firstBad(gridOf([points([0], [1])], 10))).toBeNull();
  expect(gridOf([], 10).columns).toBe(1);
});

it("has colours that get lighter, and reaches over powers", () => {
  expect(ramp(0)).toEqual([0, 34, 78]);
  expect(ramp(2)).toEqual([254, 232, 56]);
  expect(ramp(0.5)).toEqual([125, 124, 120]);
  expect(logReach(Float64Array.from([0, 0.01, 100]))).toEqual([-2, 2]);
  expect(logReach(new Float64Array())).toEqual([0, 1]);
});
