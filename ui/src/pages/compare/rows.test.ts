import { expect, it } from "vitest";
import type { MetricRow, RunDetail, Value } from "../../api/types";
import { change, directionOf, partsOf, shown } from "./rows";

const metric = (key: string, min: number, max: number, goal: string | null = null): MetricRow => ({
  key,
  kind: "float64",
  count: 10,
  first: max,
  last: min,
  min,
  max,
  mean: (min + max) / 2,
  nan: 0,
  x: null,
  summary: [],
  goal,
  hidden: false,
});

const run = (id: string, config: Value, summary: Value, metrics: MetricRow[]): RunDetail => ({
  id,
  project: "p",
  name: id,
  state: "finished",
  created_us: 0,
  updated_us: 0,
  ended_us: 0,
  duration_s: 1,
  attempt: 1,
  group: null,
  job_type: null,
  notes: null,
  parent_id: null,
  parent_step: null,
  tags: [],
  colour: null,
  values: {},
  config,
  summary,
  failure: null,
  attempts: [],
  metrics,
  system: [],
});

const RUNS = [
  run("a", { lr: 0.1, net: { depth: 2, sizes: [1, 2] } }, { loss: 0.5 }, [metric("loss", 0.25, 2)]),
  run("b", { lr: 0.2, net: { depth: 2, sizes: [1, 2] }, extra: true }, { loss: 0.4 }, [metric("loss", 0.3, 2)]),
];
const CAPTURES = [
  { environment: { packages: { numpy: "2.0", torch: "2.1" }, host: "x" }, git: { commit: "1", diff: "long" } },
  { environment: { packages: { numpy: "2.1", torch: "2.1" }, host: "x" }, git: { commit: "2" } },
];

const rows = (title: string, only = true) =>
  shown(partsOf(RUNS, CAPTURES).find((part) => part.title === title)?.rows ?? [], only, "");

it("tells what differs in config, and what is missing", () => {
  expect(rows("Config").map((row) => [row.key, row.cells.map((cell) => cell?.text)])).toEqual([
    ["lr", ["0.1", "0.2"]],
    ["extra", [undefined, "true"]],
  ]);
  expect(rows("Config", false).map((row) => row.key)).toEqual(["lr", "net.depth", "net.sizes", "extra"]);
});

it("tells the last and the best of a metric, and which run has it", () => {
  expect(rows("Metrics").map((row) => [row.key, row.what, row.cells.map((cell) => cell?.text), [...row.best]])).toEqual(
    [
      ["loss", "last", ["0.5", "0.4"], [1]],
      ["loss", "min", ["0.25", "0.3"], [0]],
    ],
  );
});

it("compares packages and machines, and leaves long texts to the code", () => {
  expect(rows("Packages").map((row) => row.key)).toEqual(["numpy"]);
  expect(rows("Environment").map((row) => row.key)).toEqual(["git commit"]);
  expect(rows("Environment", false).map((row) => row.key)).toEqual(["git commit", "host"]);
});

it("finds keys and values", () => {
  const all = partsOf(RUNS, CAPTURES).flatMap((part) => part.rows);
  expect(shown(all, false, "NUM").map((row) => row.key)).toEqual(["numpy"]);
  expect(shown(all, false, "2.1").map((row) => row.key)).toEqual(["numpy", "torch"]);
});

it.each([
  ["val/loss", null, "min"],
  ["accuracy", null, "max"],
  ["accuracy", "minimize", "min"],
  ["lr", null, null],
])("%s (%s) is good when it is %s", (key, goal, expected) => {
  expect(directionOf(key, goal)).toBe(expected);
});

it("says a difference in % where there is one", () => {
  const cell = (number: number) => ({ text: "", exact: "", number });
  expect(change(cell(3), cell(2))).toBe(50);
  expect(change(cell(-3), cell(-2))).toBe(-50);
  expect(change(cell(3), cell(0))).toBeUndefined();
  expect(change(undefined, cell(2))).toBeUndefined();
  expect(change(cell(Number.NaN), cell(2))).toBeUndefined();
});
