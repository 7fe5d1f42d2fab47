/**
 * What was asked before the page's scripts were here (`boot.ts`), read before the page is put together: so it is put
 * together once, with its rows and curves, and not anew with each answer.
 */
import type { QueryClient } from "@tanstack/react-query";
import { address, takeEarly } from "../../api/client";
import { metricsOf } from "../../api/metrics";
import { type Series, type SeriesQuestion, unpackSeries } from "../../api/series";
import { firstCurves, MOST } from "../../charts/first";
import { defaults } from "../../table/defaults";
import { statesOf } from "../../table/useGroups";
import { columnsOf, runsPage } from "../../table/useRuns";
import { viewsOf } from "./views/useViews";

/** An answer that takes longer is not waited for: the page shows what there is. */
const PATIENCE_MS = 150;

let curves: { question: SeriesQuestion; found: readonly Series[] } | null = null;

/** The curves that were asked for early, if they are here; the first wall of charts takes them. */
export function takeFirst() {
  const found = curves;
  curves = null;
  if (found && !takeEarly(address("/series"), JSON.stringify(found.question))) return null; // of long ago
  return found;
}

async function readCurves(question: SeriesQuestion): Promise<void> {
  // What comes too late for the first picture is left to the wall, which asks the same.
  const answer = await takeEarly(address("/series"), JSON.stringify(question), true);
  if (answer?.ok) curves = { question, found: unpackSeries(await answer.clone().arrayBuffer()) };
}

/** Read what was asked early for a project, as the page will ask for it. */
export async function prepare(queries: QueryClient, project: string): Promise<void> {
  const question = { project, filter: "", find: "", sort: [], columns: [] };
  const rows = async () => {
    const runs = (await queries.fetchQuery(runsPage(question, 0))).runs.slice(0, MOST);
    const ids = runs.map((run) => run.id);
    if (!ids.length) return;
    const wanted = firstCurves(runs, await queries.fetchQuery(metricsOf(project, ids)));
    if (wanted) await readCurves(wanted);
  };
  const values = async () => {
    const known = await queries.fetchQuery(columnsOf(project));
    const columns = defaults(known.columns, false, known.runs === 1);
    await queries.prefetchQuery(runsPage({ ...question, columns }, 0));
  };
  const all = async () => {
    await window.treeringAsked;
    const others = [queries.prefetchQuery(viewsOf(project)), queries.prefetchQuery(statesOf(question))];
    await Promise.allSettled([rows(), values(), ...others]);
  };
  await Promise.race([all(), new Promise((done) => setTimeout(done, PATIENCE_MS))]);
}
