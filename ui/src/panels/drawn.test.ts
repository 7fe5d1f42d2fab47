import { expect, it } from "vitest";
import { combined } from "./Lines";
import { bar, box, type Colours, MOST_GROUPS, parallel, scatter, statistics } from "./options";
import { linesOf } from "./Returns";
import { filterOf } from "./scope";
import { curvesOf, drawable, matrixOf } from "./tables";
import { column, groupsOf, type Values } from "./values";
import { asksFor, fieldsIn, readSpec, rowsOf } from "./vega";

const COLOURS: Colours = {
  text: "#000",
  dim: "#555",
  line: "#ccc",
  grid: "#eee",
  surface: "#fff",
  accent: "#077",
  dark: false,
};
const VALUES: Values = {
  total: 5,
  ids: ["a", "b", "c", "d", "e"],
  names: ["A", "B", "C", "D", "<img>"],
  columns: {
    "config.lr": [0.1, 0.01, 0.001, null, 1],
    "config.opt": ["sgd", "adam", "sgd", "adam", null],
    "summary.loss": [1, 2, 3, 4, { $number: "NaN" }],
  },
};

it("tells numbers from categories, and what is no finite number has no place", () => {
  expect(column(VALUES, "config.opt").kind).toBe("category");
  expect(column(VALUES, "summary.loss")).toMatchObject({ kind: "number", data: [1, 2, 3, 4, null] });
  expect(groupsOf(column(VALUES, "config.opt"), column(VALUES, "summary.loss"))).toEqual([
    { name: "adam", values: [2, 4], at: [1, 3] },
    { name: "sgd", values: [1, 3], at: [0, 2] },
  ]);
});

it("a scatter has a point for each run that has both, none below zero on a logarithmic axis", () => {
  const drawn = scatter({ id: "p", kind: "scatter", x: "config.lr", y: "summary.loss", logX: true }, VALUES, COLOURS);
  const [series] = drawn.series as { data: { id: string; value: unknown[] }[] }[];
  expect(series?.data.map(({ id }) => id)).toEqual(["a", "b", "c"]);
  expect(drawn.xAxis).toMatchObject({ type: "log" });
  expect(drawn.tooltip).toMatchObject({ renderMode: "richText" });
  const byName = scatter(
    { id: "p", kind: "scatter", x: "config.lr", y: "summary.loss", colour: "config.opt" },
    VALUES,
    COLOURS,
  );
  expect((byName.series as { name: string; symbol: string }[]).map(({ name, symbol }) => [name, symbol])).toEqual([
    ["adam", "circle"],
    ["sgd", "rect"],
  ]);
});

it("more groups than there is room for come page by page, and none is left out", () => {
  const many = Array.from({ length: MOST_GROUPS + 5 }, (_, i) => i);
  const values: Values = {
    total: many.length,
    ids: many.map(String),
    names: many.map(String),
    columns: { "config.seed": many, "summary.loss": many.map((i) => i / 2) },
  };
  const panel = { id: "p", kind: "bar", y: "summary.loss", by: "config.seed", how: "max" } as const;
  const heights = (from: number) => (bar(panel, values, COLOURS, from).series as { data: number[] }[])[0]?.data ?? [];
  expect([...heights(0), ...heights(MOST_GROUPS)]).toEqual(many.map((i) => i / 2));
  expect(heights(MOST_GROUPS)).toHaveLength(5);
});

it("bars and boxes", () => {
  expect(statistics([4, 1, 2, 3])).toMatchObject({ mean: 2.5, five: [1, 1.75, 2.5, 3.25, 4] });
  expect(statistics([4, 1, 2, 3]).std).toBeCloseTo(1.29099);
  const bars = bar({ id: "p", kind: "bar", y: "summary.loss", by: "config.opt", how: "max" }, VALUES, COLOURS);
  expect((bars.series as { data: number[] }[])[0]?.data).toEqual([4, 3]);
  const boxes = box({ id: "p", kind: "box", y: "summary.loss", by: "config.opt" }, VALUES, COLOURS);
  expect((boxes.series as { data: unknown[] }[]).map(({ data }) => data.length)).toEqual([2, 4]);
});

