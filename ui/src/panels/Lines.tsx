/** Several metrics of several runs over one axis. */
import { useComputedColorScheme } from "@mantine/core";
import { useElementSize } from "@mantine/hooks";
import { useEffect, useMemo, useState } from "react";
import type { Series } from "../api/series";
import { Chart } from "../charts/Chart";
import { csv } from "../charts/export";
import { type Drawn, picture } from "../charts/lines";
import { type Look, look } from "../charts/palette";
import { matching } from "../charts/sections";
import { ownSettings, tileOf } from "../charts/Wall";
import styles from "./Panel.module.css";
import { type BodyProps, Nothing } from "./PanelCard";
import { type Panel, titleOf } from "./panel";
import type { PanelScope } from "./scope";

export const MOST_KEYS = 40;
const DASHES: readonly (readonly number[])[] = [[], [6, 3], [2, 2.5], [9, 3, 2, 3]];

/** One line for each metric of each run: the run has the colour and the metric the dashes; of one run, metrics have both. */
export function combined(runs: readonly Drawn[], keys: readonly string[], dark: boolean): Drawn[] {
  return runs.flatMap((run) =>
    keys.map((key, at): Drawn => {
      const own: Look = runs.length === 1 ? look(at, dark) : { ...run.look, dash: DASHES[at % DASHES.length] ?? [] };
      return {
        id: `${run.id}\n${key}`,
        label: runs.length === 1 ? key : `${run.label} · ${key}`,
        look: own,
        group: run.group === null ? null : `${run.group} · ${key}`,
      };
    }),
  );
}

/** The metrics of such a panel. */
export function keysOf(panel: Panel, { metrics }: Pick<PanelScope, "metrics">): string[] {
  const fits = matching(panel.keys ?? "");
  return metrics
    .filter((metric) => metric.numeric && !metric.hidden && fits(metric.key))
    .map((metric) => metric.key)
    .slice(0, MOST_KEYS);
}

export function Lines({ panel, height, scope, saving }: BodyProps) {
  const { drawn, store, settings, view, onZoom, onOpen } = scope;
  const { ref, width } = useElementSize<HTMLDivElement>();
  const dark = useComputedColorScheme("light") === "dark";
  const x = view.x || "_step";
  const keys = useMemo(() => keysOf(panel, scope), [panel, scope]);
  const tick = useTicks(store, keys);
  const own = useMemo(() => {
    const found = ownSettings(settings, view.own.get(tileOf(panel)), x);
    return { ...found, logY: panel.logY === true, scaleX: x === "_time" ? 1e6 : 1 };
  }, [settings, view.own, panel, x]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: the tick says that curves in the store are others
  const drawing = useMemo(() => {
    const curves = new Map<string, Series>();
    for (const key of keys) for (const [run, series] of store.curves(key, x)) curves.set(`${run}\n${key}`, series);
    return picture(curves, combined(drawn, keys, dark), own);
  }, [store, keys, x, drawn, dark, own, tick]);
  if (scope.metrics.length && !keys.length) return <Nothing>No metric fits {panel.keys}.</Nothing>;
  const title = titleOf(panel);
  const xKind = x === "_time" ? "time" : x === "_runtime" ? "seconds" : "number";
  const saved = { title, picture: drawing, logX: own.logX, logY: own.logY, xName: x, xKind } as const;
  saving.current.csv = () => csv(saved);
  saving.current.png = async () => {
    const { pictureOf } = await import("../charts/export");
    return pictureOf(saved);
  };
  return (
    <div ref={ref} className={styles.echart} style={{ height }}>
      {width > 130 && drawing.lines.length > 0 && (
        <Chart
          picture={drawing}
          title={title}
          width={Math.floor(width)}
          height={height}
          xKind={xKind}
          logX={own.logX}
          logY={own.logY}
          onZoom={(range) => onZoom(range && [range[0] * own.scaleX, range[1] * own.scaleX])}
          onOpen={(id) => onOpen(id.split("\n")[0] ?? id)}
        />
      )}
    </div>
  );
}

/** Counts up whenever one of these curves changes. */
function useTicks(store: BodyProps["scope"]["store"], keys: readonly string[]): number {
  const [tick, setTick] = useState(0);
  useEffect(() => {
    const stops = keys.map((key) => store.subscribe(key, () => setTick((before) => before + 1)));
    setTick((before) => before + 1);
    return () => {
      for (const stop of stops) stop();
    };
  }, [store, keys]);
  return tick;
}
