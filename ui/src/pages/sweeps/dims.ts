/** The axes of a search: parameters and metrics, each with places for its values, whatever these are. */
import type { Value } from "../../api/types";
import { asNumber, asText } from "../../api/values";
import { short } from "../../format/numbers";
import { metricOf } from "./trials";
import type { AxisRow, Goal, TrialRow } from "./types";

export interface Dim {
  /** Unique, also in addresses: a parameter's name, or "@" and a metric's. */
  id: string;
  name: string;
  /** Of a metric, which one; else -1. */
  metric: number;
  /** What a choice is made of; empty for numbers. */
  options: readonly string[];
  log: boolean;
  whole: boolean;
  /** Both ends, as places. */
  low: number;
  high: number;
}

/** From here on a metric is shown on a logarithmic axis: the largest is so many times the smallest. */
const SPREAD = 300;

/** Where a value lies: a number, its logarithm, or the number of a choice's option; undefined for none. */
export function placeOf(dim: Dim, value: Value | undefined): number | undefined {
  if (value === undefined) return undefined;
  if (dim.options.length) {
    const at = dim.options.indexOf(optionText(value));
    return at < 0 ? undefined : at;
  }
  const number = asNumber(value);
  if (number === undefined) return undefined;
  const place = dim.log ? Math.log10(number) : number;
  return Number.isFinite(place) ? place : undefined;
}

/** The value at a place, as text for people. */
export function textAt(dim: Dim, place: number, digits = 4): string {
  if (dim.options.length) return dim.options[Math.round(place)] ?? "";
  return short(numberAt(dim, place), digits);
}

export function numberAt(dim: Dim, place: number): number {
  const value = dim.log ? 10 ** place : place;
  return Number(value.toPrecision(12));
}

export function placeIn(dim: Dim, trial: TrialRow): number | undefined {
  return dim.metric < 0 ? placeOf(dim, trial.point[dim.id]) : placeOf(dim, metricOf(trial, dim.metric));
}

/** Texts of options tell numbers from words that look like them. */
export function optionText(value: Value): string {
  const text = asText(value);
  return typeof value === "string" && (text === "" || !Number.isNaN(Number(text)) || /^(true|false|null)$/.test(text))
    ? JSON.stringify(text)
    : text;
}

export function parameterDims(axes: readonly AxisRow[], trials: readonly TrialRow[]): Dim[] {
  return axes.map((axis) => {
    const options = axis.kind === "choice" ? (axis.values ?? []).map(optionText) : [];
    const base = { id: axis.name, name: axis.name, metric: -1, options, log: axis.log, whole: axis.kind === "int" };
    if (options.length) return { ...base, low: -0.5, high: options.length - 0.5 };
    const blank = { ...base, low: 0, high: 1 };
    const seen = trials.map((trial) => placeOf(blank, trial.point[axis.name])).filter((place) => place !== undefined);
    const [low, high] = reach([...seen, ...ends(blank, axis)]);
    return { ...base, low, high };
  });
}

function ends(dim: Dim, axis: AxisRow): number[] {
  return [axis.low, axis.high].map((end) => placeOf(dim, end)).filter((place) => place !== undefined);
}

export function metricDims(metrics: readonly Goal[], trials: readonly TrialRow[]): Dim[] {
  return metrics.map(({ name }, metric) => {
    const values = trials
      .map((trial) => asNumber(metricOf(trial, metric)))
      .filter((value) => value !== undefined && Number.isFinite(value)) as number[];
    const log = values.length > 1 && Math.min(...values) > 0 && Math.max(...values) / Math.min(...values) > SPREAD;
    const [low, high] = reach(log ? values.map(Math.log10) : values);
    const pad = 0.04 * (high - low);
    return { id: `@${name}`, name, metric, options: [], log, whole: false, low: low - pad, high: high + pad };
  });
}

function reach(places: readonly number[]): [number, number] {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const place of places) {
    if (place < low) low = place;
    if (place > high) high = place;
  }
  if (!(low <= high)) return [0, 1];
  return low < high ? [low, high] : [low - 0.5, high + 0.5];
}

/** Places of about `most` ticks that can be read easily. */
export function ticksOf(dim: Dim, most: number): number[] {
  const { low, high, options } = dim;
  if (options.length) {
    const every = Math.ceil(options.length / most);
    return options.map((_, at) => at).filter((at) => at % every === 0);
  }
  if (!dim.log) return even(low, high, most, dim.whole);
  const decades = even(low, high, most, true).filter((place) => Number.isInteger(place));
  if (decades.length >= 3) return decades;
  const found: number[] = [];
  for (let power = Math.floor(low); power <= high; power++) {
    for (const front of [1, 2, 5]) {
      const place = power + Math.log10(front);
      if (place >= low - 1e-9 && place <= high + 1e-9) found.push(place);
    }
  }
  if (found.length >= 2) return found.length > most ? found.filter((_, at) => at % 2 === 0) : found;
  return even(10 ** low, 10 ** high, most, dim.whole).map(Math.log10);
}

function even(low: number, high: number, most: number, whole: boolean): number[] {
  const rough = (high - low) / Math.max(most, 1);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((front) => front * power).find((one) => one >= rough && (!whole || one >= 1)) ?? 1;
  const found: number[] = [];
  for (let at = Math.ceil(low / step - 1e-9); at * step <= high + 1e-9 * step; at++) {
    found.push(Number((at * step).toPrecision(12)));
  }
  return found;
}

/** From 0 to 1 along an axis. */
export function share(dim: Dim, place: number): number {
  return (place - dim.low) / (dim.high - dim.low);
}
