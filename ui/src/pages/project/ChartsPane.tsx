/** The right side: how curves are drawn, and the wall of them. */

import { Button, Menu } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { lazy, Suspense, useCallback, useEffect, useMemo, useState } from "react";
import { listen } from "../../api/live";
import { type Metric, metricsOf } from "../../api/metrics";
import type { CardSettings } from "../../charts/ChartCard";
import { resolution } from "../../charts/first";
import { matching } from "../../charts/sections";
import { SeriesStore } from "../../charts/store";
import { type Arranging, ownSettings, tileOf, Wall } from "../../charts/Wall";
import { things } from "../../format/numbers";
import type { Panel } from "../../panels/panel";
import { Icon } from "../../shell/Icons";
import { Later } from "../../shell/Later";
import { segment } from "../../shell/links";
import { Swatch } from "../../shell/Swatch";
import { Trouble } from "../../shell/Trouble";
import type { SetView, View } from "../../state/view";
import { ChartControls, ControlsRoom } from "./ChartControls";
import styles from "./ProjectPage.module.css";
import { takeFirst } from "./prepare";
import type { DrawnRun } from "./useDrawn";

// What a first glance does not need comes when it is asked for.
const Full = lazy(async () => ({ default: (await import("./Full")).Full }));
const ChartSettings = lazy(async () => ({ default: (await import("./ChartSettings")).ChartSettings }));
const PanelCard = lazy(async () => ({ default: (await import("../../panels/PanelCard")).PanelCard }));
const PanelDialog = lazy(async () => ({ default: (await import("../../panels/PanelDialog")).PanelDialog }));

interface Props {
  project: string;
  drawn: readonly DrawnRun[];
  total: number;
  view: View;
  setView: SetView;
  /** The only run of the page. */
  single?: string | undefined;
}

export function ChartsPane({ project, drawn, total, view, setView, single }: Props) {
  const ids = useMemo(() => drawn.map((run) => run.id), [drawn]);
  const { data: metrics, error } = useQuery({
    ...metricsOf(project, ids),
    enabled: ids.length > 0,
    placeholderData: (before) => before,
  });
  const [shown, setShown] = useState<ReadonlyMap<string, string>>(new Map());
  const [seen, setSeen] = useState<ReadonlySet<string>>(new Set());
  const [full, setFull] = useState<string | null>(null);
  const [setting, setSetting] = useState<string | null>(null);
  const numeric = useMemo(() => (metrics ?? []).filter((metric) => metric.numeric && !metric.hidden), [metrics]);
  // What is hidden as a curve, such as the count of updates, is an axis all the same.
  const axes = useMemo(() => (metrics ?? []).filter((metric) => metric.numeric).map(({ key }) => key), [metrics]);
  const wanted = useMemo(() => numeric.filter(({ key }) => matching(view.charts)(key)), [numeric, view.charts]);
  const more = useMemo(() => keysOfPanels(view, numeric, seen), [view, numeric, seen]);
  const store = useStore(drawn, shown, view, { full: full !== null, more });
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
  const onShown = useCallback((keys: ReadonlyMap<string, string>, panels: ReadonlySet<string>) => {
    setShown(keys);
    setSeen(panels);
  }, []);
  const scope = useMemo(
    () => ({ project, drawn, view, store, settings, metrics: metrics ?? [], single, onZoom, onOpen, setView }),
    [project, drawn, view, store, settings, metrics, single, onZoom, onOpen, setView],
  );
  const arranging = useMemo<Arranging>(
    () => ({
      now: view,
      set: setView,
      onSettings: setSetting,
      panel: (panel, height, menu) => (
        <Suspense fallback={null}>
          <PanelCard panel={panel} height={height} menu={menu} scope={scope} onFull={() => setFull(tileOf(panel))} />
        </Suspense>
      ),
    }),
    [view, setView, scope],
  );
  if (error && !metrics) return <Trouble error={error} />;
  const axisOf = (key: string) =>
    view.own.get(key)?.x || view.x || numeric.find((metric) => metric.key === key)?.x || "_step";
  const panelOf = (name: string): Panel | undefined => view.panels.find((panel) => tileOf(panel) === name);
  return (
    <section className={styles.pane} aria-label="Charts">
      <Later room={<ControlsRoom />}>
        {() => <ChartControls view={view} setView={setView} metrics={axes} onAdd={() => setSetting(NEW)} />}
      </Later>
      <p className={styles.drawnNote}>
        {drawn.length < total
          ? `${drawn.length} of ${total.toLocaleString("en")} runs drawn: ${
              view.group.length ? "the newest of each group" : "the first in the table that are not hidden"
            }`
          : total > 0 && `${drawn.length === 1 ? "1 run" : `All ${drawn.length} runs`} drawn`}
        {wanted.length < numeric.length && ` · ${wanted.length} of ${numeric.length} metrics`}
        <HiddenCharts view={view} setView={setView} />
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
          onShown={onShown}
          arranging={arranging}
        />
      </div>
      <Suspense fallback={null}>
        {full !== null && (
          <Full
            name={full}
            panel={panelOf(full)}
            settings={ownSettings(settings, view.own.get(full), axisOf(full))}
            scope={scope}
            order={wanted.map((metric) => metric.key)}
            onShow={setFull}
          />
        )}
        {setting !== null && (setting === NEW || panelOf(setting)) && (
          <PanelDialog
            panel={panelOf(setting)}
            scope={scope}
            onClose={() => setSetting(null)}
            onKeep={(panel, isNew) =>
              setView({
                panels: isNew
                  ? [...view.panels, panel]
                  : view.panels.map((before) => (before.id === panel.id ? panel : before)),
              })
            }
          />
        )}
        {setting !== null && setting !== NEW && !panelOf(setting) && (
          <ChartSettings
            metric={setting}
            view={view}
            setView={setView}
            metrics={axes}
            onClose={() => setSetting(null)}
          />
        )}
      </Suspense>
    </section>
  );
}

