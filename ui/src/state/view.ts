/** What is set on a project's page, read from its address and written back to it. */
import { useCallback, useMemo, useRef } from "react";
import type { Band, Middle } from "../charts/aggregate";
import { MOST } from "../charts/first";
import type { SmoothKind } from "../charts/smooth";
import { type Panel, readPanels, writePanels } from "../panels/panel";
import { type Search, useSearchState } from "./search";
import { MANY, type Many, type Own, readOwn, readPlaces, writeOwn, writePlaces } from "./wall";

export interface SortKey {
  field: string;
  descending: boolean;
}

/** What of a group's numbers is shown, and sorted by. */
export type Statistic = "mean" | "min" | "max" | "std" | "count";

export interface View {
  filter: string;
  /** Words in names. */
  find: string;
  /** States that are shown; all if there are none. */
  states: ReadonlySet<string>;
  sort: readonly SortKey[];
  /** Columns that were chosen; null for those that tell runs apart. */
  columns: readonly string[] | null;
  /** Widths that somebody gave columns, px. */
  widths: ReadonlyMap<string, number>;
  /** Columns that stay beside the name. */
  fixed: readonly string[];
  /** Runs that are not drawn; groups as "=" and their path. */
  hidden: ReadonlySet<string>;
  pinned: readonly string[];
  /** Run that the others are compared with. */
  baseline: string | null;
  group: readonly string[];
  /** Paths of groups that are open. */
  open: ReadonlySet<string>;
  statistic: Statistic;
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
  /** Charts on top of the wall, before all sections. */
  top: readonly string[];
  /** Charts that are not shown. */
  without: ReadonlySet<string>;
  /** Places of charts in their sections, and of sections on the wall, that somebody moved. */
  places: ReadonlyMap<string, number>;
  sections: ReadonlyMap<string, number>;
  /** What single charts have for themselves, by metric, or by the id of a panel after a colon. */
  own: ReadonlyMap<string, Own>;
  panels: readonly Panel[];
  /** How more lines are drawn than can be told apart. */
  many: Many;
  /** On narrow screens. */
  side: "runs" | "charts";
}

const KINDS = ["none", "ema", "gauss", "mean", "median"];
const MIDDLES = ["mean", "median", "iqm"];
const BANDS = ["std", "stderr", "minmax", "ci", "none"];
const STATISTICS = ["mean", "min", "max", "std", "count"];
const NARROWEST = 48;
const WIDEST = 800;

const list = (text: string | undefined) => (text ? text.split(",").map(plain) : []);
const words = (items: Iterable<string>) =>
  [...items].map((item) => item.replace(/[,%]/g, encodeURIComponent)).join(",");
const one = <T extends string>(text: string | undefined, known: readonly string[], otherwise: T): T =>
  text !== undefined && known.includes(text) ? (text as T) : otherwise;

function widths(text: string | undefined): Map<string, number> {
  const found = new Map<string, number>();
  for (const word of list(text)) {
    const at = word.lastIndexOf(":");
    const width = Number(word.slice(at + 1));
    if (at > 0 && Number.isFinite(width)) found.set(word.slice(0, at), clampWidth(width));
  }
  return found;
}

export function clampWidth(width: number): number {
  return Math.round(Math.min(WIDEST, Math.max(NARROWEST, width)));
}

/** A word of an address, which may be somebody's own writing. */
function plain(word: string): string {
  try {
    return decodeURIComponent(word);
  } catch {
    return word;
  }
}

export function readView(search: Search): View {
  const [kind, strength] = (search.smooth ?? "").split(":");
  const [from, to] = (search.range ?? "").split(":").map(Number);
  const ranged = search.range && Number.isFinite(from) && Number.isFinite(to) && (from as number) < (to as number);
  const most = Number(search.most);
  return {
    filter: search.filter ?? "",
    find: search.find ?? "",
    states: new Set(list(search.state)),
    sort: list(search.sort).map((word) => ({ field: word.replace(/^-/, ""), descending: word.startsWith("-") })),
    columns: search.columns === undefined ? null : list(search.columns),
    widths: widths(search.widths),
    fixed: list(search.fixed),
    hidden: new Set(list(search.hide)),
    pinned: list(search.pin),
    baseline: search.base ?? null,
    group: list(search.group),
    open: new Set(list(search.open)),
    statistic: one<Statistic>(search.stat, STATISTICS, "mean"),
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
    top: list(search.top),
    without: new Set(list(search.without)),
    places: readPlaces(list(search.places)),
    sections: readPlaces(list(search.sections)),
    own: readOwn(search.own),
    panels: readPanels(search.panels),
    many: one<Many>(search.many, MANY, "auto"),
    side: one(search.side, ["runs", "charts"], "charts"),
  };
}

const WRITERS: { [K in keyof View]: (value: View[K]) => [string, string] } = {
  filter: (value) => ["filter", value],
  find: (value) => ["find", value],
  states: (value) => ["state", words(value)],
  sort: (value) => ["sort", words(value.map((key) => (key.descending ? "-" : "") + key.field))],
  columns: (value) => ["columns", value === null ? "" : words(value)],
  widths: (value) => ["widths", words([...value].map(([field, width]) => `${field}:${width}`))],
  fixed: (value) => ["fixed", words(value)],
  hidden: (value) => ["hide", words(value)],
  pinned: (value) => ["pin", words(value)],
  baseline: (value) => ["base", value ?? ""],
  group: (value) => ["group", words(value)],
  open: (value) => ["open", words(value)],
  statistic: (value) => ["stat", value === "mean" ? "" : value],
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
  top: (value) => ["top", words(value)],
  without: (value) => ["without", words(value)],
  places: (value) => ["places", words(writePlaces(value))],
  sections: (value) => ["sections", words(writePlaces(value))],
  own: (value) => ["own", writeOwn(value)],
  panels: (value) => ["panels", writePanels(value)],
  many: (value) => ["many", value === "auto" ? "" : value],
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

/** The view of an address; what its settings leave as it was is the same object as before. */
function viewOf(search: Search, before: { search: Search; view: View } | null): View {
  const view = readView(search);
  if (!before) return view;
  let same = true;
  for (const key of Object.keys(WRITERS) as (keyof View)[]) {
    const write = WRITERS[key] as (value: View[typeof key]) => [string, string];
    const [name] = write(view[key]);
    if (search[name] === before.search[name]) Object.assign(view, { [key]: before.view[key] });
    else same = false;
  }
  return same ? before.view : view;
}

export function useView(): [View, SetView] {
  const [search, setSearch] = useSearchState();
  const before = useRef<{ search: Search; view: View } | null>(null);
  const view = useMemo(() => {
    const now = viewOf(search, before.current);
    before.current = { search, view: now };
    return now;
  }, [search]);
  const set = useCallback<SetView>((patch) => setSearch(writeView(patch)), [setSearch]);
  return [view, set];
}
