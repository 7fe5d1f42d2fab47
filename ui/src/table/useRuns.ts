/** The runs of a project, page by page, wherever the table is scrolled to. */
import { type QueryClient, useQueries, useQuery, useQueryClient } from "@tanstack/react-query";
import { useCallback, useMemo, useRef } from "react";
import { get } from "../api/client";
import type { RunNews } from "../api/live";
import type { RunRow, RunsPage } from "../api/types";
import type { SortKey } from "../state/view";
import { isValue, type ValueColumn } from "./defaults";

export const PAGE = 100;
const NONE: readonly RunRow[] = [];

export interface RunsQuestion {
  project: string;
  filter: string;
  /** Words in names. */
  find: string;
  sort: readonly SortKey[];
  columns: readonly string[];
}

function orderOf(sort: readonly SortKey[]): string {
  return sort.length ? sort.map((key) => (key.descending ? "-" : "") + key.field).join(",") : "-created";
}

export function runsPage(question: RunsQuestion, number: number) {
  const { project, filter, find, sort, columns } = question;
  const asked = columns.filter(isValue);
  return {
    queryKey: ["runs", project, { filter, find, order: orderOf(sort), asked, number }],
    queryFn: ({ signal }: { signal: AbortSignal }) =>
      get<RunsPage>(
        "/runs",
        {
          project,
          filter: filter || undefined,
          search: find || undefined,
          order: orderOf(sort),
          column: asked,
          limit: PAGE,
          offset: number * PAGE,
          count: number === 0,
        },
        signal,
      ),
  };
}

export interface FoundRuns {
  total: number;
  at: (index: number) => RunRow | undefined;
  /** Those of the first page, in order, and all that are loaded. */
  first: readonly RunRow[];
  loaded: readonly RunRow[];
  error: unknown;
  isLoading: boolean;
  /** Whether rows are still those of another question. */
  isBehind: boolean;
}

/** Runs with `from` up to `to` loaded; the first page always is. */
export function useRuns(question: RunsQuestion, from: number, to: number, enabled = true): FoundRuns {
  const numbers = useMemo(() => {
    const last = Math.floor(Math.max(0, to) / PAGE);
    const found = new Set([0]);
    for (let number = Math.floor(Math.max(0, from) / PAGE); number <= last; number++) found.add(number);
    return [...found];
  }, [from, to]);
  const queries = useQueryClient();
  // What is there stays until the next is: while it loads, and when a filter cannot be read.
  const good = useRef(new Map<number, RunsPage | undefined>());
  // Rows that were read before their columns were known are rows all the same.
  const bare = () => queries.getQueryData<RunsPage>(runsPage({ ...question, columns: [] }, 0).queryKey);
  const results = useQueries({
    queries: numbers.map((number) => ({
      ...runsPage(question, number),
      enabled,
      placeholderData: number === 0 && good.current.size === 0 ? bare : undefined,
    })),
  });
  const error = results.find((result) => result.error)?.error;
  if (results[0]?.data) good.current = new Map(numbers.map((number, i) => [number, results[i]?.data]));
  const pages = good.current;
  const head = pages.get(0);
  const at = useCallback((index: number) => pages.get(Math.floor(index / PAGE))?.runs[index % PAGE], [pages]);
  return {
    total: head?.total ?? 0,
    at,
    first: head?.runs ?? NONE,
    loaded: [...pages.values()].flatMap((page) => page?.runs ?? []),
    error,
    isLoading: results[0]?.isLoading ?? true,
    isBehind: results[0] === undefined || results[0].isPending || results[0].isPlaceholderData,
  };
}

export interface ValueColumns {
  runs: number;
  columns: ValueColumn[];
}

export function columnsOf(project: string) {
  return {
    queryKey: ["columns", project],
    queryFn: ({ signal }: { signal: AbortSignal }) => get<ValueColumns>("/columns", { project }, signal),
  };
}

export function useColumns(project: string) {
  return useQuery(columnsOf(project));
}

/** Write what happened into the pages that are loaded; tells whether the run is in none of them. */
export function applyNews(queries: QueryClient, project: string, news: RunNews): boolean {
  let known = false;
  queries.setQueriesData<RunsPage>({ queryKey: ["runs", project] }, (old) => {
    const at = old?.runs.findIndex((run) => run.id === news.id) ?? -1;
    if (!old || at < 0) return old;
    known = true;
    const before = old.runs[at] as RunRow;
    const runs = old.runs.slice();
    runs[at] = renewed(before, news);
    return { ...old, runs };
  });
  return !known;
}

function renewed(run: RunRow, news: RunNews): RunRow {
  const values = { ...run.values };
  for (const [key, value] of Object.entries(news.summary)) {
    if (`summary.${key}` in values) values[`summary.${key}`] = value;
  }
  const { name, state, updated_us, ended_us, attempt } = news;
  const duration_s = ((ended_us ?? updated_us) - run.created_us) / 1e6;
  return { ...run, name, state, updated_us, ended_us, attempt, duration_s, values };
}
