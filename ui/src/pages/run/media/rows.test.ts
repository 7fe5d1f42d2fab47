import { expect, it } from "vitest";
import { arranged } from "./rows";

const ROWS = [
  [3, "b"],
  [null, "a"],
  [{ $number: "NaN" }, "c"],
  [20, "B2"],
  [1, null],
] as const;

it("sorts numbers as numbers, and what is empty comes last", () => {
  expect(arranged(ROWS, "", { column: 0, descending: false })).toEqual([4, 0, 3, 2, 1]);
  expect(arranged(ROWS, "", { column: 0, descending: true })).toEqual([2, 3, 0, 4, 1]);
  expect(arranged(ROWS, "", { column: 1, descending: false })).toEqual([1, 0, 3, 2, 4]);
});

it("finds words in any cell", () => {
  expect(arranged(ROWS, "b", null)).toEqual([0, 3]);
  expect(arranged(ROWS, "20", null)).toEqual([3]);
});
