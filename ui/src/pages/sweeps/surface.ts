/** A metric over two parameters: near a trial what it came to, between trials a mean by distance. */
import { type Dim, placeIn, share } from "./dims";
import { numberOf } from "./trials";
import type { TrialRow } from "./types";

export interface Spot {
  trial: TrialRow;
  /** From 0 to 1 along both axes. */
  x: number;
  y: number;
  value: number;
}

export function spotsOf(trials: readonly TrialRow[], x: Dim, y: Dim, metric: number): Spot[] {
  const found: Spot[] = [];
  for (const trial of trials) {
    const [px, py, value] = [placeIn(x, trial), placeIn(y, trial), numberOf(trial, metric)];
    if (px === undefined || py === undefined || value === undefined) continue;
    found.push({ trial, x: share(x, px), y: share(y, py), value });
  }
  return found;
}

export interface Surface {
  columns: number;
  rows: number;
  /** Row by row from the bottom; ranks of values from 0 to 1, so that one outlier does not flatten the others. */
  values: number[];
}

/**
 * Options of a choice have nothing between them: a cell takes only trials of its own option. NaN where there are none.
 */
export function surfaceOf(spots: readonly Spot[], x: Dim, y: Dim, columns = 60, rows = 44): Surface {
  const order = spots.map((spot) => spot.value).sort((a, b) => a - b);
  const last = Math.max(order.length - 1, 1);
  const ranked = spots.map((spot) => (order.indexOf(spot.value) + order.lastIndexOf(spot.value)) / 2 / last);
  // As far apart as this many points are when they are spread evenly: nearer ones count most.
  const reach = Math.max(0.06, 0.5 / Math.sqrt(Math.max(spots.length, 1)));
  const values: number[] = [];
  for (let row = 0; row < rows; row++) {
    const cy = (row + 0.5) / rows;
    for (let column = 0; column < columns; column++) {
      const cx = (column + 0.5) / columns;
      let [sum, weights] = [0, 0];
      spots.forEach((spot, at) => {
        if (!sameOption(x, cx, spot.x) || !sameOption(y, cy, spot.y)) return;
        const dx = x.options.length ? 0 : cx - spot.x;
        const dy = y.options.length ? 0 : cy - spot.y;
        const weight = 1 / ((dx * dx + dy * dy) / (reach * reach) + 0.02) ** 2;
        sum += weight * (ranked[at] as number);
        weights += weight;
      });
      values.push(weights ? sum / weights : Number.NaN);
    }
  }
  return { columns, rows, values };
}

function sameOption(dim: Dim, a: number, b: number): boolean {
  const count = dim.options.length;
  return !count || Math.floor(a * count) === Math.floor(b * count);
}
