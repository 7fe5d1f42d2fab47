/** Trials as lines over their parameters and metrics; a range drawn over an axis chooses trials everywhere on the page. */
import type { ECharts } from "echarts/core";
import { useCallback, useRef } from "react";
import { type Colours, merit } from "../../echarts/colours";
import { EChart, type Option } from "../../echarts/EChart";
import type { Brushes } from "./brush";
import { type Dim, placeIn, textAt, ticksOf } from "./dims";
import styles from "./SweepPage.module.css";
import { tipOf } from "./tip";
import type { TrialRow } from "./types";

const HEIGHT = 300;
const EACH = 104;

interface Props {
  trials: readonly TrialRow[];
  dims: readonly Dim[];
  standing: ReadonlyMap<number, number>;
  brushes: Brushes;
  onBrush: (brushes: Brushes) => void;
  chosen: number | null;
  onChoose: (trial: number) => void;
}

export function Parallel(props: Props) {
  const { trials, dims, standing, chosen, onChoose } = props;
  const latest = useRef(props);
  latest.current = props;
  // What the picture shows of the ranges: it is told of others only.
  const applied = useRef(new Map<string, string>());
  // The best come last, so that they lie on top.
  const order = [...trials].sort((a, b) => (standing.get(a.number) ?? -1) - (standing.get(b.number) ?? -1));
  const shown = useRef(order);
  shown.current = order;

  const draw = useCallback(
    (colours: Colours) => option(trials, dims, standing, chosen, colours),
    [trials, dims, standing, chosen],
  );
  const after = useCallback(
    (chart: ECharts) => {
      chart.off("axisareaselected");
      chart.on("axisareaselected", (told) => {
        const { parallelAxisId, intervals } = told as { parallelAxisId?: string; intervals?: [number, number][] };
        const { dims: now, brushes, onBrush } = latest.current;
        const dim = now[Number(parallelAxisId?.slice(1))];
        if (!dim) return;
        const next = new Map(brushes);
        const range = intervals?.at(-1);
        if (range) next.set(dim.id, [Math.min(...range), Math.max(...range)]);
        else next.delete(dim.id);
        applied.current.set(dim.id, JSON.stringify(next.get(dim.id) ?? null));
        onBrush(next);
      });
      let changed = false;
      dims.forEach((dim, at) => {
        const range = props.brushes.get(dim.id) ?? null;
        const text = JSON.stringify(range);
        if ((applied.current.get(dim.id) ?? "null") === text) return;
        applied.current.set(dim.id, text);
        changed = true;
        const intervals = range ? [[...range]] : [];
        chart.dispatchAction({ type: "axisAreaSelect", parallelAxisId: `d${at}`, intervals }, { silent: true });
      });
      if (changed) chart.setOption({}); // draws the ranges, too
    },
    [dims, props.brushes],
  );
  return (
    <div className={styles.wide} role="region" aria-label="All axes" tabIndex={0}>
      <div style={{ minWidth: dims.length * EACH }}>
        <EChart
          key={dims.map((dim) => dim.id).join("\n")}
          label={`Parallel coordinates: ${trials.length} trials over ${dims.map((dim) => dim.name).join(", ")}`}
          height={HEIGHT}
          draw={draw}
          after={after}
          merge
          tip={(_series, index) => {
            const trial = shown.current[index];
            return trial ? tipOf(trial, dims) : null;
          }}
          onPick={(_series, index) => {
            const trial = shown.current[index];
            if (trial) onChoose(trial.number);
          }}
        />
      </div>
    </div>
  );
}

function option(
  trials: readonly TrialRow[],
  dims: readonly Dim[],
  standing: ReadonlyMap<number, number>,
  chosen: number | null,
  colours: Colours,
): Option {
  const order = [...trials].sort((a, b) => (standing.get(a.number) ?? -1) - (standing.get(b.number) ?? -1));
  const many = order.length > 200;
  const data = order.map((trial) => {
    const rank = standing.get(trial.number);
    const best = rank === 1;
    return {
      value: dims.map((dim) => placeIn(dim, trial) ?? Number.NaN),
      lineStyle: {
        color: trial.number === chosen ? colours.bad : rank === undefined ? colours.line : merit(rank, colours.dark),
        width: best || trial.number === chosen ? 3 : many ? 1 : 1.5,
        type: trial.state === "finished" ? "solid" : "dashed",
      },
    };
  });
  return {
    parallel: { left: 56, right: 64, top: 34, bottom: 20 },
    parallelAxis: dims.map((dim, at) => axis(dim, at, colours)),
    series: [
      { id: "trials", type: "parallel", data, inactiveOpacity: 0.05, activeOpacity: 1, lineStyle: { opacity: 0.9 } },
    ],
  } as Option;
}

function axis(dim: Dim, at: number, colours: Colours): Record<string, unknown> {
  const ticks = ticksOf(dim, 7);
  return {
    id: `d${at}`,
    dim: at,
    type: "value",
    min: dim.low,
    max: dim.high,
    name: dim.name,
    nameLocation: "end",
    nameGap: 14,
    nameTextStyle: { color: colours.text, fontSize: 12, fontWeight: 600, fontFamily: colours.font },
    nameTruncate: { maxWidth: EACH - 8, ellipsis: "…" },
    realtime: false,
    axisLine: { lineStyle: { color: colours.line, width: 1.5 } },
    axisTick: { customValues: ticks, lineStyle: { color: colours.line } },
    axisLabel: {
      customValues: ticks,
      formatter: (place: number) => textAt(dim, place),
      color: colours.text,
      textBorderColor: colours.surface,
      textBorderWidth: 3,
      fontSize: 11,
      fontFamily: colours.font,
      width: EACH - 24,
      overflow: "truncate",
      showMinLabel: true,
      showMaxLabel: true,
    },
    splitLine: { show: false },
    areaSelectStyle: { width: 22, borderWidth: 1, borderColor: colours.accent, color: colours.accent, opacity: 0.25 },
  };
}
