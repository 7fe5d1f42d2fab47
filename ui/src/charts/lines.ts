/** From curves to what is drawn: lines, bands, marks, and how far they reach. */
import type { Series } from "../api/series";
import type { Many } from "../state/wall";
import { type Band, bundle, type Curve, type Middle, type Spread, spread } from "./aggregate";
import type { Look } from "./palette";
import { type Smoothing, smooth } from "./smooth";

export interface Line {
  /** Run id, or the name of a group. */
  id: string;
  label: string;
  look: Look;
  x: Float64Array;
  /** What is drawn strongly: smoothed, if that was asked for. */
  y: Float64Array;
  /** As it was logged, behind a smoothed line; every extreme is in it. */
  raw: Float64Array | null;
  low: Float64Array | null;
  high: Float64Array | null;
  /** Points that it stands for. */
  total: number;
  runs: number;
}

export interface Mark {
  kind: "NaN" | "+Inf" | "-Inf";
  x: number;
  colour: string;
  label: string;
}

export interface Picture {
  lines: Line[];
  marks: Mark[];
  x: [number, number];
  y: [number, number];
  /** Points that the lines stand for, and how many of them are drawn. */
  total: number;
  drawn: number;
  clipped: { count: number; high: { value: number; x: number } | null; low: { value: number; x: number } | null };
  /** Drawn instead of the lines, of which only the one under the pointer is seen. */
  spread: Spread | null;
}

export interface Drawn {
  id: string;
  label: string;
  look: Look;
  /** The group that the run is in, when runs are grouped. */
  group: string | null;
}

export interface Settings {
  smoothing: Smoothing;
  logX: boolean;
  logY: boolean;
  clip: boolean;
  start: number | undefined;
  stop: number | undefined;
  middle: Middle;
  band: Band;
  /** Divide places by this: microseconds become seconds. */
  scaleX: number;
  /** The y axis by hand; null for an end that follows the lines. */
  yEnds?: readonly [number | null, number | null] | undefined;
  many?: Many;
}

/** More lines than this cannot be told apart: the one under the pointer is marked. */
export const SEVERAL = 20;
/** More than this are a blot: they are drawn as bands. */
export const MANY_LINES = 60;

interface Cleaned {
  run: Drawn;
  series: Series;
  x: Float64Array;
  y: Float64Array;
}

export function picture(curves: ReadonlyMap<string, Series>, runs: readonly Drawn[], settings: Settings): Picture {
  const cleaned: Cleaned[] = [];
  let total = 0;
  let drawn = 0;
  for (const run of runs) {
    const series = curves.get(run.id);
    if (!series || series.values.length === 0) continue;
    total += series.total;
    drawn += series.values.length;
    cleaned.push({ run, series, ...ordered(series, settings.scaleX) });
  }
  const places = extentX(cleaned, settings);
  const extent = places[1] - places[0];
  const grouped = runs.some((run) => run.group !== null);
  const lines = grouped ? groups(cleaned, settings, extent) : cleaned.map((one) => single(one, settings, extent));
  const clipped = { count: 0, high: null, low: null };
  const out: Picture = { lines, marks: marks(cleaned), x: places, y: [0, 1], total, drawn, clipped, spread: null };
  const { many = "auto" } = settings;
  if (!grouped && lines.length > (many === "bands" ? 2 : many === "auto" ? MANY_LINES : Number.POSITIVE_INFINITY)) {
    out.spread = spread(lines.map((line) => finite(line.x, line.y)));
  }
  out.y = extentY(out, settings);
  return out;
}

/** Lines that were computed elsewhere, framed as those of a chart are. */
export function framed(lines: Line[], settings: Pick<Settings, "logX" | "logY">): Picture {
  const { logX, logY } = settings;
  const reach = new Reach();
  for (const { x } of lines) for (const place of x) if (fits(place, logX)) reach.see(place);
  const x: [number, number] = reach.low < reach.high ? [reach.low, reach.high] : [0, 1];
  const total = lines.reduce((sum, line) => sum + line.total, 0);
  const clipped = { count: 0, high: null, low: null };
  const out: Picture = { lines, marks: [], x, y: [0, 1], total, drawn: total, clipped, spread: null };
  out.y = extentY(out, { logY, clip: false });
  return out;
}

/** In the order of the axis: a metric as x axis may go back. */
function ordered(series: Series, scale: number): { x: Float64Array; y: Float64Array } {
  const x = scale === 1 ? series.x : series.x.map((place) => place / scale);
  let rising = true;
  for (let i = 1; i < x.length && rising; i++) rising = (x[i] as number) >= (x[i - 1] as number);
  if (rising) return { x, y: series.values };
  const order = Array.from(x.keys()).sort((a, b) => (x[a] as number) - (x[b] as number));
  return {
    x: Float64Array.from(order, (at) => x[at] as number),
    y: Float64Array.from(order, (at) => series.values[at] as number),
  };
}

function single({ run, series, x, y }: Cleaned, settings: Settings, extent: number): Line {
  const smoothed = smooth(x, y, settings.smoothing, extent);
  const raw = smoothed === y ? null : y;
  const { id, label, look } = run;
  return { id, label, look, x, y: smoothed, raw, low: null, high: null, total: series.total, runs: 1 };
}

