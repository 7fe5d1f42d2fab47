/** How a wall of charts is arranged: places, sizes, and what single charts have for themselves. */
import type { SmoothKind } from "../charts/smooth";

export type Many = "auto" | "lines" | "bands";

/** What a chart has of its own; what is not there is as for all charts. */
export interface Own {
  /** Columns of the wall that it takes. */
  w?: number;
  /** Height of what is drawn, in pixels. */
  h?: number;
  x?: string;
  logX?: boolean;
  logY?: boolean;
  clip?: boolean;
  smooth?: { kind: SmoothKind; strength: number };
  /** The y axis by hand; null for an end that follows the lines. */
  y?: [number | null, number | null];
  many?: Many;
}

export const KINDS: readonly SmoothKind[] = ["none", "ema", "gauss", "mean", "median"];
export const MANY: readonly Many[] = ["auto", "lines", "bands"];
export const HEIGHT = { least: 120, usual: 190, panel: 250, most: 900, step: 40 };
export const WIDEST = 6;
const MOST_LETTERS = 40_000;

/** Things in their natural order, but for those that were given a place. */
export function arranged<T>(
  items: readonly T[],
  nameOf: (item: T) => string,
  places: ReadonlyMap<string, number>,
): T[] {
  const moved = items.filter((item) => places.has(nameOf(item)));
  if (!moved.length) return [...items];
  const out = items.filter((item) => !places.has(nameOf(item)));
  const place = (item: T) => places.get(nameOf(item)) ?? 0;
  for (const item of moved.sort((a, b) => place(a) - place(b))) out.splice(place(item), 0, item);
  return out;
}

/** The places after one of `order` went to another index: only what somebody moved is kept. */
export function moved(
  order: readonly string[],
  name: string,
  index: number,
  places: ReadonlyMap<string, number>,
): Map<string, number> {
  const after = order.filter((one) => one !== name);
  const at = Math.max(0, Math.min(index, after.length));
  after.splice(at, 0, name);
  const out = new Map(places);
  after.forEach((one, i) => {
    if (one === name || places.has(one)) out.set(one, i);
  });
  return out;
}

export function readPlaces(words: readonly string[]): Map<string, number> {
  const out = new Map<string, number>();
  for (const word of words) {
    const at = word.lastIndexOf("@");
    const place = Number(word.slice(at + 1));
    if (at >= 0 && Number.isInteger(place) && place >= 0 && place < 1e6) out.set(word.slice(0, at), place);
  }
  return out;
}

export function writePlaces(places: ReadonlyMap<string, number>): string[] {
  return [...places].map(([name, place]) => `${name}@${place}`);
}

const number = (value: unknown, low: number, high: number): number | undefined =>
  typeof value === "number" && Number.isFinite(value) ? Math.round(Math.min(Math.max(value, low), high)) : undefined;
const flag = (value: unknown): boolean | undefined => (typeof value === "boolean" ? value : undefined);

function readSmooth(value: unknown): Own["smooth"] {
  const { kind, strength } = (value ?? {}) as Record<string, unknown>;
  const known = KINDS.find((one) => one === kind);
  return known && { kind: known, strength: number(strength, 0, 100) ?? 0 };
}

function readEnds(value: unknown): Own["y"] {
  if (!Array.isArray(value) || value.length !== 2) return undefined;
  const [low, high] = value.map((end) => (typeof end === "number" && Number.isFinite(end) ? end : null)) as [
    number | null,
    number | null,
  ];
  if (low === null && high === null) return undefined;
  return low !== null && high !== null && low >= high ? undefined : [low, high];
}

function readOne(given: unknown): Own {
  const words = (typeof given === "object" && given !== null ? given : {}) as Record<string, unknown>;
  const found: Own = {
    w: number(words.w, 1, WIDEST) as number,
    h: number(words.h, HEIGHT.least, HEIGHT.most) as number,
    x: typeof words.x === "string" && words.x ? words.x : (undefined as never),
    logX: flag(words.logX) as boolean,
    logY: flag(words.logY) as boolean,
    clip: flag(words.clip) as boolean,
    smooth: readSmooth(words.smooth) as NonNullable<Own["smooth"]>,
    y: readEnds(words.y) as NonNullable<Own["y"]>,
    many: MANY.find((one) => one === words.many) as Many,
  };
  return clean(found);
}

/** Without what is not said. */
export function clean(own: { [K in keyof Own]?: Own[K] | undefined }): Own {
  return Object.fromEntries(Object.entries(own).filter(([, value]) => value !== undefined)) as Own;
}

/** What makes no sense counts for nothing: the text may come from anybody's link. */
export function readOwn(text: string | undefined): Map<string, Own> {
  if (!text || text.length > MOST_LETTERS) return new Map();
  try {
    const given = JSON.parse(text) as unknown;
    if (typeof given !== "object" || given === null || Array.isArray(given)) return new Map();
    return new Map(
      Object.entries(given)
        .map(([name, own]) => [name, readOne(own)] as const)
        .filter(([, own]) => Object.keys(own).length > 0),
    );
  } catch {
    return new Map();
  }
}

export function writeOwn(own: ReadonlyMap<string, Own>): string {
  const found = [...own].filter(([, one]) => Object.keys(one).length > 0);
  return found.length ? JSON.stringify(Object.fromEntries(found)) : "";
}
