/** Where the runs and versions of a lineage stand: what came before on the left or above, what came of it on the right or below. */
import type { Graph, GraphNode } from "./types";

export const BOX = { width: 176, height: 42 };
/** Between two steps, and between what is of the same step. */
const GAP = { step: 64, beside: 14 };
const GAP_DOWN = { step: 36, beside: 14 };

export interface Placed extends GraphNode {
  x: number;
  y: number;
}

export interface Arrow {
  source: string;
  target: string;
  how: string;
  path: string;
}

export interface Layout {
  nodes: Placed[];
  arrows: Arrow[];
  width: number;
  height: number;
}

/** How often the columns are put in order by what their boxes hang together with. */
const ROUNDS = 6;

/**
 * Place them.
 *
 * @param down whether steps go down the page, where it is narrow, and not across it.
 */
export function layout(graph: Graph, down = false): Layout {
  const columns = columnsOf(graph);
  const near = neighbours(graph);
  for (let round = 0; round < ROUNDS; round++) {
    const order = round % 2 ? [...columns].reverse() : columns;
    for (const column of order) sortBy(column, near, places(columns));
  }
  const gap = down ? GAP_DOWN : GAP;
  const [along, beside] = down ? [BOX.height, BOX.width] : [BOX.width, BOX.height];
  const reach = (count: number) => count * (beside + gap.beside) - gap.beside;
  const widest = reach(Math.max(1, ...columns.map((column) => column.length)));
  const nodes = columns.flatMap((column, at) => {
    const begin = (widest - reach(column.length)) / 2;
    return column.map((node, row) => {
      const [step, place] = [at * (along + gap.step), begin + row * (beside + gap.beside)];
      return { ...node, ...(down ? { x: place, y: step } : { x: step, y: place }) };
    });
  });
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const arrows = graph.links.flatMap((link) => {
    const [from, to] = [byId.get(link.source), byId.get(link.target)];
    return from && to ? [{ ...link, path: (down ? drop : curve)(from, to) }] : [];
  });
  const length = columns.length * (along + gap.step) - gap.step;
  return { nodes, arrows, ...(down ? { width: widest, height: length } : { width: length, height: widest }) };
}

/** One column for each depth that there is, the earliest first; an arrow never leads back. */
function columnsOf(graph: Graph): GraphNode[][] {
  const depth = new Map(graph.nodes.map((node) => [node.id, node.depth]));
  // A version begun with an older one, and made by a run that used it, belongs behind that run.
  for (let round = 0; round < graph.nodes.length; round++) {
    let moved = false;
    for (const { source, target } of graph.links) {
      const [from, to] = [depth.get(source), depth.get(target)];
      if (from === undefined || to === undefined || from < to) continue;
      if (from >= 0) depth.set(target, from + 1);
      else depth.set(source, to - 1);
      moved = true;
    }
    if (!moved) break;
  }
  const found = [...new Set(depth.values())].sort((a, b) => a - b);
  return found.map((at) => graph.nodes.filter((node) => depth.get(node.id) === at));
}

function neighbours(graph: Graph): Map<string, string[]> {
  const near = new Map<string, string[]>();
  for (const { source, target } of graph.links) {
    near.set(source, [...(near.get(source) ?? []), target]);
    near.set(target, [...(near.get(target) ?? []), source]);
  }
  return near;
}

function places(columns: readonly GraphNode[][]): Map<string, number> {
  return new Map(columns.flatMap((column) => column.map((node, at) => [node.id, (at + 1) / (column.length + 1)])));
}

function sortBy(column: GraphNode[], near: ReadonlyMap<string, string[]>, at: ReadonlyMap<string, number>): void {
  const weight = new Map(
    column.map((node) => {
      const others = (near.get(node.id) ?? []).map((id) => at.get(id) ?? 0.5);
      const own = at.get(node.id) ?? 0.5;
      return [node.id, others.length ? others.reduce((sum, one) => sum + one, 0) / others.length : own];
    }),
  );
  column.sort((a, b) => (weight.get(a.id) ?? 0) - (weight.get(b.id) ?? 0));
}

function curve(from: Placed, to: Placed): string {
  const [x1, y1] = [from.x + BOX.width, from.y + BOX.height / 2];
  const [x2, y2] = [to.x, to.y + BOX.height / 2];
  const bend = Math.max(24, (x2 - x1) / 2);
  return `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`;
}

/** From the bottom of one to the top of another. */
function drop(from: Placed, to: Placed): string {
  const [x1, y1] = [from.x + BOX.width / 2, from.y + BOX.height];
  const [x2, y2] = [to.x + BOX.width / 2, to.y];
  const bend = Math.max(14, (y2 - y1) / 2);
  return `M${x1} ${y1}C${x1} ${y1 + bend} ${x2} ${y2 - bend} ${x2} ${y2}`;
}
