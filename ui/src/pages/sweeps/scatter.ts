/** Trials as points: what they have in common in every picture. State is told by shape, never by colour alone. */
import { axisOption } from "../../echarts/axis";
import type { Colours } from "../../echarts/colours";
import { type Dim, textAt, ticksOf } from "./dims";
import { tipOf } from "./tip";
import type { TrialRow, TrialState } from "./types";

export interface Dot {
  trial: TrialRow;
  x: number;
  y: number;
}

export interface Choice {
  /** Trials within the ranges that were drawn. */
  inside: ReadonlySet<number>;
  chosen: number | null;
  onChoose: (trial: number) => void;
}

export const SHAPES: Record<TrialState, string> = {
  finished: "circle",
  stopped: "triangle",
  running: "emptyCircle",
  waiting: "emptyCircle",
  failed: "path://M0 0 L4 4 M4 0 L0 4",
  cancelled: "emptyRect",
};

function colourOf(state: TrialState, colours: Colours): string {
  if (state === "failed") return colours.bad;
  if (state === "stopped") return colours.warn;
  return state === "cancelled" ? colours.dim : colours.accent;
}

/** A series of points; those outside the ranges are pale, the chosen one has a ring. */
export function dots(id: string, found: readonly Dot[], choice: Choice, colours: Colours, size = 7) {
  const ring = { borderColor: colours.text, borderWidth: 2.5 };
  return {
    id,
    type: "scatter",
    clip: false,
    z: 5,
    data: found.map(({ trial, x, y }) => ({
      value: [x, y],
      symbol: SHAPES[trial.state],
      symbolSize: trial.number === choice.chosen ? size + 6 : size,
      itemStyle: {
        color: colourOf(trial.state, colours),
        opacity: choice.inside.has(trial.number) ? 0.85 : 0.12,
        ...(trial.state === "failed" ? { borderColor: colours.bad, borderWidth: 2 } : {}),
        ...(trial.number === choice.chosen ? ring : {}),
      },
    })),
  };
}

export function axisOf(dim: Dim, most: number, colours: Colours, width?: number): Record<string, unknown> {
  return axisOption(
    {
      name: dim.log && dim.metric >= 0 ? `${dim.name} (log)` : dim.name,
      low: dim.low,
      high: dim.high,
      ticks: ticksOf(dim, most),
      text: (place) => textAt(dim, place, 3),
      ...(width ? { width } : {}),
    },
    colours,
  );
}

/** Where a point of a choice lies beside the others of its option: the same place each time. */
export function jitter(dim: Dim, number: number): number {
  return dim.options.length ? (((number * 0.618034) % 1) - 0.5) * 0.5 : 0;
}

/** What a picture whose points are trials does when one is pointed at, or clicked. */
export function pointing(found: readonly { trial: TrialRow }[], dims: readonly Dim[], choice: Choice) {
  const at = (series: string, index: number) => (series === "trials" ? found[index]?.trial : undefined);
  return {
    tip: (series: string, index: number) => {
      const trial = at(series, index);
      return trial ? tipOf(trial, dims) : null;
    },
    onPick: (series: string, index: number) => {
      const trial = at(series, index);
      if (trial) choice.onChoose(trial.number);
    },
  };
}