it("an axis that spans powers is logarithmic", () => {
  const drawn = parallel(
    { id: "p", kind: "parallel", columns: ["config.lr", "config.opt", "summary.loss"] },
    VALUES,
    COLOURS,
  );
  const axes = drawn.parallelAxis as { type: string; nameLocation: string }[];
  expect(axes.map(({ type }) => type)).toEqual(["log", "category", "value"]);
  expect(axes.map(({ nameLocation }) => nameLocation)).toEqual(["end", "start", "end"]); // no name over another
});

it("reads matrices and curves, W&B's too", () => {
  const page = {
    columns: ["Actual", "Predicted", "nPredictions"],
    types: [],
    total: 4,
    rows: [
      ["a", "a", 3],
      ["a", "b", 1],
      ["b", "b", 2],
    ],
  };
  expect(drawable(page.columns)).toBe("confusion");
  expect(matrixOf(page)).toEqual({
    names: ["a", "b"],
    counts: [
      [3, 1],
      [0, 2],
    ],
    total: 6,
    right: 5,
  });
  const roc = {
    columns: ["class", "fpr", "tpr"],
    types: [],
    total: 3,
    rows: [
      ["x", 0, 0],
      ["x", 0, 0.5],
      ["x", 1, 1],
    ],
  };
  expect(curvesOf("roc", roc)).toEqual([{ name: "x", x: [0, 0, 1], y: [0, 0.5, 1], area: 0.75 }]);
  expect(drawable(["a", "b"])).toBeNull();
});

it("finds what a description names, and makes rows that it can read", () => {
  const text =
    '{"data": {"name": "runs"}, "encoding": {"x": {"field": "config.opt.lr"}, "y": {"field": "summary.val/loss"}}}';
  expect(fieldsIn(text)).toEqual(["config.opt.lr", "summary.val/loss"]);
  expect([asksFor(text, "runs"), asksFor(text, "series")]).toEqual([true, false]);
  const rows = rowsOf({
    total: 1,
    ids: ["a"],
    names: ["A"],
    columns: { "config.opt.lr": [0.1], "config.__proto__.x": [1] },
  });
  expect(rows).toEqual([{ id: "a", name: "A", config: { opt: { lr: 0.1 } } }]);
  expect(({} as { x?: unknown }).x).toBeUndefined();
  expect(() => readSpec("{")).toThrow("no JSON");
  expect(() => readSpec("[]")).toThrow("an object");
});

it("several metrics: the run has the colour, the metric the dashes", () => {
  const run = (id: string, colour: string) => ({ id, label: id, look: { colour, dash: [] }, group: null });
  const lines = combined([run("a", "red"), run("b", "blue")], ["x", "y"], false);
  expect(lines.map(({ label, look }) => [label, look.colour, look.dash.length])).toEqual([
    ["a · x", "red", 0],
    ["a · y", "red", 2],
    ["b · x", "blue", 0],
    ["b · y", "blue", 2],
  ]);
  expect(new Set(combined([run("a", "red")], ["x", "y"], false).map(({ look }) => look.colour)).size).toBe(2);
});

it("lines of returns have gaps where no run is", () => {
  const line = {
    name: "a",
    runs: 2,
    tasks: 1,
    episodes: 9,
    draws: 9,
    values: [null, 1],
    low: [null, 0],
    high: [null, 2],
    counts: [0, 2],
  };
  const [drawn] = linesOf({ x: [0, 1], lines: [line] }, false);
  expect([[...(drawn?.y ?? [])], drawn?.total]).toEqual([[Number.NaN, 1], 9]);
});

it("looks at the runs of the table", () => {
  const view = { filter: "a = 1 or b = 2", states: new Set(["failed"]), hidden: new Set(["x'y"]) };
  expect(filterOf(view)).toBe("(a = 1 or b = 2) and state in ('failed') and not id in ('x\\'y')");
});
