/** The wall of charts: sections from the first parts of keys, and only what is on the screen is asked for. */
import { UnstyledButton } from "@mantine/core";
import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { Icon } from "../shell/Icons";
import { type CardSettings, ChartCard } from "./ChartCard";
import type { Drawn } from "./lines";
import { type Section, sections } from "./sections";
import type { SeriesStore } from "./store";
import styles from "./Wall.module.css";

export interface WallMetric {
  key: string;
  /** X axis of its own; null for the step. */
  x: string | null;
}

interface Props {
  metrics: readonly WallMetric[];
  runs: readonly Drawn[];
  store: SeriesStore;
  settings: Omit<CardSettings, "x">;
  /** X axis for all; "" for each metric's own. */
  x: string;
  folded: ReadonlySet<string>;
  onFold: (section: string) => void;
  onZoom: (range: [number, number] | null) => void;
  onOpen: (run: string) => void;
  onFull?: ((metric: string) => void) | undefined;
  /** Metrics on the screen, with their x axes. */
  onShown: (keys: ReadonlyMap<string, string>) => void;
}

const HEIGHT = 190;

export function Wall(props: Props) {
  const { metrics, onShown, x, folded } = props;
  const found = useMemo(() => sections(metrics.map((metric) => metric.key)), [metrics]);
  const axis = useMemo(() => new Map(metrics.map(({ key, x: own }) => [key, x || own || "_step"])), [metrics, x]);
  const [shown, see] = useSeen();
  const open = useMemo(
    () => new Set(found.filter((section) => !folded.has(section.name)).flatMap((section) => section.keys)),
    [found, folded],
  );
  useEffect(() => {
    const keys = [...shown].filter((key) => axis.has(key) && open.has(key));
    onShown(new Map(keys.map((key) => [key, axis.get(key) ?? "_step"])));
  }, [shown, axis, open, onShown]);
  return (
    <div className={styles.wall}>
      {found.map((section) => (
        <Part key={section.name} {...props} section={section} axis={axis} see={see} shown={shown} />
      ))}
    </div>
  );
}

interface PartProps extends Props {
  section: Section;
  axis: ReadonlyMap<string, string>;
  see: (element: HTMLElement | null, key: string) => void;
  shown: ReadonlySet<string>;
}

function Part({ section, axis, see, shown, ...props }: PartProps) {
  const isFolded = props.folded.has(section.name);
  return (
    <section className={styles.section} aria-label={`Section ${section.title}`}>
      <h2 className={styles.title}>
        <UnstyledButton className={styles.fold} aria-expanded={!isFolded} onClick={() => props.onFold(section.name)}>
          <Icon name={isFolded ? "chevronRight" : "chevronDown"} size={14} />
          <span className={styles.name}>{section.title}</span>
          <span className={styles.count}>{section.keys.length}</span>
        </UnstyledButton>
      </h2>
      {!isFolded && (
        <div className={styles.grid}>
          {section.keys.map((key) => (
            <div key={key} ref={(element) => see(element, key)} className={styles.place}>
              {shown.has(key) && (
                <Card {...props} metric={key} title={section.short(key)} x={axis.get(key) ?? "_step"} />
              )}
            </div>
          ))}
        </div>
      )}
    </section>
  );
}

function Card({
  metric,
  title,
  x,
  settings,
  store,
  runs,
  onZoom,
  onOpen,
  onFull,
}: Omit<Props, "metrics"> & { metric: string; title: string }) {
  const own = useMemo(() => ({ ...settings, x }), [settings, x]);
  return (
    <ChartCard
      metric={metric}
      title={title}
      store={store}
      runs={runs}
      settings={own}
      onZoom={onZoom}
      onOpen={onOpen}
      onFull={onFull}
      height={HEIGHT}
    />
  );
}

/** Which cards are on the screen or nearly so. */
function useSeen(): [ReadonlySet<string>, (element: HTMLElement | null, key: string) => void] {
  const [seen, setSeen] = useState<ReadonlySet<string>>(new Set());
  const keys = useRef(new Map<Element, string>());
  const observer = useRef<IntersectionObserver | null>(null);
  const observe = useCallback(() => {
    observer.current ??= new IntersectionObserver(
      (entries) => {
        setSeen((before) => {
          const after = new Set(before);
          for (const entry of entries) {
            const key = keys.current.get(entry.target);
            if (key === undefined) continue;
            if (entry.isIntersecting) after.add(key);
            else after.delete(key);
          }
          return after;
        });
      },
      { rootMargin: "120px 0px" },
    );
    return observer.current;
  }, []);
  useEffect(
    () => () => {
      observer.current?.disconnect();
      observer.current = null;
    },
    [],
  );
  const see = useCallback(
    (element: HTMLElement | null, key: string) => {
      if (!element || keys.current.get(element) === key) return;
      keys.current.set(element, key);
      observe().observe(element);
    },
    [observe],
  );
  return [seen, see];
}
