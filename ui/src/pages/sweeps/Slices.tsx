/** A metric over each parameter alone. */
import { useCallback, useMemo } from "react";
import type { Colours } from "../../echarts/colours";
import { EChart, type Option } from "../../echarts/EChart";
import { type Dim, placeIn } from "./dims";
import styles from "./SweepPage.module.css";
import { axisOf, type Choice, type Dot, dots, jitter, pointing } from "./scatter";
import type { TrialRow } from "./types";

interface Props {
  trials: readonly TrialRow[];
  dims: readonly Dim[];
  parameters: readonly Dim[];
  metric: Dim;
  choice: Choice;
}

export function Slices({ parameters, ...rest }: Props) {
  return (
    <div className={styles.slices}>
      {parameters.map((parameter) => (
        <Slice key={parameter.id} parameter={parameter} {...rest} />
      ))}
    </div>
  );
}

function Slice({ trials, dims, parameter, metric, choice }: Omit<Props, "parameters"> & { parameter: Dim }) {
  const found = useMemo<Dot[]>(() => {
    const all: Dot[] = [];
    for (const trial of trials) {
      const [x, y] = [placeIn(parameter, trial), placeIn(metric, trial)];
      if (x !== undefined && y !== undefined) all.push({ trial, x: x + jitter(parameter, trial.number), y });
    }
    return all;
  }, [trials, parameter, metric]);
  const draw = useCallback(
    (colours: Colours, width: number) =>
      ({
        grid: { left: 44, right: 12, top: 8, bottom: 24 },
        xAxis: { ...axisOf(parameter, Math.max(2, width / 60), colours, 70), name: "" },
        yAxis: { ...axisOf(metric, 4, colours), name: "" },
        series: [dots("trials", found, choice, colours, 6)],
      }) as Option,
    [found, parameter, metric, choice],
  );
  return (
    <figure className={styles.slice}>
      <figcaption className="cut" title={parameter.name}>
        {parameter.name}
        {parameter.log && <span className={styles.dim}> (log)</span>}
      </figcaption>
      <EChart
        label={`${metric.name} over ${parameter.name}`}
        height={150}
        draw={draw}
        {...pointing(found, dims, choice)}
      />
    </figure>
  );
}
