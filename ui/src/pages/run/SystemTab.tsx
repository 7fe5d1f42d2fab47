/** What the machine did meanwhile, on the time axis of the metrics. */
import { SegmentedControl, Select, useComputedColorScheme } from "@mantine/core";
import { useCallback, useEffect, useMemo, useState } from "react";
import type { RunDetail } from "../../api/types";
import { type CardSettings, ChartCard } from "../../charts/ChartCard";
import type { Drawn } from "../../charts/lines";
import { look } from "../../charts/palette";
import { SeriesStore } from "../../charts/store";
import { Wall } from "../../charts/Wall";
import { useSearchState } from "../../state/search";
import { useView } from "../../state/view";
import { Empty } from "./parts";
import styles from "./SystemTab.module.css";

const NOTHING = () => {};

export function SystemTab({ run }: { run: RunDetail }) {
  const [view, setView] = useView();
  const [search, setSearch] = useSearchState();
  const dark = useComputedColorScheme("light") === "dark";
  const axis = search.x === "_time" ? "_time" : "_runtime";
  const { id, name } = run;
  const drawn = useMemo<Drawn[]>(() => [{ id, label: name, look: look(0, dark), group: null }], [id, name, dark]);
  const [shown, setShown] = useState<ReadonlyMap<string, string>>(new Map());
  const system = useSystemStore(run, shown, view.range, "system");
  const numbers = run.metrics.filter((metric) => /float|int|bool/.test(metric.kind) && !metric.hidden);
  const beside = numbers.some(({ key }) => key === search.beside)
    ? (search.beside ?? "")
    : (numbers.find(({ key }) => /loss|return|reward/.test(key)) ?? numbers[0])?.key;
  const wanted = useMemo(() => new Map(beside ? [[beside, axis]] : []), [beside, axis]);
  const history = useSystemStore(run, wanted, view.range, "history");
  const metrics = useMemo(
    () => run.system.filter(({ kind }) => /float|int/.test(kind)).map(({ key }) => ({ key, x: null })),
    [run.system],
  );
  const settings = useMemo<Omit<CardSettings, "x">>(
    () => ({
      smoothing: { kind: "none", strength: 0 },
      logX: false,
      logY: false,
      clip: false,
      start: view.range?.[0],
      stop: view.range?.[1],
      middle: "mean",
      band: "none",
    }),
    [view.range],
  );
  const own = useMemo(() => ({ ...settings, x: axis }), [settings, axis]);
  const onZoom = useCallback((range: [number, number] | null) => setView({ range }), [setView]);
  if (!metrics.length) {
    return (
      <Empty title="Nothing was measured">
        <p>
          CPU, memory, disk, network and GPUs are measured every few seconds while a run goes on; a run that ends
          sooner, or one with <code>TREERING_SYSTEM=0</code>, has none.
        </p>
      </Empty>
    );
  }
  return (
    <div className={styles.page}>
      <div className={styles.bar}>
        <SegmentedControl
          size="xs"
          aria-label="Time axis"
          value={axis}
          onChange={(x) => setSearch({ x: x === "_time" ? x : undefined, range: undefined })}
          data={[
            { value: "_runtime", label: "Since start" },
            { value: "_time", label: "Wall time" },
          ]}
        />
        {numbers.length > 0 && (
          <Select
            aria-label="Metric beside it"
            searchable
            allowDeselect={false}
            className={styles.metric ?? ""}
            data={numbers.map(({ key }) => key)}
            value={beside ?? null}
            onChange={(key) => setSearch({ beside: key ?? undefined })}
          />
        )}
        <span className={styles.note}>One cursor and one zoom for all of them</span>
      </div>
      {beside && (
        <div className={styles.beside}>
          <ChartCard
            metric={beside}
            title={beside}
            store={history}
            runs={drawn}
            settings={own}
            onZoom={onZoom}
            onOpen={NOTHING}
            height={130}
          />
        </div>
      )}
      <Wall
        metrics={metrics}
        runs={drawn}
        store={system}
        settings={settings}
        x={axis}
        folded={view.folded}
        onFold={(section) => {
          const folded = new Set(view.folded);
          if (!folded.delete(section)) folded.add(section);
          setView({ folded });
        }}
        onZoom={onZoom}
        onOpen={NOTHING}
        onShown={setShown}
      />
    </div>
  );
}

function useSystemStore(
  run: RunDetail,
  keys: ReadonlyMap<string, string>,
  range: [number, number] | null,
  stream: "system" | "history",
): SeriesStore {
  const [store] = useState(() => new SeriesStore());
  const { id, updated_us } = run;
  useEffect(() => () => store.close(), [store]);
  useEffect(() => {
    store.want({
      runs: [id],
      keys,
      start: range?.[0],
      stop: range ? range[1] + Math.abs(range[1]) * 1e-9 : undefined,
      width: 600,
      stream,
    });
  }, [store, id, keys, range, stream]);
  // News of the run say that there may be more; samples come every few seconds.
  useEffect(() => {
    if (updated_us) store.forget(id);
  }, [store, id, updated_us]);
  return store;
}
