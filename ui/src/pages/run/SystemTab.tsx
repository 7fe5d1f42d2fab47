/** What the machine did meanwhile, on the time axis of the metrics. */
import { SegmentedControl, Select, UnstyledButton, useComputedColorScheme } from "@mantine/core";
import { useCallback, useEffect, useMemo, useState } from "react";
import type { RunDetail } from "../../api/types";
import { type CardSettings, ChartCard } from "../../charts/ChartCard";
import type { Drawn } from "../../charts/lines";
import { look } from "../../charts/palette";
import { SeriesStore } from "../../charts/store";
import { Icon } from "../../shell/Icons";
import { useSearchState } from "../../state/search";
import { useView } from "../../state/view";
import { Empty } from "./parts";
import styles from "./SystemTab.module.css";
import { type SystemSection, shortName, systemSections } from "./system";

const NOTHING = () => {};

export function SystemTab({ run }: { run: RunDetail }) {
  const [view, setView] = useView();
  const [search, setSearch] = useSearchState();
  const dark = useComputedColorScheme("light") === "dark";
  const axis = search.x === "_time" ? "_time" : "_runtime";
  const { id, name, created_us } = run;
  const end_us = run.ended_us ?? run.updated_us;
  const drawn = useMemo<Drawn[]>(() => [{ id, label: name, look: look(0, dark), group: null }], [id, name, dark]);
  const numbers = run.metrics.filter((metric) => /float|int|bool/.test(metric.kind) && !metric.hidden);
  const beside = numbers.some(({ key }) => key === search.beside)
    ? (search.beside ?? "")
    : (numbers.find(({ key }) => /loss|return|reward/.test(key)) ?? numbers[0])?.key;
  const wanted = useMemo(() => new Map(beside ? [[beside, axis]] : []), [beside, axis]);
  const history = useSystemStore(run, wanted, view.range, "history");
  const sections = useMemo(
    () => systemSections(run.system.filter(({ kind }) => /float|int/.test(kind)).map(({ key }) => key)),
    [run.system],
  );
  const shown = useMemo(() => {
    const keys = sections.flatMap((section) => (view.folded.has(section.title) ? [] : section.keys));
    return new Map(keys.map((key) => [key, axis]));
  }, [sections, view.folded, axis]);
  const system = useSystemStore(run, shown, view.range, "system");
  const own = useMemo<CardSettings>(
    () => ({
      x: axis,
      smoothing: { kind: "none", strength: 0 },
      logX: false,
      logY: false,
      clip: false,
      // All reach from the start of the run to its end, however rarely something was measured.
      start: view.range?.[0] ?? (axis === "_time" ? created_us : 0),
      stop: view.range?.[1] ?? (axis === "_time" ? end_us : (end_us - created_us) / 1e6),
      middle: "mean",
      band: "none",
    }),
    [view.range, axis, created_us, end_us],
  );
  const fold = (title: string) => {
    const folded = new Set(view.folded);
    if (!folded.delete(title)) folded.add(title);
    setView({ folded });
  };
  const onZoom = useCallback((range: [number, number] | null) => setView({ range }), [setView]);
  if (!sections.length) {
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
      {sections.map((section) => (
        <Section
          key={section.title}
          section={section}
          folded={view.folded.has(section.title)}
          onFold={fold}
          card={(key) => (
            <ChartCard
              key={key}
              metric={key}
              title={shortName(key)}
              store={system}
              runs={drawn}
              settings={own}
              onZoom={onZoom}
              onOpen={NOTHING}
              height={150}
            />
          )}
        />
      ))}
    </div>
  );
}

interface SectionProps {
  section: SystemSection;
  folded: boolean;
  onFold: (title: string) => void;
  card: (key: string) => React.ReactNode;
}

function Section({ section: { title, keys }, folded, onFold, card }: SectionProps) {
  return (
    <section className={styles.section} aria-label={title}>
      <UnstyledButton className={styles.fold} aria-expanded={!folded} onClick={() => onFold(title)}>
        <Icon name={folded ? "chevronRight" : "chevronDown"} size={14} />
        {title} <span className={styles.note}>{keys.length}</span>
      </UnstyledButton>
      {!folded && <div className={styles.cards}>{keys.map(card)}</div>}
    </section>
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
