import { expect, it } from "vitest";
import { isWhole, KINDS, type Panel, readPanels, SHAPES, titleOf, writePanels } from "./panel";

const PANELS: Panel[] = [
  { id: "p1", kind: "scatter", x: "config.lr", y: "min.val/loss", colour: "state", logX: true },
  { id: "p2", kind: "parallel", columns: ["config.lr", "config.a b"] },
  { id: "p3", kind: "vega", spec: '{"mark": "bar"}' },
  { id: "p4", kind: "importance", y: "summary.acc", goal: "max", title: "What matters?" },
];

it("comes back from an address", () => {
  expect(readPanels(writePanels(PANELS))).toEqual(PANELS);
  expect(writePanels([])).toBe("");
});

it.each([
  "",
  "{",
  "7",
  '{"kind": "scatter"}',
  '[null, 3, {"kind": "<b>"}, {"kind": "scatter", "x": "a"}]',
  '[{"kind": "parallel", "columns": ["one"]}]',
])("%s is no panel", (text) => {
  expect(readPanels(text)).toEqual([]);
});

it("keeps what makes sense, and gives an id to what has none", () => {
  const given = [
    { kind: "bar", y: "summary.loss", by: "config.lr", how: "nonsense", more: 1 },
    { kind: "lines", id: "p1", keys: "loss", logY: "yes" },
    { kind: "lines", id: "<x>", keys: "acc" },
  ];
  expect(readPanels(JSON.stringify(given))).toEqual([
    { id: "p1", kind: "bar", y: "summary.loss", by: "config.lr" },
    { id: "p2", kind: "lines", keys: "loss" },
    { id: "p3", kind: "lines", keys: "acc" },
  ]);
});

it("every kind says what it needs", () => {
  for (const kind of KINDS) {
    expect(SHAPES[kind].fields.length).toBeGreaterThan(1);
    expect(isWhole({ id: "p1", kind })).toBe(false);
  }
  expect(PANELS.map(titleOf)).toEqual([
    "min.val/loss over lr",
    "Parallel coordinates",
    "Custom (Vega-Lite)",
    "What matters?",
  ]);
});
