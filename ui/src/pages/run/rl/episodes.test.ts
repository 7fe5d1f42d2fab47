import { expect, it } from "vitest";
import { asFloats, nearest } from "./episodes";

it("reads numbers of every sort", () => {
  expect(asFloats([1, { $number: "Infinity" }, null])).toEqual([1, Number.POSITIVE_INFINITY, Number.NaN]);
  expect(asFloats(undefined)).toEqual([]);
});

it("finds the nearest point, if there is one near", () => {
  const far = (x: number, y: number) => Math.hypot(x - 10, y - 10);
  expect(nearest([0, 12, 13], [0, 12, Number.NaN], far)).toBe(1);
  expect(nearest([500], [500], far)).toBeNull();
});
