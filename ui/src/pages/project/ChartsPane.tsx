/** The right side: how curves are drawn, and the wall of them. */
import { Button, Modal } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useCallback, useEffect, useMemo, useState } from "react";
import { send } from "../../api/client";
import { listen } from "../../api/live";
import { type CardSettings, ChartCard } from "../../charts/ChartCard";
import { matching } from "../../charts/sections";
import { SeriesStore } from "../../charts/store";
import { Wall } from "../../charts/Wall";
import { segment } from "../../shell/links";
import { Swatch } from "../../shell/Swatch";
import { Trouble } from "../../shell/Trouble";
import type { SetView, View } from "../../state/view";
import { ChartControls } from "./ChartControls";
import styles from "./ProjectPage.module.css";
import type { DrawnRun } from "./useDrawn";

interface Metric {
  key: string;
  numeric: boolean;
  runs: number;
  points: number;
  x: string | null;
  hidden: boolean;
}

interface Props {
  project: string;
  drawn: readonly DrawnRun[];
  total: number;
  view: View;
  setView: SetView;
}

export function ChartsPane({ project, drawn, total, view, setView }: Props) {
  const ids = useMemo(() => drawn.map((run) => run.id), [drawn]);
  const { data: metrics, error } = useQuery({
    queryKey: ["metrics", project, [...ids].sort().join()],
    queryFn: () => send<Metric[]>("POST", "/metrics", { runs: ids }),
    enabled: ids.length > 0,
    placeholderData: (before) => before,
  });
  const [shown, setShown] = useState<ReadonlyMap<string, string>>(new Map());
  const [full, setFull] = useState<string | null>(null);
  const store = useStore(drawn, shown, view, full);
  const numeric = useMemo(() => (metrics ?? []).filter((metric) => metric.numeric && !metric.hidden), [metrics]);
  const wanted = useMemo(() => numeric.filter(({ key }) => matching(view.charts)(key)), [numeric, view.charts]);
  const settings = useSettings(view);
  const onZoom = useCallback((range: [number, number] | null) => setView({ range }), [setView]);
  const onOpen = useOpenRun(project);
  const onFold = useCallback(
    (section: string) => {
      const folded = new Set(view.folded);
      if (!folded.delete(section)) folded.add(section);
      setView({ folded });
    },
    [setView, view.folded],
  );
  if (error && !metrics) return <Trouble error={error} />;
  const axisOf = (key: string) => view.x || numeric.find((metric) => metric.key === key)?.x || "_step";
  return (
    <section className={styles.pane} aria-label="Charts">
      <ChartControls view={view} setView={setView} metrics={numeric.map((metric) => metric.key)} />
      <p className={styles.drawnNote}>
        {drawn.length < total
          ? `${drawn.length} of ${total.toLocaleString("en")} runs drawn: ${
              view.group.length ? "the newest of each group" : "the first in the table that are not hidden"
            }`
          : `${drawn.length === 1 ? "1 run" : `All ${drawn.length} runs`} drawn`}
        {wanted.length < numeric.length && ` · ${wanted.length} of ${numeric.length} metrics`}
      </p>
      <Groups drawn={drawn} view={view} setView={setView} />
      <div className={styles.scroll}>
        <Wall
          metrics={wanted}
          runs={drawn}
          store={store}
          settings={settings}
          x={view.x}
          folded={view.folded}
          onFold={onFold}
          onZoom={onZoom}
          onOpen={onOpen}
          onFull={setFull}
          onShown={setShown}
        />
      </div>
      {full !== null && (
        <Modal opened onClose={() => setFull(null)} size="94vw" title={full} transitionProps={{ duration: 0 }}>
          <ChartCard
            metric={full}
            title={full}
            store={store}
            runs={drawn}
            settings={{ ...settings, x: axisOf(full) }}
            onZoom={onZoom}
            onOpen={onOpen}
            height={Math.round(window.innerHeight * 0.68)}
          />
        </Modal>
      )}
    </section>
  );
}

/** What the lines of groups are, for the table tells of single runs only. */
function Groups({ drawn, view, setView }: Pick<Props, "drawn" | "view" | "setView">) {
  if (!view.group.length) return null;
  const counts = new Map<string, DrawnRun[]>();
  for (const run of drawn) counts.set(run.group ?? "", [...(counts.get(run.group ?? "") ?? []), run]);
  return (
    <div className={styles.groups}>
      {[...counts].map(([name, runs]) => (
        <span key={name} className={styles.group} title={`${runs.length} runs`}>
          <Swatch look={runs[0]?.look} />
          <span className="cut">{name}</span>
          <span className={styles.runs}>{runs.length}</span>
        </span>
      ))}
      <Button size="compact-xs" variant="subtle" onClick={() => setView({ group: [] })}>
        No groups
      </Button>
    </div>
  );
}

function useSettings(view: View): Omit<CardSettings, "x"> {
  const { smooth, logX, logY, clip, range, middle, band } = view;
  return useMemo(
    () => ({ smoothing: smooth, logX, logY, clip, start: range?.[0], stop: range?.[1], middle, band }),
    [smooth, logX, logY, clip, range, middle, band],
  );
}

function useOpenRun(project: string) {
  const navigate = useNavigate();
  return useCallback(
    (run: string) => {
      void navigate({ to: "/$project/runs/$run", params: { project: segment(project), run: segment(run) } });
    },
    [navigate, project],
  );
}

/** Pixels of a chart, fewer when many lines share them: what is drawn stays about the same. */
function resolution(runs: number, full: boolean): number {
  if (full) return runs > 40 ? 500 : 1200;
  return Math.max(120, Math.min(500, Math.round(20_000 / Math.max(runs, 1))));
}

const WATCHED_KEYS = 100;

function useStore(
  drawn: readonly DrawnRun[],
  shown: ReadonlyMap<string, string>,
  view: View,
  full: string | null,
): SeriesStore {
  const [store] = useState(() => new SeriesStore());
  const runs = useMemo(() => drawn.map((run) => run.id), [drawn]);
  useEffect(() => () => store.close(), [store]);
  useEffect(() => {
    store.want({
      runs,
      keys: shown,
      start: view.range?.[0],
      // The server leaves the end out; the point under the right edge belongs to the picture.
      stop: view.range ? view.range[1] + Math.abs(view.range[1]) * 1e-9 : undefined,
      width: resolution(runs.length, full !== null),
    });
  }, [store, runs, shown, view.range, full]);
  const watched = drawn
    .filter((run) => run.running)
    .map((run) => run.id)
    .join("\n");
  const axes = JSON.stringify([...shown].slice(0, WATCHED_KEYS));
  useEffect(() => {
    const byAxis = new Map<string, string[]>();
    for (const [key, x] of JSON.parse(axes) as [string, string][]) byAxis.set(x, [...(byAxis.get(x) ?? []), key]);
    if (!watched || view.range) return;
    const attempts = new Map<string, number>();
    const stops = [...byAxis].map(([x, keys]) =>
      listen(
        { runs: watched.split("\n"), keys, x },
        {
          rows: (news) => store.add(news),
          run: (news) => {
            if ((attempts.get(news.id) ?? news.attempt) < news.attempt) store.forget(news.id);
            attempts.set(news.id, news.attempt);
          },
        },
      ),
    );
    return () => {
      for (const stop of stops) stop();
    };
  }, [store, watched, axes, view.range]);
  return store;
}
