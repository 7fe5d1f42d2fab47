import { expect, it } from "vitest";
import type { GroupRow, GroupsPage } from "../api/types";
import { levelIn, type Stretch, stretchAt, stretches, within } from "./grouped";

const group = (condition: string, runs: number): GroupRow => ({
  keys: [{ field: condition.split(" ")[0] ?? "", value: 1, condition }],
  runs,
  states: { finished: runs },
  newest_us: 0,
  values: {},
  members: [],
});
const page = (...groups: GroupRow[]): GroupsPage => ({
  groups,
  total: groups.length,
  runs: groups.reduce((sum, one) => sum + one.runs, 0),
});
const told = (row: Stretch | undefined) =>
  row?.kind === "group" ? row.path : row?.kind === "runs" ? `${row.count} of ${row.path}` : row?.text;

it("groups are rows, and open ones are followed by their runs", () => {
  const pages = new Map([["", page(group("lr = 0.1", 300), group("lr = 1", 2))]]);
  expect(stretches(pages, 1, new Set()).rows.map(told)).toEqual(["lr = 0.1", "lr = 1"]);
  const { rows, total } = stretches(pages, 1, new Set(["lr = 0.1"]));
  expect(rows.map(told)).toEqual(["lr = 0.1", "300 of lr = 0.1", "lr = 1"]);
  expect(total).toBe(302);
  expect([0, 1, 300, 301].map((index) => told(stretchAt(rows, index)))).toEqual([
    "lr = 0.1",
    "300 of lr = 0.1",
    "300 of lr = 0.1",
    "lr = 1",
  ]);
});

it("groups in groups open one after the other, and wait for what is not there yet", () => {
  const pages = new Map([["", page(group("a = 1", 5), group("a = 2", 1))]]);
  const open = new Set(["a = 1", "a = 1 and b = 'x'", "gone = 3"]);
  expect(stretches(pages, 2, open).rows.map(told)).toEqual(["a = 1", "…", "a = 2"]);
  expect(["", ...open].map((path) => levelIn(path, open))).toEqual([0, 1, 2, 1]);
  pages.set("a = 1", page(group("b = 'x'", 4), group("b is null", 1)));
  const { rows, total } = stretches(pages, 2, open);
  expect(rows.map(told)).toEqual([
    "a = 1",
    "a = 1 and b = 'x'",
    "4 of a = 1 and b = 'x'",
    "a = 1 and b is null",
    "a = 2",
  ]);
  expect(rows.map((row) => row.level)).toEqual([0, 1, 2, 1, 0]);
  expect(total).toBe(8);
});

it("says how many groups are not shown", () => {
  const pages = new Map([["", { ...page(group("a = 1", 5)), total: 4001 }]]);
  expect(stretches(pages, 1, new Set()).rows.map(told).at(-1)).toContain("4,000 more");
});

it("narrows a filter to a group", () => {
  expect(within("", "a = 1")).toBe("a = 1");
  expect(within("x = 1 or y = 2", "a = 1")).toBe("(x = 1 or y = 2) and a = 1");
  expect(within("x = 1", "")).toBe("x = 1");
});
