/** Many curves as one: its middle, and how far they are apart. */
import { middle } from "./smooth";

export type Middle = "mean" | "median" | "iqm";
export type Band = "std" | "stderr" | "minmax" | "ci" | "none";

export interface Curve {
  x: Float64Array;
  y: Float64Array;
}

export interface Bundle {
  x: Float64Array;
  y: Float64Array;
  low: Float64Array;
  high: Float64Array;
  /** How many curves reach each place. */
  counts: Uint32Array;
}

const PLACES = 240;
const DRAWS = 200;

/** The value of a curve between its points; NaN outside of it. */
export function between(curve: Curve, place: number): number {
  const { x, y } = curve;
  let low = 0;
  let high = x.length - 1;
  if (high < 0 || place < (x[0] as number) || place > (x[high] as number)) return Number.NaN;
  while (high - low > 1) {
    const at = (low + high) >> 1;
    if ((x[at] as number) <= place) low = at;
    else high = at;
  }
  const [left, right] = [x[low] as number, x[high] as number];
  const part = right > left ? (place - left) / (right - left) : 0;
  return (y[low] as number) * (1 - part) + (y[high] as number) * part;
}

export function bundle(curves: readonly Curve[], centre: Middle, band: Band): Bundle {
  const places = grid(curves);
  const out: Bundle = {
    x: places,
    y: new Float64Array(places.length),
    low: new Float64Array(places.length),
    high: new Float64Array(places.length),
    counts: new Uint32Array(places.length),
  };
  places.forEach((place, i) => {
    const found = at(curves, place);
    const value = found.length ? centreOf(found, centre) : Number.NaN;
    const [low, high] = found.length ? bandOf(found, value, centre, band) : [Number.NaN, Number.NaN];
    out.y[i] = value;
    out.low[i] = low;
    out.high[i] = high;
    out.counts[i] = found.length;
  });
  if (band === "minmax") widen(out, curves);
  return out;
}

/** What curves are worth at a place, sorted. */
function at(curves: readonly Curve[], place: number): Float64Array {
  return Float64Array.from(curves, (curve) => between(curve, place))
    .filter(Number.isFinite)
    .sort();
}

/** Make a band reach every point of the curves: a spike between two places counts for the nearer one. */
function widen(band: Pick<Bundle, "x" | "low" | "high">, curves: readonly Curve[]): void {
  const { x: places, low, high } = band;
  const from = places[0] as number;
  const step = places.length > 1 ? (places[1] as number) - from : 1;
  for (const { x, y } of curves) {
    for (let i = 0; i < x.length; i++) {
      const value = y[i] as number;
      const place = Math.min(Math.max(Math.round(((x[i] as number) - from) / step), 0), places.length - 1);
      if (!Number.isFinite(value)) continue;
      if (!(value >= (low[place] as number))) low[place] = value;
      if (!(value <= (high[place] as number))) high[place] = value;
    }
  }
}

export interface Spread {
  x: Float64Array;
  middle: Float64Array;
  /** From the widest to the narrowest: every point, eight tenths of the curves, half of them. */
  bands: { low: Float64Array; high: Float64Array }[];
}

const SHARES = [0, 0.1, 0.25];

/** How many curves are spread: nothing is lost, for the widest band holds every point. */
export function spread(curves: readonly Curve[]): Spread {
  const x = grid(curves);
  const empty = () => new Float64Array(x.length).fill(Number.NaN);
  const out: Spread = { x, middle: empty(), bands: SHARES.map(() => ({ low: empty(), high: empty() })) };
  x.forEach((place, i) => {
    const found = at(curves, place);
    if (!found.length) return;
    out.middle[i] = quantile(found, 0.5);
    out.bands.forEach((band, k) => {
      band.low[i] = quantile(found, SHARES[k] as number);
      band.high[i] = quantile(found, 1 - (SHARES[k] as number));
    });
  });
  const widest = out.bands[0];
  if (widest && x.length) widen({ x, ...widest }, curves);
  return out;
}

/** Of sorted numbers, between neighbours in proportion. */
export function quantile(sorted: Float64Array | readonly number[], share: number): number {
  const place = share * (sorted.length - 1);
  const low = Math.floor(place);
  const left = sorted[low] as number;
  const right = sorted[Math.min(low + 1, sorted.length - 1)] as number;
  return left + (right - left) * (place - low);
}

function grid(curves: readonly Curve[]): Float64Array {
  const used = curves.filter((curve) => curve.x.length > 0);
  if (!used.length) return new Float64Array();
  const from = Math.min(...used.map((curve) => curve.x[0] as number));
  const to = Math.max(...used.map((curve) => curve.x[curve.x.length - 1] as number));
  const count = Math.min(PLACES, Math.max(...used.map((curve) => curve.x.length)));
  return Float64Array.from({ length: count }, (_, i) => (count < 2 ? from : from + ((to - from) * i) / (count - 1)));
}

function average(values: Float64Array): number {
  let sum = 0;
  for (const value of values) sum += value;
  return sum / values.length;
}

/** The mean of the middle half of sorted numbers. */
export function iqm(sorted: Float64Array): number {
  const cut = Math.floor(sorted.length / 4);
  return average(sorted.subarray(cut, sorted.length - cut));
}

function centreOf(sorted: Float64Array, centre: Middle): number {
  if (centre === "median") return middle(sorted);
  return centre === "iqm" ? iqm(sorted) : average(sorted);
}

function bandOf(sorted: Float64Array, value: number, centre: Middle, band: Band): [number, number] {
  const last = sorted.length - 1;
  if (band === "minmax") return [sorted[0] as number, sorted[last] as number];
  if (band === "none" || last < 1) return [value, value];
  if (band === "ci") return bootstrap(sorted, centre);
  const variance = sorted.reduce((sum, one) => sum + (one - value) ** 2, 0) / last;
  const far = Math.sqrt(band === "std" ? variance : variance / sorted.length);
  return [value - far, value + far];
}

/** The middle 95 % of what the centre would be if other curves had been drawn; the same each time it is asked. */
function bootstrap(sorted: Float64Array, centre: Middle): [number, number] {
  const next = dice(sorted.length);
  const found = Float64Array.from({ length: DRAWS }, () =>
    centreOf(sorted.map(() => sorted[Math.floor(next() * sorted.length)] as number).sort(), centre),
  ).sort();
  return [found[Math.floor(DRAWS * 0.025)] as number, found[Math.ceil(DRAWS * 0.975) - 1] as number];
}

function dice(seed: number): () => number {
  let state = (seed * 2654435761) >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state / 2 ** 32;
  };
}
