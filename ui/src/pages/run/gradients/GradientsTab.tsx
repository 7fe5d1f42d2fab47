/** Gradients: of all parameters together, of each as a heat map, and how those of one are spread. */
import { SegmentedControl, useComputedColorScheme } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useCallback, useEffect, useMemo, useState } from "react";
import { readSeries } from "../../../api/series";
import type { RunDetail } from "../../../api/types";
import { type CardSettings, ChartCard } from "../../../charts/ChartCard";
import type { Drawn } from "../../../charts/lines";
import { look } from "../../../charts/palette";
import { SeriesStore } from "../../../charts/store";
import { short } from "../../../format/numbers";
import { Icon } from "../../../shell/Icons";
import { useSearchState } from "../../../state/search";
import { useView } from "../../../state/view";
import type { EventRow } from "../EventsTab";
import { HeatMap } from "../heat/HeatMap";
import { OverTime } from "../heat/OverTime";
import { firstBad, gridOf, logReach } from "../heat/scale";
import { Empty, Panel } from "../parts";
import { useOfRun } from "../useRun";
import styles from "./Gradients.module.css";
import { type Watched, watched } from "./layers";

const COLUMNS = 240;

export function GradientsTab({ run }: { run: RunDetail }) {
  const [search, setSearch] = useSearchState();
  const models = useMemo(() => watched(run.metrics), [run.metrics]);
  const model = models.find((one) => one.name === search.model) ?? models[0];
  if (!model) return <Empty title="Nothing is watched" />;
  return (
    <div className={styles.page}>
      <Findings run={run} />
      {models.length > 1 && (
        <SegmentedControl
          size="xs"
          className={styles.models ?? ""}
          aria-label="Which model"
          value={model.name}
          onChange={(name) => setSearch({ model: name || undefined, layer: undefined })}
          data={models.map((one) => ({ value: one.name, label: one.name || "the first" }))}
        />
      )}
      <Together run={run} keys={model.together} />
      <Layers run={run} model={model} />
    </div>
  );
}

const FOUND = new Set(["non_finite", "dead_layer", "exploding_layer"]);

/** What treering itself noticed. */
function Findings({ run }: { run: RunDetail }) {
  const { data } = useOfRun<EventRow[]>(run.id, "events");
  const found = (data ?? []).filter((event) => FOUND.has(event.kind));
  if (!found.length) return null;
  return (
    <ul className={styles.findings} aria-label="What was noticed">
      {found.slice(0, 6).map((event) => (
        <li key={`${event.kind}-${event.time_us}`} data-level={event.level}>
          <Icon name="warning" size={15} />
          <span>
            {event.message}
            {event.step !== null && <span className={styles.dim}> · run step {event.step.toLocaleString("en")}</span>}
          </span>
        </li>
      ))}
      {found.length > 6 && <li className={styles.dim}>{found.length - 6} more in Events</li>}
    </ul>
  );
}

function Together({ run, keys }: { run: RunDetail; keys: readonly string[] }) {
  const [view, setView] = useView();
  const dark = useComputedColorScheme("light") === "dark";
  const { id, name, updated_us } = run;
  const [store] = useState(() => new SeriesStore());
  const drawn = useMemo<Drawn[]>(() => [{ id, label: name, look: look(0, dark), group: null }], [id, name, dark]);
  const wanted = useMemo(() => new Map(keys.map((key) => [key, "_step"])), [keys]);
  const { range } = view;
  useEffect(() => () => store.close(), [store]);
  useEffect(() => {
    const stop = range ? range[1] + Math.abs(range[1]) * 1e-9 : undefined;
    store.want({ runs: [id], keys: wanted, start: range?.[0], stop, width: 500 });
  }, [store, id, wanted, range]);
  useEffect(() => {
    if (updated_us) store.forget(id);
  }, [store, id, updated_us]);
  const settings = useMemo<CardSettings>(
    () => ({
      x: "_step",
      smoothing: { kind: "none", strength: 0 },
      logX: false,
      logY: true,
      clip: false,
      start: range?.[0],
      stop: range?.[1],
      middle: "mean",
      band: "none",
    }),
    [range],
  );
  const onZoom = useCallback((next: [number, number] | null) => setView({ range: next }), [setView]);
  const onOpen = useCallback(() => {}, []);
  return (
    <div className={styles.cards}>
      {keys.map((key) => (
        <ChartCard
          key={key}
          metric={key}
          title={key}
          store={store}
          runs={drawn}
          settings={settings}
          onZoom={onZoom}
          onOpen={onOpen}
          height={150}
        />
      ))}
    </div>
  );
}

