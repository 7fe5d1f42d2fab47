/**
 * What was asked before the page's scripts were here (`boot.ts`), read before the page is put together: so it is put
 * together once, with its rows and curves, and not anew with each answer.
 */
import type { QueryClient } from "@tanstack/react-query";
import { address, takeEarly } from "../../api/client";
import { metricsOf } from "../../api/metrics";
import { type Series, type SeriesQuestion, unpackSeries } from "../../api/series";
import { firstCurves, MOST } from "../../charts/first";
import type { First } from "../../charts/store";
import { defaults } from "../../table/defaults";
import { statesOf } from "../../table/useGroups";
import { columnsOf, runsPage } from "../../table/useRuns";
import { viewsOf } from "./views/useViews";

/** An answer that takes longer is not waited for: the page shows what there is. */
const PATIENCE_MS = 150;

let curves: readonly Series[] | undefined;

/** The curves that were asked for early, or the promise of them; the first wall of charts takes them. */
export function takeFirst(): First | null {
  const url = address("/series");
  const name = [...(window.treeringEarly?.keys() ?? [])].find((one) => one.startsWith(`${url} `));
  const body = name?.slice(url.length + 1) ?? "";
  const answer = takeEarly(url, body);
  const found = curves;
  curves = undefined;
  return answer
    ? { question: JSON.parse(body) as SeriesQuestion, found, later: found ? Promise.resolve(found) : unpacked(answer) }
    : null;
}

async function unpacked(early: Promise<Response>): Promise<Series[]> {
  const answer = await early;
  if (!answer.ok) throw new Error(answer.statusText);
  return unpackSeries(await answer.clone().arrayBuffer());
}

async function readCurves(question: SeriesQuestion): Promise<void> {
  const early = takeEarly(address("/series"), JSON.stringify(question), true);
  if (early) curves = await unpacked(early);
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
  const patience = new Promise<void>((done) => setTimeout(done, PATIENCE_MS));
  await Promise.race([all(), patience]);
  window.treeringLate = true; // from now on the page asks
}
