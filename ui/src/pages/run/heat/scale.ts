/** Colours of a heat map: one ramp that is read by everybody, in both colour schemes (after cividis). */

const STOPS = [
  [0, 34, 78],
  [42, 63, 109],
  [87, 92, 109],
  [125, 124, 120],
  [166, 157, 117],
  [211, 193, 100],
  [254, 232, 56],
] as const;

/** The colour of a share from 0 to 1 as [red, green, blue]. */
export function ramp(share: number): [number, number, number] {
  const place = Math.min(Math.max(share, 0), 1) * (STOPS.length - 1);
  const at = Math.min(Math.floor(place), STOPS.length - 2);
  const [from, to] = [STOPS[at] ?? STOPS[0], STOPS[at + 1] ?? STOPS[0]];
  const mix = (channel: 0 | 1 | 2) => Math.round(from[channel] + (place - at) * (to[channel] - from[channel]));
  return [mix(0), mix(1), mix(2)];
}

export interface Grid {
  rows: number;
  columns: number;
  /** Row by row; NaN where nothing was seen. */
  values: Float64Array;
  /** 1 where a value was NaN or infinite. */
  bad: Uint8Array;
  /** Where each column begins, and where the last one ends. */
  places: Float64Array;
}

export interface Points {
  x: Float64Array;
  values: Float64Array;
}

/** Put points into columns of equal width; the largest of a column stands for it, and holds until the next one comes. */
export function gridOf(series: readonly Points[], columns: number): Grid {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  const places = new Set<number>();
  for (const { x } of series) {
    for (const place of x) {
      if (place < low) low = place;
      if (place > high) high = place;
      if (places.size <= columns) places.add(place);
    }
  }
  if (!(low <= high)) [low, high] = [0, 0];
  const across = Math.max(1, Math.min(columns, places.size));
  const width = high > low ? (high - low) / Math.max(across - 1, 1) : 1;
  const values = new Float64Array(series.length * across).fill(Number.NaN);
  const bad = new Uint8Array(series.length * across);
  series.forEach((one, row) => {
    one.values.forEach((value, at) => {
      const column = Math.min(across - 1, Math.round(((one.x[at] as number) - low) / width));
      const cell = row * across + column;
      if (!Number.isFinite(value)) bad[cell] = 1;
      else if (!(value <= (values[cell] as number))) values[cell] = value;
    });
  });
  for (let row = 0; row < series.length; row++) hold(values, bad, row * across, across);
  const edges = Float64Array.from({ length: across + 1 }, (_, at) => low + (at - 0.5) * width);
  return { rows: series.length, columns: across, values, bad, places: edges };
}

/** Columns between two looks show what the first of them saw. */
function hold(values: Float64Array, bad: Uint8Array, start: number, across: number): void {
  const seen = (at: number) => bad[at] === 1 || !Number.isNaN(values[at]);
  let last = start + across - 1;
  while (last > start && !seen(last)) last--;
  for (let at = start + 1; at < last; at++) {
    if (seen(at)) continue;
    values[at] = values[at - 1] as number;
    bad[at] = bad[at - 1] as number;
  }
}

/** The first column that has something bad, and the first row of it, or the row that is known to have begun it. */
export function firstBad(grid: Grid, known = -1): { row: number; column: number } | null {
  for (let column = 0; column < grid.columns; column++) {
    if (grid.bad[known * grid.columns + column]) return { row: known, column };
    for (let row = 0; row < grid.rows; row++) {
      if (grid.bad[row * grid.columns + column]) return { row, column };
    }
  }
  return null;
}

/** From the smallest to the largest logarithm of what is above zero, without the outermost hundredths. */
export function logReach(values: Float64Array): [number, number] {
  const logs = values
    .filter((value) => value > 0)
    .map(Math.log10)
    .sort();
  if (!logs.length) return [0, 1];
  const at = (share: number) => logs[Math.round(share * (logs.length - 1))] as number;
  const [low, high] = [at(0.01), at(0.99)];
  return high > low ? [low, high] : [low - 0.5, low + 0.5];
}
