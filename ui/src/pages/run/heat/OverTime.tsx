/** A histogram over time: bins upwards, steps to the right, brightness for how many of the values lie there. */
import { useMemo } from "react";
import type { Value } from "../../../api/types";
import { asNumber } from "../../../api/values";
import { places } from "../../../charts/ticks";
import { short } from "../../../format/numbers";
import { Trouble } from "../../../shell/Trouble";
import { useOfRun } from "../useRun";
import { HeatMap } from "./HeatMap";
import type { Grid } from "./scale";

export interface HistogramSeries {
  key: string;
  total: number;
  edges: number[];
  powers: boolean;
  columns: { x: Value; last: Value; merged: number; counts: number[]; nan: number; inf: number }[];
  error: string | null;
}

interface Props {
  run: string;
  name: string;
  height?: number;
}

export function OverTime({ run, name, height = 220 }: Props) {
  const { data, error } = useOfRun<HistogramSeries[]>(run, "histograms", { key: [name], columns: 160 });
  const one = data?.[0];
  const grid = useMemo(() => one && gridOfHistograms(one), [one]);
  if (error && !data) return <Trouble error={error} />;
  if (!one || !grid) return <div style={{ height }} />;
  if (one.error || !one.columns.length) return <p>{one.error ?? "No histogram yet"}</p>;
  const names = binNames(one);
  return (
    <HeatMap
      label={`${name} over time`}
      rows={names}
      grid={grid}
      reach={[0, most(grid, one.powers ? names.indexOf("0") : -1)]}
      say={(value) => `${short(100 * value, 3)} %`}
      height={height}
      scale={one.powers ? undefined : scaleOf(one.edges, height)}
    />
  );
}

/** The largest share but for the outermost hundredths and for zeros: beside these all the rest would be dark. */
export function most(grid: Grid, zeros: number): number {
  const shares = grid.values.filter((share, at) => share > 0 && Math.floor(at / grid.columns) !== zeros).sort();
  return shares[Math.round(0.99 * (shares.length - 1))] ?? 1;
}

/** Shares of the values, the highest bin on top. */
export function gridOfHistograms(series: HistogramSeries): Grid {
  const bins = series.edges.length - 1;
  const columns = series.columns.length;
  const values = new Float64Array(Math.max(bins, 0) * columns).fill(Number.NaN);
  const bad = new Uint8Array(values.length);
  const places = new Float64Array(columns + 1);
  series.columns.forEach((column, at) => {
    const total = column.counts.reduce((sum, count) => sum + count, 0) + column.nan + column.inf;
    places[at] = (asNumber(column.x) ?? at) - 0.5;
    places[at + 1] = (asNumber(column.last) ?? at) + 0.5;
    column.counts.forEach((count, bin) => {
      const cell = (bins - 1 - bin) * columns + at;
      if (count > 0) values[cell] = count / total;
    });
    // What is no number has no bin: it is told at the top.
    if (column.nan + column.inf > 0) bad[at] = 1;
  });
  return { rows: bins, columns, values, bad, places };
}

const TICK_PX = 34;

/** Round numbers beside the bins, at how far down each lies: bins may be of unlike widths. */
export function scaleOf(edges: readonly number[], height: number): { share: number; text: string }[] {
  const bins = edges.length - 1;
  const [low, high] = [edges[0] ?? 0, edges[bins] ?? 1];
  return places(low, high, height / TICK_PX, { log: false, spans: false }).map((place) => {
    const at = Math.max(
      edges.findIndex((edge) => edge >= place),
      1,
    );
    const [under, over] = [edges[at - 1] ?? low, edges[at] ?? high];
    return { share: 1 - (at - 1 + (place - under) / (over - under)) / bins, text: short(place, 6) };
  });
}

/** By the edge that is farther from zero: 2⁻⁷ says it best where edges are powers of two. */
export function binNames(series: HistogramSeries): string[] {
  const names = series.edges.slice(0, -1).map((low, at) => {
    const high = series.edges[at + 1] ?? low;
    if (!series.powers) return short((low + high) / 2, 3);
    if (low < 0 && high > 0) return "0";
    const far = Math.abs(low) > Math.abs(high) ? low : high;
    return `${far < 0 ? "−" : ""}2${raised(Math.round(Math.log2(Math.abs(far))))}`;
  });
  return names.reverse();
}

const RAISED: Record<string, string> = {
  "-": "⁻",
  "0": "⁰",
  "1": "¹",
  "2": "²",
  "3": "³",
  "4": "⁴",
  "5": "⁵",
  "6": "⁶",
  "7": "⁷",
  "8": "⁸",
  "9": "⁹",
};

function raised(power: number): string {
  return [...String(power)].map((letter) => RAISED[letter] ?? letter).join("");
}
