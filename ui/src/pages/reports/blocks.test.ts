import { expect, it } from "vitest";
import { idOf, partOf } from "./api";
import { blockAt, chartBlock, runsBlock, template, yamlText } from "./blocks";

it("quotes what YAML would take for something else", () => {
  expect(["loss", "val/loss", "config.lr"].map(yamlText)).toEqual(["loss", "val/loss", "config.lr"]);
  for (const odd of ["yes", "No", "null", "1e4", "a: b", "#x", "- x", "*", 'a"b', "", "x y", "-created"]) {
    expect(yamlText(odd)).toBe(JSON.stringify(odd));
  }
});

it("writes blocks", () => {
  const chart = { keys: ["a", "b/*"], filter: "x = 'y'", x: "_time", smoothing: "ema", strength: 60, log: "y" };
  expect(chartBlock({ ...chart, limit: 5, title: "" })).toBe(
    '\n```chart\nkeys: [a, "b/*"]\nfilter: "x = \'y\'"\nx: _time\nsmoothing: ema 60\nlog: "y"\nlimit: 5\n```\n',
  );
  expect(runsBlock({ columns: [], filter: "", order: "", limit: 3, title: "T" })).toBe(
    "\n```runs\ntitle: T\nlimit: 3\n```\n",
  );
  expect(template(["loss"])).toContain("keys: [loss]");
});

it("knows which block a place is in", () => {
  const text = "a\n```chart\nkeys: x\n```\nb\n```python\nx\n```\n```runs\n";
  expect(blockAt(text, 0)).toBeNull();
  expect(blockAt(text, text.indexOf("keys") + 2)).toBe("chart");
  expect(blockAt(text, text.indexOf("\nb\n") + 2)).toBeNull();
  expect(blockAt(text, text.indexOf("x\n```\n```runs"))).toBeNull();
  expect(blockAt(text, text.length)).toBe("runs");
});

it("puts the title into the address, for people", () => {
  expect(partOf({ id: "1a2b3c4d", title: "Größe & <b>Rate</b>!" })).toBe("1a2b3c4d-gro-e-b-rate-b");
  expect(partOf({ id: "1a2b3c4d", title: "学習" })).toBe("1a2b3c4d");
  expect(idOf("1a2b3c4d-grosse-rate")).toBe("1a2b3c4d");
});
