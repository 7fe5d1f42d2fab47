/** What lies under the pointer. */
import type { Line, Picture } from "./lines";

export interface Reading {
  line: Line;
  x: number;
  y: number;
}

/** Index of the place that is closest, by bisection; -1 for an empty line. */
export function closest(x: Float64Array, place: number): number {
  let low = 0;
  let high = x.length - 1;
  if (high < 0) return -1;
  while (high - low > 1) {
    const at = (low + high) >> 1;
    if ((x[at] as number) <= place) low = at;
    else high = at;
  }
  return Math.abs((x[low] as number) - place) <= Math.abs((x[high] as number) - place) ? low : high;
}

/** Each line's value near a place, the largest first. Lines that have nothing within a fortieth of the axis are left out. */
export function readings(picture: Picture, place: number): Reading[] {
  const reach = Math.abs(picture.x[1] - picture.x[0]) / 40;
  const found: Reading[] = [];
  for (const line of picture.lines) {
    const at = closest(line.x, place);
    const x = line.x[at];
    const y = line.y[at];
    if (x === undefined || y === undefined) continue;
    const beyond = place > (line.x.at(-1) ?? 0) || place < (line.x[0] ?? 0);
    if (beyond && Math.abs(x - place) > reach) continue;
    found.push({ line, x, y });
  }
  return found.sort((a, b) => (Number.isNaN(a.y) ? 1 : Number.isNaN(b.y) ? -1 : b.y - a.y));
}
