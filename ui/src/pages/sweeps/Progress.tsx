/** What each trial came to, and the best so far. */
import { useCallback, useMemo } from "react";
import { asNumber } from "../../api/values";
import { places, placeText } from "../../charts/ticks";
import { axisOption } from "../../echarts/axis";
import type { Colours } from "../../echarts/colours";
import { EChart, type Option } from "../../echarts/EChart";
import { type Dim, placeIn, placeOf } from "./dims";
import { axisOf, type Choice, type Dot, dots, pointing } from "./scatter";
import { records, stairs } from "./trials";
import type { Goal, TrialRow } from "./types";

interface Props {
  trials: readonly TrialRow[];
  dims: readonly Dim[];
  metric: Dim;
  goal: Goal;
  over: "trial" | "time";
  createdUs: number;
  choice: Choice;
}

export function Progress({ trials, dims, metric, goal, over, createdUs, choice }: Props) {
  const at = useCallback(
    (trial: TrialRow) =>
      over === "trial" ? trial.number : ((trial.ended_us ?? Date.now() * 1000) - createdUs) / 1_000_000,
    [over, createdUs],
  );
  const found = useMemo<Dot[]>(
    () =>
      trials
        .filter((trial) => trial.state !== "waiting")
        .map((trial) => ({ trial, x: at(trial), y: placeIn(metric, trial) ?? Number.NaN }))
        // One that failed has no value, and is not left out for it.
        .map((dot) => (dot.trial.state === "failed" ? { ...dot, y: metric.low } : dot))
        .filter((dot) => !Number.isNaN(dot.y)),
    [trials, metric, at],
  );
  const draw = useCallback(
    (colours: Colours, width: number) => {
      const ordered = over === "trial" ? trials : [...trials].sort((a, b) => (a.ended_us ?? 0) - (b.ended_us ?? 0));
      const last = Math.max(1, ...found.map((dot) => dot.x));
      const line = records(ordered, goal.goal, metric.metric).map(({ trial, value }) => ({
        x: at(trial),
        y: placeOf(metric, value) ?? Number.NaN,
      }));
      const spans = over === "time";
      return {
        grid: { left: 56, right: 16, top: 12, bottom: 40 },
        xAxis: {
          ...axisOption(
            {
              name: spans ? "since the sweep was made" : "trial",
              low: spans ? 0 : -0.5,
              high: last + (spans ? 0 : 0.5),
              ticks: ticksOver(last, width, spans),
              text: (place) => placeText(place, spans ? "seconds" : "number"),
            },
            colours,
          ),
          nameGap: 24,
        },
        yAxis: { ...axisOf(metric, 6, colours), name: "" },
        series: [
          intervals(found, metric, colours),
          bestLine(stairs(line, last), colours),
          dots("trials", found, choice, colours),
        ],
      } as Option;
    },
    [found, trials, metric, goal, over, at, choice],
  );
  return (
    <EChart
      label={`${goal.name} of ${found.length} trials, and the best so far`}
      height={264}
      draw={draw}
      {...pointing(found, dims, choice)}
    />
  );
}

function ticksOver(last: number, width: number, spans: boolean): number[] {
  const found = places(0, last, width / (spans ? 90 : 65), { log: false, spans });
  return spans ? found : found.filter(Number.isInteger);
}

/** Not a line of ECharts: that leaves out corners that are near each other, and what is flat would slope. */
function bestLine(corners: readonly [number, number][], colours: Colours) {
  return {
    id: "best",
    type: "custom",
    silent: true,
    clip: true,
    z: 2,
    encode: { x: 0, y: 1 },
    data: corners.length ? [corners[0]] : [],
    renderItem: (_params: unknown, api: { coord: (at: number[]) => number[] }) => ({
      type: "polyline",
      shape: { points: corners.map((corner) => api.coord([...corner])) },
      style: { stroke: colours.accent, lineWidth: 2, fill: "none" },
    }),
  };
}

/** Where trials that were stopped would have ended: a bar from the low to the high end, a mark at what is expected. */
function intervals(found: readonly Dot[], metric: Dim, colours: Colours) {
  const data: [number, number, number, number][] = [];
  for (const { trial, x } of found) {
    const told = trial.prediction;
    const middle = placeOf(metric, told?.value);
    if (!told || middle === undefined) continue;
    // Of a logarithm, an end at or below zero is below everything that is drawn.
    const low = asNumber(told.low) === undefined ? middle : (placeOf(metric, told.low) ?? metric.low);
    data.push([x, low, placeOf(metric, told.high) ?? middle, middle]);
  }
  return {
    id: "predicted",
    type: "custom",
    silent: true,
    clip: true,
    z: 1,
    encode: { x: 0, y: [1, 2, 3] },
    data,
    renderItem: (_params: unknown, api: { value: (at: number) => number; coord: (at: number[]) => number[] }) => {
      const [low, high, middle] = [1, 2, 3].map((at) => api.coord([api.value(0), api.value(at)])) as [
        number[],
        number[],
        number[],
      ];
      const style = { stroke: colours.warn, lineWidth: 1.25, opacity: 0.7 };
      const stroke = (x1: number, y1: number, x2: number, y2: number) => ({
        type: "line",
        shape: { x1, y1, x2, y2 },
        style,
      });
      const x = low[0] ?? 0;
      return {
        type: "group",
        children: [stroke(x, low[1] ?? 0, x, high[1] ?? 0), stroke(x - 3, middle[1] ?? 0, x + 3, middle[1] ?? 0)],
      };
    },
  };
}
