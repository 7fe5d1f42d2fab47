/** A project: its runs on the left, their curves on the right, live. */
import { SegmentedControl, VisuallyHidden } from "@mantine/core";
import { useHotkeys, useMediaQuery } from "@mantine/hooks";
import { useNavigate, useParams } from "@tanstack/react-router";
import { type ReactNode, useCallback, useEffect, useMemo, useState } from "react";
import { ApiError } from "../../api/client";
import type { GroupRow, RunRow } from "../../api/types";
import { Later } from "../../shell/Later";
import { nameOf } from "../../shell/links";
import { Trouble } from "../../shell/Trouble";
import { type SetView, useView, type View } from "../../state/view";
import { arranged, type Column, columnOf } from "../../table/columns";
import { defaults, fieldOf } from "../../table/defaults";
import { within } from "../../table/grouped";
import { useGroups, useMembers, useStates } from "../../table/useGroups";
import { useColumns, useRuns, type ValueColumns } from "../../table/useRuns";
import { FirstSteps } from "../projects/FirstSteps";
import { ChartsPane } from "./ChartsPane";
import styles from "./ProjectPage.module.css";
import { RunsPane } from "./RunsPane";
import { Splitter, useSplit } from "./Splitter";
import { useDrawn, useDrawnGroups } from "./useDrawn";
import { useLive } from "./useLive";
import { useViews } from "./views/useViews";
import { ViewsMenu } from "./views/ViewsMenu";

export function ProjectPage() {
  const params = useParams({ strict: false });
  const project = nameOf(params.project ?? "");
  useEffect(() => {
    document.title = `${project} · treering`;
  }, [project]);
  return <Page key={project} project={project} />;
}

function Page({ project }: { project: string }) {
  const [views, isKnown] = useViews(project);
  return (
    <>
      <Later room={null}>{() => <ViewsMenu project={project} views={views} />}</Later>
      {isKnown && <Runs project={project} />}
    </>
  );
}

function Runs({ project }: { project: string }) {
  const [view, setView] = useView();
  const [selected, setSelected] = useState<ReadonlySet<string>>(new Set());
  const narrow = useMediaQuery("(max-width: 820px)", window.innerWidth <= 820, { getInitialValueInEffect: false });
  const { runs, groups, drawn, error, ...shown } = useTable(project, view, narrow);
  const onFilter = useCallback(
    (condition: string) => setView({ filter: view.filter ? `(${view.filter}) and ${condition}` : condition }),
    [setView, view.filter],
  );
  useLive(project);
  useOpen();
  useHotkeys([["/", () => focusFilter()]]);
  const unreadable = error instanceof ApiError && error.status === 400 && view.filter ? error.message : null;
  if (error && !unreadable && !runs.first.length) return <Trouble whole error={error} />;
  const isNarrowed = view.filter || view.find || view.states.size;
  if (!runs.isLoading && !runs.total && !isNarrowed && !error) return <FirstSteps project={project} />;
  const table = (
    <RunsPane
      {...shown}
      project={project}
      runs={runs}
      groups={groups}
      view={view}
      setView={setView}
      selected={selected}
      onSelect={setSelected}
      onFilter={onFilter}
      unreadable={unreadable}
    />
  );
  const charts = <ChartsPane project={project} drawn={drawn} total={runs.total} view={view} setView={setView} />;
  return <Sides {...{ project, total: runs.total, table, charts, view, setView, narrow }} />;
}

const STEP = 40;

const MOST_FRAMES = 120;

/** Go to the filter, even if it is only about to come. */
function focusFilter(frames = MOST_FRAMES): void {
  const field = document.querySelector<HTMLInputElement>('[aria-label="Filter runs"]');
  if (field) field.focus();
  else if (frames > 0) requestAnimationFrame(() => focusFilter(frames - 1));
}

