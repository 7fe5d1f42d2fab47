import { expect, it } from "vitest";
import type { GroupRow, Spread } from "../api/types";
import { arranged, cellOfGroup, columnOf, movedTo, seen, titleOfGroup } from "./columns";

const VIEW = { widths: new Map([["config.b", 100]]), group: [], statistic: "mean" as const, baseline: null };
const COLUMNS = ["config.a", "config.b", "config.c"].map((field) => ({ ...columnOf(field, new Map()), width: 80 }));

it("columns have their widths, and those that stay come first", () => {
  const found = arranged(COLUMNS, VIEW, ["config.c"]);
  expect(found.map(({ field, width, left, place }) => [field, width, left, place])).toEqual([
    ["config.c", 80, 208, 0],
    ["config.a", 80, undefined, 1],
    ["config.b", 100, undefined, 2],
  ]);
});

it("results beside a baseline have room for both numbers", () => {
  const loss = columnOf("summary.loss", new Map());
  const width = (baseline: string | null) =>
    arranged([...COLUMNS, { ...loss, numeric: true, width: 80 }], { ...VIEW, baseline }, []).map((one) => one.width);
  expect(width(null)).toEqual([80, 100, 80, 80]);
  expect(width("run0")).toEqual([80, 100, 80, 132]);
});

it("only columns that are seen are drawn, and those that stay", () => {
  const found = arranged(COLUMNS, VIEW, ["config.c"]);
  expect(seen(found, 0, 100).map(({ field }) => field)).toEqual(["config.c", "config.a"]);
  expect(seen(found, 200, 300).map(({ field }) => field)).toEqual(["config.c", "config.b"]);
});

it.each([
  ["a", "c", "bca"],
  ["c", "a", "cab"],
  ["b", "b", "abc"],
])("%s moves to %s", (item, place, order) => {
  expect(movedTo(["a", "b", "c"], item, place).join("")).toBe(order);
});

const spread = (some: Partial<Spread>): Spread => ({
  ...{ mean: 2, min: 1, max: 3, std: 1, numbers: 3, count: 3, first: null, last: null },
  ...some,
});
const group = (value: Spread): GroupRow => ({
  keys: [{ field: "config.lr", value: 0.1, condition: "config.lr = 0.1" }],
  runs: 4,
  states: { finished: 3, failed: 1 },
  newest_us: 0,
  values: { x: value },
  members: [],
});

it.each([
  [{}, "mean", "2 ±1"],
  [{}, "max", "3"],
  [{}, "std", "1"],
  [{}, "count", "3"],
  [{ min: 2, max: 2, std: 0 }, "mean", "2"],
  [{ std: null, numbers: 1, count: 1 }, "mean", "2"],
  [{ numbers: 0, first: "adam", last: "adam" }, "mean", "adam"],
  [{ numbers: 0, first: "adam", last: "sgd" }, "mean", "several"],
] as const)("%j as %s is %s", (some, statistic, text) => {
  expect(cellOfGroup(group(spread(some)), "x", statistic).text).toBe(text);
});

it("a group says what its runs share, what is missing, and how they ended", () => {
  const found = group(spread({ numbers: 2 }));
  expect(titleOfGroup(found)).toBe("lr = 0.1");
  expect(cellOfGroup(found, "x", "mean").full).toContain("1 no numbers, 1 without it");
  expect(cellOfGroup(found, "state", "mean").text).toBe("3 finished, 1 failed");
  expect(cellOfGroup(found, "config.lr", "mean").number).toBe(0.1);
  expect(cellOfGroup(found, "y", "mean").text).toBe("");
});
