/** The groups of a project's runs, level by level, and the runs of those that are open. */
import { useQueries, useQuery } from "@tanstack/react-query";
import { get } from "../api/client";
import type { GroupRow, GroupsPage, RunRow, RunsPage } from "../api/types";
import type { Statistic, View } from "../state/view";
import { levelIn, type Stretch, stretchAt, stretches, within } from "./grouped";
import { PAGE, type RunsQuestion, runsPage } from "./useRuns";

/** More groups than this are found with a filter. */
const MOST_GROUPS = 1000;
const MOST_TALLIED = 60;

const NOTHING: ReturnType<typeof stretches> = { rows: [], total: 0 };

interface GroupsQuestion extends RunsQuestion {
  by: readonly string[];
  statistic?: Statistic;
  members?: number;
}

/** What a group can tell of a column. */
export function isTallied(field: string): boolean {
  return /^(config|summary)\./.test(field) || field === "duration" || field === "attempts";
}

function groupsPage(question: GroupsQuestion) {
  const { project, filter, find, sort, columns, by, statistic = "mean", members = 0 } = question;
  const column = columns.filter(isTallied).slice(0, MOST_TALLIED);
  const order = sort
    .filter((key) => isTallied(key.field) || by.includes(key.field) || key.field === "created")
    .map((key) => (key.descending ? "-" : "") + key.field)
    .join(",");
  return {
    queryKey: ["groups", project, { filter, find, order, column, by, statistic, members }],
    queryFn: ({ signal }: { signal: AbortSignal }) =>
      get<GroupsPage>(
        "/groups",
        {
          project,
          by,
          filter: filter || undefined,
          search: find || undefined,
          order: order || undefined,
          column,
          statistic,
          members: members || undefined,
          limit: MOST_GROUPS,
        },
        signal,
      ),
    placeholderData: (before: GroupsPage | undefined) => before,
  };
}

export interface GroupedRuns {
  total: number;
  at: (index: number) => TableItem | undefined;
  runs: readonly RunRow[];
  error: unknown;
}

/** A row of the table. */
export type TableItem =
  | { kind: "run"; run: RunRow | undefined; level: number }
  | { kind: "group"; group: GroupRow; path: string; level: number; isOpen: boolean; isInnermost: boolean }
  | { kind: "note"; text: string; level: number };

/** Groups with their open ones; runs are loaded from row `from` up to `to`. Nothing is asked unless runs are grouped. */
export function useGroups(question: RunsQuestion, view: View, from: number, to: number): GroupedRuns {
  const { open } = view;
  const depth = view.group.length;
  const levels = useLevels(question, view);
  const { rows, total } = depth ? stretches(levels.pages, depth, open) : NOTHING;
  const wanted = pagesOf(rows, from, to);
  const found = useQueries({
    queries: wanted.map(({ path, number }) => runsPage({ ...question, filter: within(question.filter, path) }, number)),
  });
  const pages = new Map(wanted.map(({ path, number }, i) => [`${number} ${path}`, found[i]?.data as RunsPage]));
  const at = (index: number): TableItem | undefined => {
    const row = stretchAt(rows, index);
    if (row?.kind !== "runs") return row;
    const place = index - row.start;
    const run = pages.get(`${Math.floor(place / PAGE)} ${row.path}`)?.runs[place % PAGE];
    return { kind: "run", run, level: row.level };
  };
  const runs = [...pages.values()].flatMap((page) => page?.runs ?? []);
  return { total, at, runs, error: levels.error };
}

/** Pages of groups: the outermost, and those in each open group. */
function useLevels(question: RunsQuestion, view: View): { pages: ReadonlyMap<string, GroupsPage>; error: unknown } {
  const { group: fields, open, statistic } = view;
  const paths = fields.length ? ["", ...open].filter((path) => levelIn(path, open) < fields.length) : [];
  const results = useQueries({
    queries: paths.map((path) => {
      const by = [fields[levelIn(path, open)] ?? ""];
      return groupsPage({ ...question, filter: within(question.filter, path), by, statistic });
    }),
  });
  const pages = new Map<string, GroupsPage>();
  paths.forEach((path, i) => {
    const page = results[i]?.data;
    if (page) pages.set(path, page);
  });
  return { pages, error: results.find((result) => result.error)?.error };
}

function pagesOf(rows: readonly Stretch[], from: number, to: number): { path: string; number: number }[] {
  return rows.flatMap((row) => {
    if (row.kind !== "runs" || row.start > to || row.start + row.count <= from) return [];
    const first = Math.floor(Math.max(0, from - row.start) / PAGE);
    const last = Math.floor(Math.min(row.count - 1, to - row.start) / PAGE);
    return Array.from({ length: last - first + 1 }, (_, i) => ({ path: row.path, number: first + i }));
  });
}

/** The newest runs of each group, evenly: what is drawn. */
export function useMembers(question: RunsQuestion, view: View) {
  return useQuery({
    ...groupsPage({ ...question, columns: [], by: view.group, members: view.most }),
    enabled: view.group.length > 0,
  });
}

/** How many runs there are in each state, whatever states are shown. */
export function statesOf(question: RunsQuestion) {
  return groupsPage({ ...question, columns: [], sort: [], by: ["state"] });
}

export function useStates(question: RunsQuestion, enabled: boolean) {
  return useQuery({ ...statesOf(question), enabled });
}
