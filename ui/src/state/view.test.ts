import { expect, it } from "vitest";
import { parseSearch, type Search, writeSearch } from "./search";
import { readView, type View, writeView } from "./view";

const through = (patch: Partial<View>): View =>
  readView(
    parseSearch(
      writeSearch(Object.fromEntries(Object.entries(writeView(patch)).filter(([, text]) => text !== undefined))),
    ),
  );

it("an empty address is the first view", () => {
  expect(writeSearch(writeView(readView({})))).toBe("");
});

it.each<Partial<View>>([
  { filter: "config.lr < 0.1 and name ~ 'a*' & x = 50%" },
  {
    sort: [
      { field: "summary.val/loss", descending: true },
      { field: "name", descending: false },
    ],
  },
  { columns: ["config.a,b", "summary.50%"] },
  { hidden: new Set(["a", "b"]), pinned: ["c"], baseline: "c" },
  { find: "adam 3", states: new Set(["failed", "lost"]), fixed: ["config.lr"], statistic: "std" },
  { widths: new Map([["config.a:b,c", 120]]), open: new Set(["config.a = 'x, y: 50%' and config.b is null"]) },
  { group: ["config.lr"], middle: "iqm", band: "ci", most: 12 },
  { x: "epoch", logX: true, logY: true, clip: true },
  { smooth: { kind: "gauss", strength: 30 }, range: [1.5, 1e6] },
  { top: ["a,b", "50%"], without: new Set(["x"]), places: new Map([["train/loss", 2]]), sections: new Map([["", 1]]) },
  { own: new Map([["loss", { w: 2, logY: true }]]), many: "bands", panels: [{ id: "p1", kind: "lines", keys: "a.*" }] },
  { charts: "loss|acc", folded: new Set(["train"]), side: "runs" },
])("%j comes back", (patch) => {
  expect(through(patch)).toMatchObject(patch);
});

it("what makes no sense counts for nothing", () => {
  const broken: Search = {
    smooth: "x:y",
    range: "5:1",
    most: "-3",
    band: "<b>",
    side: "up",
    stat: "all",
    widths: "a:b,:3",
  };
  expect(readView(broken)).toEqual(readView({}));
});
