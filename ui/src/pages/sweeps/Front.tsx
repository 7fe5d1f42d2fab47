/** Two objectives: the trials that none is better than in both, and all others. */
import { useCallback, useMemo } from "react";
import type { Colours } from "../../echarts/colours";
import { EChart, type Option } from "../../echarts/EChart";
import { type Dim, placeIn } from "./dims";
import { axisOf, type Choice, type Dot, dots, pointing } from "./scatter";
import type { TrialRow } from "./types";

interface Props {
  trials: readonly TrialRow[];
  dims: readonly Dim[];
  x: Dim;
  y: Dim;
  front: readonly number[];
  choice: Choice;
}

export function Front({ trials, dims, x, y, front, choice }: Props) {
  const found = useMemo<Dot[]>(() => {
    const all: Dot[] = [];
    for (const trial of trials) {
      const [px, py] = [placeIn(x, trial), placeIn(y, trial)];
      if (px !== undefined && py !== undefined) all.push({ trial, x: px, y: py });
    }
    return all;
  }, [trials, x, y]);
  const draw = useCallback(
    (colours: Colours, width: number) => {
      const best = new Set(front);
      const on = found.filter(({ trial }) => best.has(trial.number)).sort((a, b) => a.x - b.x);
      const points = dots("trials", found, choice, colours, 7);
      return {
        grid: { left: 64, right: 16, top: 12, bottom: 44 },
        xAxis: { ...axisOf(x, Math.max(2, width / 80), colours), nameGap: 26 },
        yAxis: { ...axisOf(y, 6, colours), nameGap: 44 },
        series: [
          {
            id: "front",
            type: "line",
            silent: true,
            data: on.map((dot) => [dot.x, dot.y]),
            symbol: "none",
            lineStyle: { color: colours.accent, width: 2 },
          },
          {
            ...points,
            data: points.data.map((one, at) =>
              best.has(found[at]?.trial.number ?? -1)
                ? { ...one, symbol: "diamond", symbolSize: one.symbolSize + 5 }
                : { ...one, itemStyle: { ...one.itemStyle, color: colours.dim } },
            ),
          },
        ],
      } as Option;
    },
    [found, front, x, y, choice],
  );
  return (
    <EChart
      label={`Pareto front of ${x.name} and ${y.name}: ${front.length} of ${found.length} trials`}
      height={300}
      draw={draw}
      {...pointing(found, dims, choice)}
    />
  );
}
