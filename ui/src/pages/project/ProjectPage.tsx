/** A project: its runs on the left, their curves on the right, live. */
import { SegmentedControl, VisuallyHidden } from "@mantine/core";
import { useHotkeys, useMediaQuery } from "@mantine/hooks";
import { useNavigate, useParams } from "@tanstack/react-router";
import { useCallback, useEffect, useMemo, useState } from "react";
import { ApiError } from "../../api/client";
import type { RunRow } from "../../api/types";
import { nameOf } from "../../shell/links";
import { Trouble } from "../../shell/Trouble";
import { useView } from "../../state/view";
import { columnOf, defaults, fieldOf } from "../../table/columns";
import { useColumns, useRuns } from "../../table/useRuns";
import { FirstSteps } from "../projects/FirstSteps";
import { ChartsPane } from "./ChartsPane";
import styles from "./ProjectPage.module.css";
import { RunsPane } from "./RunsPane";
import { Splitter, useSplit } from "./Splitter";
import { useDrawn } from "./useDrawn";
import { useLive } from "./useLive";

export function ProjectPage() {
  const params = useParams({ strict: false });
  const project = nameOf(params.project ?? "");
  useEffect(() => {
    document.title = `${project} · treering`;
  }, [project]);
  return <Page key={project} project={project} />;
}

function Page({ project }: { project: string }) {
  const [view, setView] = useView();
  const [range, setRange] = useState<[number, number]>([0, 40]);
  const [selected, setSelected] = useState<ReadonlySet<string>>(new Set());
  const [split, setSplit] = useSplit();
  const narrow = useMediaQuery("(max-width: 820px)", window.innerWidth <= 820, { getInitialValueInEffect: false });
  const { data: known } = useColumns(project);
  const byField = useMemo(() => new Map((known?.columns ?? []).map((column) => [fieldOf(column), column])), [known]);
  const [tagged, setTagged] = useState(false);
  const fields = useMemo(
    () => view.columns ?? defaults(known?.columns ?? [], tagged, known?.runs === 1),
    [view.columns, known, tagged],
  );
  const columns = useMemo(() => fields.map((field) => columnOf(field, byField)), [fields, byField]);
  const asked = useMemo(() => [...new Set([...fields, ...view.group])], [fields, view.group]);
  const question = { project, filter: view.filter, sort: view.sort, columns: asked };
  const runs = useRuns(question, range[0], range[1]);
  if (!tagged && runs.first.some((run) => run.tags.length)) setTagged(true);
  const special = useSpecial(project, asked, view);
  const { drawn, looks } = useDrawn(runs.first, special.pinned, view);
  const onRange = useCallback((from: number, to: number) => setRange([from, to]), []);
  const onFilter = useCallback(
    (condition: string) => setView({ filter: view.filter ? `(${view.filter}) and ${condition}` : condition }),
    [setView, view.filter],
  );
  useLive(project);
  useOpen();
  useHotkeys([["/", () => document.querySelector<HTMLInputElement>('[aria-label="Filter runs"]')?.focus()]]);
  const unreadable =
    runs.error instanceof ApiError && runs.error.status === 400 && view.filter ? runs.error.message : null;
  if (runs.error && !unreadable && !runs.first.length) return <Trouble error={runs.error} />;
  if (!runs.isLoading && !runs.total && !view.filter && !runs.error) return <FirstSteps project={project} />;
  const table = (
    <RunsPane
      project={project}
      runs={runs}
      special={special}
      columns={columns}
      known={known?.columns ?? []}
      looks={looks}
      view={view}
      setView={setView}
      selected={selected}
      onSelect={setSelected}
      onRange={onRange}
      onFilter={onFilter}
      unreadable={unreadable}
    />
  );
  const charts = <ChartsPane project={project} drawn={drawn} total={runs.total} view={view} setView={setView} />;
  if (narrow) {
    return (
      <div className={styles.narrow}>
        <VisuallyHidden component="h1">{project}</VisuallyHidden>
        <SegmentedControl
          size="xs"
          fullWidth
          className={styles.sides ?? ""}
          aria-label="What to show"
          data={[
            { label: `Runs (${runs.total.toLocaleString("en")})`, value: "runs" },
            { label: "Charts", value: "charts" },
          ]}
          value={view.side}
          onChange={(side) => setView({ side: side === "runs" ? "runs" : "charts" })}
        />
        {view.side === "runs" ? table : charts}
      </div>
    );
  }
  return (
    <div className={styles.page} style={{ gridTemplateColumns: `${split}px 6px minmax(0, 1fr)` }}>
      <VisuallyHidden component="h1">{project}</VisuallyHidden>
      {table}
      <Splitter value={split} onChange={setSplit} />
      {charts}
    </div>
  );
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
  const found = useRuns({ project, filter, sort: [], columns }, 0, 0);
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
