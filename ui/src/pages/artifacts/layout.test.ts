import { expect, it } from "vitest";
import { BOX, layout } from "./layout";
import type { Graph, GraphNode } from "./types";

const node = (id: string, depth: number, kind: "run" | "version" = "version"): GraphNode => ({
  id,
  kind,
  label: id,
  project: "p",
  name: id,
  version: 0,
  state: "",
  depth,
  hidden: 0,
});
const link = (source: string, target: string) => ({ source, target, how: "made" });

const GRAPH: Graph = {
  nodes: [node("model", 0), node("train", -1, "run"), node("data", -2), node("test", 1, "run"), node("next", 1)],
  links: [
    link("data", "train"),
    link("train", "model"),
    link("model", "test"),
    link("test", "next"),
    link("model", "next"),
  ],
};

it.each([false, true])("goes from left to right, or down: %s; and nothing lies over anything", (down) => {
  const found = layout(GRAPH, down);
  const x = Object.fromEntries(found.nodes.map((one) => [one.id, down ? one.y : one.x]));
  expect([x.data, x.train, x.model, x.test, x.next]).toEqual([...Object.values(x)].sort((a, b) => a - b));
  for (const { source, target } of GRAPH.links) expect(x[source]).toBeLessThan(x[target] as number);
  for (const a of found.nodes) {
    for (const b of found.nodes) {
      const apart = Math.abs(a.x - b.x) >= BOX.width || Math.abs(a.y - b.y) >= BOX.height;
      expect(a === b || apart).toBe(true);
    }
    expect(a.x + BOX.width).toBeLessThanOrEqual(found.width);
    expect(a.y + BOX.height).toBeLessThanOrEqual(found.height);
  }
  expect(found.arrows.length).toBe(5);
  expect(found.width > found.height).toBe(!down);
});

it("crosses as few arrows as it can", () => {
  const graph: Graph = {
    nodes: [
      node("m", 0),
      ...["a", "b", "c"].map((id) => node(id, 1, "run")),
      ...["C", "B", "A"].map((id) => node(id, 2)),
    ],
    links: [link("m", "a"), link("m", "b"), link("m", "c"), link("a", "A"), link("b", "B"), link("c", "C")],
  };
  const y = Object.fromEntries(layout(graph).nodes.map((one) => [one.id, one.y]));
  expect([y.a, y.b, y.c]).toEqual([y.A, y.B, y.C]);
});

it("ends although arrows go round in a circle", () => {
  const found = layout({ nodes: [node("a", 0), node("b", 1)], links: [link("a", "b"), link("b", "a")] });
  expect(found.nodes.length).toBe(2);
});