function groups(cleaned: readonly Cleaned[], settings: Settings, extent: number): Line[] {
  const found = new Map<string, Cleaned[]>();
  for (const one of cleaned) {
    const name = one.run.group ?? one.run.label;
    found.set(name, [...(found.get(name) ?? []), one]);
  }
  return [...found].map(([name, members]) => {
    const curves: Curve[] = members.map(({ x, y }) => finite(x, smooth(x, y, settings.smoothing, extent)));
    const { x, y, low, high } = bundle(curves, settings.middle, settings.band);
    const look = members[0]?.run.look ?? { colour: "#888888", dash: [] };
    const total = members.reduce((sum, one) => sum + one.series.total, 0);
    return { id: name, label: name, look, x, y, raw: null, low, high, total, runs: members.length };
  });
}

function finite(x: Float64Array, y: Float64Array): Curve {
  return { x: x.filter((_, i) => Number.isFinite(y[i])), y: y.filter(Number.isFinite) };
}

const MOST_MARKS = 200;

function marks(cleaned: readonly Cleaned[]): Mark[] {
  const found: Mark[] = [];
  for (const { run, x, y } of cleaned) {
    for (let i = 0; i < y.length && found.length < MOST_MARKS; i++) {
      const value = y[i] as number;
      if (Number.isFinite(value)) continue;
      const kind = Number.isNaN(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf";
      found.push({ kind, x: x[i] as number, colour: run.look.colour, label: run.label });
    }
  }
  return found;
}

/** The smallest and the largest of what it is shown. */
class Reach {
  low = Number.POSITIVE_INFINITY;
  high = Number.NEGATIVE_INFINITY;

  see(value: number): void {
    if (value < this.low) this.low = value;
    if (value > this.high) this.high = value;
  }
}

/** Tells whether a number has a place on an axis. */
const fits = (value: number, log: boolean) => Number.isFinite(value) && (!log || value > 0);

function extentX(cleaned: readonly Cleaned[], settings: Settings): [number, number] {
  const reach = new Reach();
  for (const { x } of cleaned) for (const place of x) if (fits(place, settings.logX)) reach.see(place);
  const { start, stop, scaleX } = settings;
  const low = start === undefined ? reach.low : start / scaleX;
  const high = stop === undefined ? reach.high : stop / scaleX;
  if (low < high) return [low, high];
  return Number.isFinite(low) ? [low - 0.5, low + 0.5] : [0, 1];
}

/** How far the lines reach, raw ones included; with clipping what the middle 98 % of the points need. */
function extentY(drawing: Picture, settings: Pick<Settings, "logY" | "clip" | "yEnds" | "many">): [number, number] {
  const { yEnds } = settings;
  const points: { value: number; x: number }[] = [];
  const reach = new Reach();
  const [from, to] = drawing.x;
  const look = (line: Line, values: Float64Array) => {
    values.forEach((value, i) => {
      const x = line.x[i] as number;
      if (!fits(value, settings.logY) || x < from || x > to) return;
      reach.see(value);
      if (settings.clip || yEnds) points.push({ value, x });
    });
  };
  for (const line of drawing.lines) {
    for (const values of [line.raw ?? line.y, line.low, line.high]) if (values) look(line, values);
  }
  let { low, high } = reach;
  if (settings.clip && points.length > 20) [low, high] = within(points, low, high);
  const whole: [number, number] = low <= high ? padded(low, high, settings.logY) : [settings.logY ? 0.1 : 0, 1];
  const found = byHand(whole, yEnds, settings.logY);
  if (yEnds) [low, high] = found;
  if (settings.clip || yEnds) leaveOut(drawing, points, low, high);
  return found;
}

/** Ends that were set by hand, as far as they make an axis. */
function byHand(whole: [number, number], ends: Settings["yEnds"], log: boolean): [number, number] {
  const [low, high] = [0, 1].map((i) => {
    const end = ends?.[i] ?? null;
    return end !== null && fits(end, log) ? end : whole[i];
  }) as [number, number];
  return low < high ? [low, high] : whole;
}

type Place = { value: number; x: number };

/** The range that the middle 98 % of the points need, and a little more. */
function within(points: readonly Place[], low: number, high: number): [number, number] {
  const sorted = points.map((point) => point.value).sort((a, b) => a - b);
  const at = (part: number) => sorted[Math.round(part * (sorted.length - 1))] as number;
  const spread = at(0.99) - at(0.01);
  return [Math.max(low, at(0.01) - 0.25 * spread), Math.min(high, at(0.99) + 0.25 * spread)];
}

/** Note what lies beyond the axis: a chart says what it does not show. */
function leaveOut(drawing: Picture, points: readonly Place[], bottom: number, top: number): void {
  for (const point of points) {
    if (point.value <= top && point.value >= bottom) continue;
    drawing.clipped.count++;
    const side = point.value > top ? "high" : "low";
    const known = drawing.clipped[side];
    if (!known || (side === "high" ? point.value > known.value : point.value < known.value)) {
      drawing.clipped[side] = point;
    }
  }
}

function padded(low: number, high: number, log: boolean): [number, number] {
  if (log) {
    const room = (high / low) ** 0.04;
    return high > low ? [low / room, high * room] : [low / 2, high * 2];
  }
  const room = high > low ? 0.04 * (high - low) : Math.abs(high) * 0.1 || 0.5;
  return [low - room, high + room];
}