function parameterOf(events: readonly EventRow[] | undefined): unknown {
  const fields = events?.find((event) => event.kind === "non_finite")?.fields;
  return fields && typeof fields === "object" && !Array.isArray(fields) ? fields.parameter : undefined;
}

function Layers({ run, model }: { run: RunDetail; model: Watched }) {
  const [search, setSearch] = useSearchState();
  const ratios = model.layers.some((layer) => layer.ratio);
  const norms = model.layers.some((layer) => layer.norm);
  const what = (search.show === "ratio" && ratios) || !norms ? "ratio" : "norm";
  const layers = useMemo(() => model.layers.filter((layer) => layer[what] || layer.gradients), [model, what]);
  const keys = useMemo(() => layers.map((layer) => layer[what] ?? ""), [layers, what]);
  const { data } = useQuery({
    queryKey: ["of-run", run.id, "layers", keys.join("\n")],
    queryFn: ({ signal }) => readSeries({ runs: [run.id], keys, x: "_step", width: COLUMNS }, signal),
    placeholderData: (before) => before,
    enabled: keys.some((key) => key),
  });
  const grid = useMemo(() => data && data.length === layers.length && gridOf(data, COLUMNS), [data, layers]);
  const { data: events } = useOfRun<EventRow[]>(run.id, "events");
  // A step later everything is bad: what was first within a step is told by the event.
  const culprit = layers.findIndex((layer) => layer.name === parameterOf(events));
  const bad = useMemo(() => (grid ? firstBad(grid, culprit) : null), [grid, culprit]);
  const first = bad?.row ?? 0;
  const at = Math.max(0, search.layer === undefined ? first : layers.findIndex((layer) => layer.name === search.layer));
  const layer = layers[at];
  const choose = useCallback((row: number) => setSearch({ layer: layers[row]?.name }), [setSearch, layers]);
  if (!layers.length) return null;
  return (
    <>
      <Panel
        title="Layer by layer"
        note={bad ? `${layers[bad.row]?.name} was bad first` : `${layers.length} parameters, as the model has them`}
        actions={
          norms &&
          ratios && (
            <SegmentedControl
              size="xs"
              aria-label="What to show of the layers"
              value={what}
              onChange={(value) => setSearch({ show: value === "ratio" ? value : undefined })}
              data={[
                { value: "norm", label: "Gradient norms" },
                { value: "ratio", label: "Update ratios" },
              ]}
            />
          )
        }
      >
        {grid && (
          <HeatMap
            label={what === "norm" ? "Gradient norm of each parameter" : "Update ratio of each parameter"}
            rows={layers.map((one) => one.name)}
            grid={grid}
            reach={logReach(grid.values)}
            scaled={(value) => Math.log10(value)}
            say={(value) => short(value, 3)}
            height={Math.min(560, Math.max(90, 20 * layers.length))}
            mark={bad}
            chosen={at}
            onChoose={choose}
          />
        )}
      </Panel>
      {layer && (layer.gradients || layer.parameters) && (
        <div className={styles.pair}>
          {layer.gradients && (
            <Panel title="Gradients" note={layer.name}>
              <OverTime run={run.id} name={layer.gradients} height={300} />
            </Panel>
          )}
          {layer.parameters && (
            <Panel title="Parameters" note={layer.name}>
              <OverTime run={run.id} name={layer.parameters} height={300} />
            </Panel>
          )}
        </div>
      )}
      {layer && !layer.gradients && !layer.parameters && (
        <p className={styles.dim}>
          How values are spread within a layer is recorded with <code>run.watch(model, histograms=True)</code>.
        </p>
      )}
    </>
  );
}
