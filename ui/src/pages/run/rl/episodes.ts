/** Episodes as the server tells them. */
import type { Value } from "../../../api/types";
import { asNumber } from "../../../api/values";

export interface Rolling {
  env: number | null;
  episodes: number;
  x: number[];
  values: Value[];
}

export interface EpisodeVideo {
  key: string;
  row: number;
  x: Value;
  value: Value;
  episode: number | null;
  env: number | null;
  total: Value;
  length: number | null;
}

export interface Episodes {
  total: number;
  window: number;
  x: number[];
  points: Record<string, Value[]>;
  returns: Rolling[];
  lengths: Rolling;
  success: Rolling | null;
  videos: EpisodeVideo[];
}

export function asFloats(values: readonly Value[] | undefined): number[] {
  return (values ?? []).map((value) => asNumber(value) ?? Number.NaN);
}

const REACH = 24;

/** The point that is nearest by `far`, if it is near at all. */
export function nearest(
  x: readonly number[],
  y: readonly number[],
  far: (x: number, y: number) => number,
): number | null {
  let [best, least] = [null as number | null, REACH];
  x.forEach((place, at) => {
    const value = y[at] as number;
    const distance = Number.isFinite(value) ? far(place, value) : REACH;
    if (distance < least) [best, least] = [at, distance];
  });
  return best;
}

/** A circle, a square, a triangle or a diamond. */
export function shape(context: CanvasRenderingContext2D, kind: number, x: number, y: number, size: number): void {
  context.beginPath();
  if (kind % 4 === 0) context.arc(x, y, size, 0, 2 * Math.PI);
  else if (kind % 4 === 1) context.rect(x - size * 0.88, y - size * 0.88, size * 1.76, size * 1.76);
  else {
    const corners = kind % 4 === 2 ? [-90, 30, 150] : [0, 90, 180, 270];
    for (const corner of corners) {
      const angle = (corner * Math.PI) / 180;
      context.lineTo(x + 1.35 * size * Math.cos(angle), y + 1.35 * size * Math.sin(angle));
    }
  }
  context.fill();
}
