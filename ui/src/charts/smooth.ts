/** Smoothing over the x axis. Points need not be evenly spaced: what counts is how far apart they are. */

export type SmoothKind = "none" | "ema" | "gauss" | "mean" | "median";

export interface Smoothing {
  kind: SmoothKind;
  /** From 0 to 100; the share of the axis that is looked at grows with its cube, for small shares matter most. */
  strength: number;
}

/** The share of the x axis that a strength stands for, 0 to 0.5. */
export function share(strength: number): number {
  return 0.5 * (Math.min(Math.max(strength, 0), 100) / 100) ** 3;
}

/** Smooth values over places that do not fall; NaN and infinities stay where they are and count for nothing. */
export function smooth(x: Float64Array, y: Float64Array, smoothing: Smoothing, extent: number): Float64Array {
  const width = share(smoothing.strength) * extent;
  if (smoothing.kind === "none" || !(width > 0) || y.length < 3) return y;
  if (smoothing.kind === "ema") return ema(x, y, width);
  if (smoothing.kind === "gauss") return gauss(x, y, width / 2);
  if (smoothing.kind === "median") return median(x, y, width / 2);
  return mean(x, y, width / 2);
}

/** Each value counts by exp(-distance / width); without a bias towards the first one. */
function ema(x: Float64Array, y: Float64Array, width: number): Float64Array {
  const out = new Float64Array(y.length);
  let sum = 0;
  let weight = 0;
  let last = Number.NaN;
  for (let i = 0; i < y.length; i++) {
    const value = y[i] as number;
    const place = x[i] as number;
    if (!Number.isFinite(value)) {
      out[i] = value;
      continue;
    }
    const keep = Number.isNaN(last) ? 0 : Math.exp(-Math.abs(place - last) / width);
    sum = keep * sum + value;
    weight = keep * weight + 1;
    last = place;
    out[i] = sum / weight;
  }
  return out;
}

/** Call `each(i, from, to)` with the points within `half` of point i. */
function windows(x: Float64Array, half: number, each: (i: number, from: number, to: number) => void): void {
  let from = 0;
  let to = 0;
  for (let i = 0; i < x.length; i++) {
    const place = x[i] as number;
    while (from < i && (x[from] as number) < place - half) from++;
    if (to < i) to = i;
    while (to < x.length && (x[to] as number) <= place + half) to++;
    each(i, from, to);
  }
}

function mean(x: Float64Array, y: Float64Array, half: number): Float64Array {
  const out = new Float64Array(y.length);
  const sums = new Float64Array(y.length + 1);
  const counts = new Uint32Array(y.length + 1);
  for (let i = 0; i < y.length; i++) {
    const value = y[i] as number;
    const finite = Number.isFinite(value);
    sums[i + 1] = (sums[i] as number) + (finite ? value : 0);
    counts[i + 1] = (counts[i] as number) + (finite ? 1 : 0);
  }
  windows(x, half, (i, from, to) => {
    const count = (counts[to] as number) - (counts[from] as number);
    const value = y[i] as number;
    out[i] = Number.isFinite(value) && count ? ((sums[to] as number) - (sums[from] as number)) / count : value;
  });
  return out;
}

function gauss(x: Float64Array, y: Float64Array, sigma: number): Float64Array {
  const out = new Float64Array(y.length);
  windows(x, 3 * sigma, (i, from, to) => {
    const place = x[i] as number;
    let sum = 0;
    let weight = 0;
    for (let j = from; j < to; j++) {
      const value = y[j] as number;
      if (!Number.isFinite(value)) continue;
      const far = ((x[j] as number) - place) / sigma;
      const counts = Math.exp(-0.5 * far * far);
      sum += counts * value;
      weight += counts;
    }
    const value = y[i] as number;
    out[i] = Number.isFinite(value) && weight > 0 ? sum / weight : value;
  });
  return out;
}

function median(x: Float64Array, y: Float64Array, half: number): Float64Array {
  const out = new Float64Array(y.length);
  windows(x, half, (i, from, to) => {
    const inside = y.slice(from, to).filter(Number.isFinite).sort();
    const value = y[i] as number;
    out[i] = Number.isFinite(value) && inside.length ? middle(inside) : value;
  });
  return out;
}

/** The median of sorted numbers. */
export function middle(sorted: Float64Array | readonly number[]): number {
  const at = (sorted.length - 1) / 2;
  return ((sorted[Math.floor(at)] as number) + (sorted[Math.ceil(at)] as number)) / 2;
}
