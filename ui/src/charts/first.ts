/** What a project's page draws first: known to the page, and to the script that asks for it before the page is there. */
import type { Metric } from "../api/metrics";
import type { SeriesQuestion } from "../api/series";
import type { RunRow } from "../api/types";
import { sections } from "./sections";

/** Most runs that are drawn where nobody has chosen another number. */
export const MOST = 50;
/** So many charts are taken to be on the screen until the browser says which are. */
export const LIKELY = 6;

/** Pixels of a chart, fewer when many lines share them: what is drawn stays about the same. */
export function resolution(runs: number, full: boolean): number {
  if (full) return runs > 40 ? 500 : 1200;
  return Math.max(120, Math.min(500, Math.round(20_000 / Math.max(runs, 1))));
}

/**
 * The curves of the charts that come first, over the x axis of the very first; null where there are none.
 *
 * Runs that go on get theirs from the page itself: what comes between this question and its event stream would be missing.
 */
export function firstCurves(
  runs: readonly Pick<RunRow, "id" | "state">[],
  metrics: readonly Metric[],
): SeriesQuestion | null {
  if (runs.some((run) => run.state === "running")) return null;
  const axes = new Map(
    metrics.filter((metric) => metric.numeric && !metric.hidden).map(({ key, x }) => [key, x || "_step"]),
  );
  const order = sections([...axes.keys()]).flatMap((section) => section.keys);
  const x = axes.get(order[0] ?? "");
  if (x === undefined) return null;
  const keys = order.slice(0, LIKELY).filter((key) => axes.get(key) === x);
  return { x, runs: runs.map((run) => run.id), keys, width: resolution(runs.length, false) };
}