const NEW = ":";
const MOST_KEYS = 40;

/** What panels on the screen that draw several metrics need. */
function keysOfPanels(view: View, numeric: readonly Metric[], seen: ReadonlySet<string>): { key: string; x: string }[] {
  const x = view.x || "_step";
  return view.panels
    .filter((panel) => panel.kind === "lines" && seen.has(tileOf(panel)))
    .flatMap((panel) =>
      numeric
        .filter(({ key }) => matching(panel.keys ?? "")(key))
        .slice(0, MOST_KEYS)
        .map(({ key }) => ({ key, x })),
    );
}

function HiddenCharts({ view, setView }: Pick<Props, "view" | "setView">) {
  const names = [...view.without];
  if (!names.length) return null;
  const show = (name: string) => setView({ without: new Set(names.filter((one) => one !== name)) });
  return (
    <>
      {" · "}
      <Menu withinPortal>
        <Menu.Target>
          <Button size="compact-xs" variant="subtle">
            {things(names.length, "chart")} hidden
          </Button>
        </Menu.Target>
        <Menu.Dropdown mah={320} className={styles.hiddenCharts ?? ""}>
          {names.map((name) => (
            <Menu.Item key={name} leftSection={<Icon name="eye" size={13} />} onClick={() => show(name)}>
              {name}
            </Menu.Item>
          ))}
          {names.length > 1 && <Menu.Item onClick={() => setView({ without: new Set() })}>Show all</Menu.Item>}
        </Menu.Dropdown>
      </Menu>
    </>
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
  const { smooth, logX, logY, clip, range, middle, band, many } = view;
  return useMemo(
    () => ({ smoothing: smooth, logX, logY, clip, start: range?.[0], stop: range?.[1], middle, band, many }),
    [smooth, logX, logY, clip, range, middle, band, many],
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

const WATCHED_KEYS = 100;
/** A browser keeps six connections to a server; each axis takes one. */
const WATCHED_AXES = 3;

function useStore(
  drawn: readonly DrawnRun[],
  shown: ReadonlyMap<string, string>,
  view: View,
  { full, more }: { full: boolean; more: readonly { key: string; x: string }[] },
): SeriesStore {
  const [store] = useState(() => new SeriesStore(takeFirst()));
  const runs = useMemo(() => drawn.map((run) => run.id), [drawn]);
  useEffect(() => () => store.close(), [store]);
  const logX = view.logX || [...view.own.values()].some((own) => own.logX);
  useEffect(() => {
    store.want({
      runs,
      keys: shown,
      more,
      logX,
      start: view.range?.[0],
      // The server leaves the end out; the point under the right edge belongs to the picture.
      stop: view.range ? view.range[1] + Math.abs(view.range[1]) * 1e-9 : undefined,
      width: resolution(runs.length, full),
    });
  }, [store, runs, shown, more, view.range, full, logX]);
  const watched = drawn
    .filter((run) => run.running)
    .map((run) => run.id)
    .join("\n");
  const axes = JSON.stringify([...shown, ...more.map(({ key, x }) => [key, x])].slice(0, WATCHED_KEYS));
  useEffect(() => {
    const byAxis = new Map<string, string[]>();
    for (const [key, x] of JSON.parse(axes) as [string, string][]) byAxis.set(x, [...new Set(byAxis.get(x)).add(key)]);
    if (!watched || view.range) return;
    const attempts = new Map<string, number>();
    const used = [...byAxis].sort(([, a], [, b]) => b.length - a.length).slice(0, WATCHED_AXES);
    const stops = used.map(([x, keys]) =>
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
