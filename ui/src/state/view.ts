/** What is set on a project's page, read from its address and written back to it. */
import { useCallback, useMemo } from "react";
import type { Band, Middle } from "../charts/aggregate";
import type { SmoothKind } from "../charts/smooth";
import { type Search, useSearchState } from "./search";

export interface SortKey {
  field: string;
  descending: boolean;
}

export interface View {
  filter: string;
  sort: readonly SortKey[];
  /** Columns that were chosen; null for those that tell runs apart. */
  columns: readonly string[] | null;
  /** Runs that are not drawn. */
  hidden: ReadonlySet<string>;
  pinned: readonly string[];
  /** Run that the others are compared with. */
  baseline: string | null;
  group: readonly string[];
  middle: Middle;
  band: Band;
  /** Most runs that are drawn. */
  most: number;
  /** X axis: "" for what each metric says of itself, else _step, _time, _runtime or a metric. */
  x: string;
  logX: boolean;
  logY: boolean;
  clip: boolean;
  smooth: { kind: SmoothKind; strength: number };
  range: [number, number] | null;
  /** Words or a regular expression that chooses charts. */
  charts: string;
  folded: ReadonlySet<string>;
  /** On narrow screens. */
  side: "runs" | "charts";
}

const KINDS = ["none", "ema", "gauss", "mean", "median"];
const MIDDLES = ["mean", "median", "iqm"];
const BANDS = ["std", "stderr", "minmax", "ci", "none"];
export const MOST = 50;

const list = (text: string | undefined) => (text ? text.split(",").map(decodeURIComponent) : []);
const words = (items: Iterable<string>) =>
  [...items].map((item) => item.replace(/[,%]/g, encodeURIComponent)).join(",");
const one = <T extends string>(text: string | undefined, known: readonly string[], otherwise: T): T =>
  text !== undefined && known.includes(text) ? (text as T) : otherwise;

export function readView(search: Search): View {
  const [kind, strength] = (search.smooth ?? "").split(":");
  const [from, to] = (search.range ?? "").split(":").map(Number);
  const ranged = search.range && Number.isFinite(from) && Number.isFinite(to) && (from as number) < (to as number);
  const most = Number(search.most);
  return {
    filter: search.filter ?? "",
    sort: list(search.sort).map((word) => ({ field: word.replace(/^-/, ""), descending: word.startsWith("-") })),
    columns: search.columns === undefined ? null : list(search.columns),
    hidden: new Set(list(search.hide)),
    pinned: list(search.pin),
    baseline: search.base ?? null,
    group: list(search.group),
    middle: one<Middle>(search.middle, MIDDLES, "mean"),
    band: one<Band>(search.band, BANDS, "std"),
    most: most >= 1 && most <= 500 ? Math.round(most) : MOST,
    x: search.x ?? "",
    logX: search.logx === "1",
    logY: search.logy === "1",
    clip: search.clip === "1",
    smooth: { kind: one<SmoothKind>(kind, KINDS, "none"), strength: Math.min(Math.max(Number(strength) || 0, 0), 100) },
    range: ranged ? [from as number, to as number] : null,
    charts: search.charts ?? "",
    folded: new Set(list(search.fold)),
    side: one(search.side, ["runs", "charts"], "charts"),
  };
}

const WRITERS: { [K in keyof View]: (value: View[K]) => [string, string] } = {
  filter: (value) => ["filter", value],
  sort: (value) => ["sort", words(value.map((key) => (key.descending ? "-" : "") + key.field))],
  columns: (value) => ["columns", value === null ? "" : words(value)],
  hidden: (value) => ["hide", words(value)],
  pinned: (value) => ["pin", words(value)],
  baseline: (value) => ["base", value ?? ""],
  group: (value) => ["group", words(value)],
  middle: (value) => ["middle", value === "mean" ? "" : value],
  band: (value) => ["band", value === "std" ? "" : value],
  most: (value) => ["most", value === MOST ? "" : String(value)],
  x: (value) => ["x", value],
  logX: (value) => ["logx", value ? "1" : ""],
  logY: (value) => ["logy", value ? "1" : ""],
  clip: (value) => ["clip", value ? "1" : ""],
  smooth: (value) => ["smooth", value.kind === "none" ? "" : `${value.kind}:${value.strength}`],
  range: (value) => ["range", value ? value.map((end) => Number(end.toPrecision(12))).join(":") : ""],
  charts: (value) => ["charts", value],
  folded: (value) => ["fold", words(value)],
  side: (value) => ["side", value === "charts" ? "" : value],
};

export function writeView(patch: Partial<View>): Record<string, string | undefined> {
  const found: Record<string, string | undefined> = {};
  for (const key of Object.keys(patch) as (keyof View)[]) {
    const write = WRITERS[key] as (value: View[typeof key]) => [string, string];
    const [name, text] = write(patch[key] as View[typeof key]);
    found[name] = text === "" ? undefined : text;
  }
  return found;
}

export type SetView = (patch: Partial<View>) => void;

export function useView(): [View, SetView] {
  const [search, setSearch] = useSearchState();
  const view = useMemo(() => readView(search), [search]);
  const set = useCallback<SetView>((patch) => setSearch(writeView(patch)), [setSearch]);
  return [view, set];
}