/** What the table shows and the charts draw, as the view says. */
function useTable(project: string, view: View, narrow: boolean) {
  const [range, setRange] = useState<[number, number]>([0, STEP]);
  const onRange = useCallback((from: number, to: number) => {
    // In steps: the page need not be put together anew for every row that is scrolled by.
    const [top, bottom] = [STEP * Math.floor(from / STEP), STEP * Math.ceil((to + 1) / STEP)];
    setRange((before) => (before[0] === top && before[1] === bottom ? before : [top, bottom]));
  }, []);
  const { data: known } = useColumns(project);
  const [tagged, setTagged] = useState(false);
  const [fields, columns] = useShownColumns(known, view, tagged, narrow);
  const asked = useMemo(() => [...new Set([...fields, ...view.group])], [fields, view.group]);
  const filter = useMemo(() => filterOf(view), [view]);
  const question = { project, filter, find: view.find, sort: view.sort, columns: asked };
  const isGrouped = view.group.length > 0;
  const runs = useRuns(question, isGrouped ? 0 : range[0], isGrouped ? 0 : range[1]);
  if (!tagged && runs.first.some((run) => run.tags.length)) setTagged(true);
  const groups = useGroups({ ...question, columns: fields }, view, range[0], range[1]);
  // Rows first: numbers of states are a second look at all runs, and nobody waits for them.
  const { data: states } = useStates({ ...question, filter: view.filter }, !runs.isBehind);
  const special = useSpecial(project, asked, view);
  const single = useDrawn(runs.first, special.pinned, view);
  const grouped = useDrawnGroups(useMembers(question, view).data, view);
  return {
    ...(isGrouped ? grouped : single),
    runs,
    groups: isGrouped ? groups : null,
    groupLooks: grouped.groupLooks,
    special,
    columns,
    known: known?.columns ?? [],
    filter,
    states: states?.groups ?? NONE,
    onRange,
    error: runs.error ?? (isGrouped ? groups.error : null),
  };
}

interface SidesProps {
  project: string;
  total: number;
  table: ReactNode;
  charts: ReactNode;
  view: View;
  setView: SetView;
  narrow: boolean;
}

/** Both sides, or one of them where there is no room for two: in the same places, so that none begins anew when a window gets another size. */
function Sides({ project, total, table, charts, view, setView, narrow }: SidesProps) {
  const [split, setSplit] = useSplit();
  return (
    <div
      className={narrow ? styles.narrow : styles.page}
      style={narrow ? undefined : { gridTemplateColumns: `${split}px 6px minmax(0, 1fr)` }}
    >
      <VisuallyHidden component="h1">{project}</VisuallyHidden>
      {narrow && (
        <SegmentedControl
          size="xs"
          fullWidth
          className={styles.sides ?? ""}
          aria-label="What to show"
          data={[
            { label: `Runs (${total.toLocaleString("en")})`, value: "runs" },
            { label: "Charts", value: "charts" },
          ]}
          value={view.side}
          onChange={(side) => setView({ side: side === "runs" ? "runs" : "charts" })}
        />
      )}
      {(!narrow || view.side === "runs") && table}
      {!narrow && <Splitter value={split} onChange={setSplit} />}
      {(!narrow || view.side === "charts") && charts}
    </div>
  );
}

const NONE: readonly GroupRow[] = [];

/** The filter together with the states that are shown. */
function filterOf(view: View): string {
  if (!view.states.size) return view.filter;
  return within(
    view.filter,
    `state in (${[...view.states].map((state) => `'${state.replace(/['\\]/g, "")}'`).join(", ")})`,
  );
}

function useShownColumns(
  known: ValueColumns | undefined,
  view: View,
  tagged: boolean,
  narrow: boolean,
): [readonly string[], Column[]] {
  const byField = useMemo(() => new Map((known?.columns ?? []).map((column) => [fieldOf(column), column])), [known]);
  const fields = useMemo(
    () => view.columns ?? defaults(known?.columns ?? [], tagged, known?.runs === 1),
    [view.columns, known, tagged],
  );
  const columns = useMemo(() => {
    const found = fields.map((field) => columnOf(field, byField));
    // Where there is little room nothing can stay beside the name.
    return arranged(found, view, narrow ? [] : view.fixed);
  }, [fields, byField, view, narrow]);
  return [fields, columns];
}

/** Runs that are shown wherever they are in the list: pinned ones, and the one that others are compared with. */
function useSpecial(
  project: string,
  columns: readonly string[],
  view: { pinned: readonly string[]; baseline: string | null },
) {
  const ids = useMemo(
    () => [...new Set([...view.pinned, ...(view.baseline ? [view.baseline] : [])])],
    [view.pinned, view.baseline],
  );
  const filter = ids.length ? `id in (${ids.map((id) => `'${id.replace(/['\\]/g, "\\$&")}'`).join(", ")})` : "id = ''";
  const found = useRuns({ project, filter, find: "", sort: [], columns }, 0, 0, ids.length > 0);
  return useMemo(() => {
    const byId = new Map(found.first.map((run) => [run.id, run]));
    const pinned = view.pinned.map((id) => byId.get(id)).filter((run): run is RunRow => run !== undefined);
    return { pinned, baseline: view.baseline ? byId.get(view.baseline) : undefined };
  }, [found.first, view.pinned, view.baseline]);
}

/** Escape takes the zoom back. */
function useOpen() {
  const [view, setView] = useView();
  const navigate = useNavigate();
  useHotkeys([
    ["Escape", () => view.range && setView({ range: null })],
    ["g", () => void navigate({ to: "/" })],
  ]);
}
