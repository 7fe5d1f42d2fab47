/** Ranges that were drawn over axes: in the address as `lr:0.001:0.1,opt:adam;sgd`. */
import { type Dim, numberAt, placeIn, placeOf } from "./dims";
import type { TrialRow } from "./types";

/** By a dimension's id: from place to place. */
export type Brushes = ReadonlyMap<string, readonly [number, number]>;

const guarded = (text: string) => text.replace(/[%,:;]/g, encodeURIComponent);

export function readBrushes(text: string | undefined, dims: readonly Dim[]): Brushes {
  const found = new Map<string, readonly [number, number]>();
  for (const part of (text ?? "").split(",")) {
    const [id, ...rest] = part.split(":");
    const dim = dims.find((one) => guarded(one.id) === id);
    const range = dim && (dim.options.length ? ofOptions(dim, rest.join(":")) : ofNumbers(dim, rest));
    if (dim && range) found.set(dim.id, range);
  }
  return found;
}

function ofOptions(dim: Dim, text: string): [number, number] | undefined {
  const places = text.split(";").map((one) => dim.options.findIndex((option) => guarded(option) === one));
  const known = places.filter((place) => place >= 0);
  return known.length ? [Math.min(...known) - 0.5, Math.max(...known) + 0.5] : undefined;
}

function ofNumbers(dim: Dim, [from, to]: string[]): [number, number] | undefined {
  const low = from ? placeOf(dim, Number(from)) : dim.low;
  const high = to ? placeOf(dim, Number(to)) : dim.high;
  return low !== undefined && high !== undefined && low <= high ? [low, high] : undefined;
}

export function writeBrushes(brushes: Brushes, dims: readonly Dim[]): string {
  const parts: string[] = [];
  for (const dim of dims) {
    const range = brushes.get(dim.id);
    if (!range) continue;
    if (dim.options.length) {
      const chosen = optionsIn(dim, range).map(guarded).join(";");
      if (chosen) parts.push(`${guarded(dim.id)}:${chosen}`);
    } else {
      parts.push(`${guarded(dim.id)}:${range.map((place) => Number(numberAt(dim, place).toPrecision(5))).join(":")}`);
    }
  }
  return parts.join(",");
}

export function optionsIn(dim: Dim, [low, high]: readonly [number, number]): string[] {
  return dim.options.filter((_, at) => at >= low && at <= high);
}

/** The trials within all ranges; one that has no value on an axis with a range is outside. */
export function within(trials: readonly TrialRow[], brushes: Brushes, dims: readonly Dim[]): TrialRow[] {
  const asked = dims.filter((dim) => brushes.has(dim.id));
  if (!asked.length) return [...trials];
  return trials.filter((trial) =>
    asked.every((dim) => {
      const place = placeIn(dim, trial);
      const [low, high] = brushes.get(dim.id) as readonly [number, number];
      return place !== undefined && place >= low - 1e-9 && place <= high + 1e-9;
    }),
  );
}
