/** The columns of the runs table: what they are called, what they hold, how wide they are. */
import type { GroupRow, RunRow, Spread, Value } from "../api/types";
import { asNumber, asText } from "../api/values";
import { short } from "../format/numbers";
import { ago, duration, exact } from "../format/time";
import type { Statistic, View } from "../state/view";
import type { ValueColumn } from "./defaults";

export interface Column {
  /** As in filters and orders: `config.lr`, `created`. */
  field: string;
  title: string;
  scope: "run" | "config" | "summary";
  width: number;
  numeric: boolean;
  /** How far from the left it stays while others move, px; undefined for those that move. */
  left?: number;
  /** Its number among the columns. */
  place?: number;
}

const RUN_COLUMNS: Record<string, { title: string; width: number; numeric?: boolean }> = {
  state: { title: "State", width: 92 },
  created: { title: "Created", width: 92 },
  duration: { title: "Duration", width: 84, numeric: true },
  tag: { title: "Tags", width: 130 },
  group: { title: "Group", width: 100 },
  job_type: { title: "Job type", width: 90 },
  notes: { title: "Notes", width: 180 },
  id: { title: "Id", width: 110 },
  attempts: { title: "Attempts", width: 76, numeric: true },
};

export const RUN_FIELDS = Object.keys(RUN_COLUMNS);
export function columnOf(field: string, known: ReadonlyMap<string, ValueColumn>): Column {
  const own = RUN_COLUMNS[field];
  if (own) return { field, scope: "run", numeric: false, ...own };
  const [scope = "", ...rest] = field.split(".");
  const key = rest.join(".");
  const facts = known.get(field);
  const numeric = facts ? facts.numbers > 0 : scope === "summary";
  const width = Math.min(190, Math.max(numeric ? 76 : 88, 30 + 7 * key.length));
  return { field, title: key, scope: scope === "config" ? "config" : "summary", width, numeric };
}

/** Fields that runs can be grouped by, and how many of them at once. */
export const MOST_GROUPED = 6;
export function isGroupable(field: string): boolean {
  return /^(config|summary)\./.test(field) || ["state", "group", "job_type"].includes(field);
}

/** A list with one item moved to where another one is. */
export function movedTo(items: readonly string[], item: string, place: string): string[] {
  const to = items.indexOf(place);
  const moved = items.filter((one) => one !== item);
  moved.splice(to < 0 ? moved.length : to, 0, item);
  return moved;
}

const WIDE = 132;

/** Width of the first column: what groups have in common takes more room than a name. */
export function nameWidth(view: Pick<View, "group">): number {
  return view.group.length ? 268 : 208;
}

/** Columns with the widths that somebody gave them, those that stay on the left first. */
export function arranged(
  columns: readonly Column[],
  view: Pick<View, "widths" | "group" | "statistic" | "baseline">,
  fixed: readonly string[],
): Column[] {
  // A mean with its deviation takes more room than a value; so does a result with its difference from the baseline.
  const grouped = view.group.length && view.statistic === "mean" ? WIDE : 0;
  const sized = columns.map((column) => {
    const least = view.baseline && column.scope === "summary" ? WIDE : grouped;
    const own = column.numeric && column.scope !== "run" ? Math.max(column.width, least) : column.width;
    return { ...column, width: view.widths.get(column.field) ?? own };
  });
  let left = nameWidth(view);
  const staying = sized
    .filter((column) => fixed.includes(column.field))
    .map((column) => {
      const placed = { ...column, left };
      left += column.width;
      return placed;
    });
  const moving = sized.filter((column) => !fixed.includes(column.field));
  return [...staying, ...moving].map((column, place) => ({ ...column, place }));
}

/** Columns that are seen, or nearly so, where a table is scrolled to; those that stay always are. */
export function seen(columns: readonly Column[], from: number, to: number): Column[] {
  let left = 0;
  return columns.filter((column) => {
    const right = left + column.width;
    const isSeen = column.left !== undefined || (right >= from && left <= to);
    left = right;
    return isSeen;
  });
}

export interface Cell {
  text: string;
  /** In full, where the text is shortened. */
  full: string;
  number: number | undefined;
}

const EMPTY: Cell = { text: "", full: "", number: undefined };

export function cellOf(run: RunRow, field: string): Cell {
  const own = runCell(run, field);
  if (own) return own;
  const value = run.values[field];
  return value === undefined ? EMPTY : valueCell(value);
}

function valueCell(value: Value): Cell {
  const number = asNumber(value);
  const full = asText(value);
  return { text: number === undefined ? full : short(number), full, number };
}

function runCell(run: RunRow, field: string): Cell | undefined {
  const plain = (text: string | null): Cell => ({ text: text ?? "", full: text ?? "", number: undefined });
  switch (field) {
    case "state":
      return plain(run.state);
    case "created":
      return { text: ago(run.created_us), full: exact(run.created_us), number: undefined };
    case "duration":
      return { text: duration(run.duration_s), full: `${run.duration_s} s`, number: run.duration_s };
    case "tag":
      return plain(run.tags.join(", "));
    case "group":
      return plain(run.group);
    case "job_type":
      return plain(run.job_type);
    case "notes":
      return plain(run.notes);
    case "id":
      return plain(run.id);
    case "attempts":
      return { text: String(run.attempt), full: String(run.attempt), number: run.attempt };
    default:
      return undefined;
  }
}

/** What a group has of a column: a value that all share, else the statistic of their numbers. */
export function cellOfGroup(group: GroupRow, field: string, statistic: Statistic): Cell {
  const key = group.keys.find((one) => one.field === field);
  if (key) return valueCell(key.value ?? "");
  if (field === "state") return { ...EMPTY, ...counted(group.states) };
  if (field === "created")
    return { text: ago(group.newest_us), full: `newest ${exact(group.newest_us)}`, number: undefined };
  const spread = group.values[field];
  return spread ? spreadCell(spread, statistic, field === "duration" ? duration : short, group.runs) : EMPTY;
}

function counted(states: GroupRow["states"]): { text: string; full: string } {
  const text = Object.entries(states)
    .sort((a, b) => b[1] - a[1])
    .map(([state, runs]) => `${runs} ${state}`)
    .join(", ");
  return { text, full: text };
}

type Write = (value: number, digits?: number) => string;

function spreadCell(spread: Spread, statistic: Statistic, write: Write, runs: number): Cell {
  const { numbers, count } = spread;
  const others = numbers && numbers < count ? `, ${count - numbers} no numbers` : "";
  const missing = count < runs ? `, ${runs - count} without it` : "";
  const cell =
    statistic === "count" ? countCell(spread) : numbers ? numberCell(spread, statistic, write) : textCell(spread);
  return { ...cell, full: cell.full + others + missing };
}

function countCell({ count }: Spread): Cell {
  return { text: String(count), full: `${count} runs have it`, number: count };
}

function textCell({ count, first, last }: Spread): Cell {
  const same = first === last;
  return {
    text: same ? (first ?? "") : "several",
    full: `${same ? (first ?? "") : `${first} … ${last}`} in ${count} runs`,
    number: undefined,
  };
}

function numberCell(spread: Spread, statistic: Statistic, write: Write): Cell {
  const numberOf = (value: Value) => asNumber(value) ?? Number.NaN;
  const [mean, min, max] = [numberOf(spread.mean), numberOf(spread.min), numberOf(spread.max)];
  const std = asNumber(spread.std);
  const far = std === undefined ? "–" : write(std, 2);
  const all: Record<Statistic, number | undefined> = { mean, min, max, std, count: spread.count };
  const number = all[statistic];
  const isOne = min === max;
  const text = number === undefined ? "" : write(number) + (statistic === "mean" && std && !isOne ? ` ±${far}` : "");
  const spelled = `mean ${write(mean)}, smallest ${write(min)}, largest ${write(max)}, standard deviation ${far}`;
  return { text, full: `${isOne ? write(min) : spelled}, ${spread.numbers} runs`, number };
}

/** What the runs of a group have in common: "lr = 0.1". */
export function titleOfGroup(group: GroupRow): string {
  return group.keys
    .map(({ field, value }) => `${field.replace(/^(config|summary)\./, "")} = ${valueCell(value ?? "").text || "–"}`)
    .join(", ");
}

/** A condition of the query language that holds for runs with this value. */
export function condition(field: string, cell: Cell): string {
  const name = quotedField(field);
  if (cell.text === "") return `${name} is null`;
  return cell.number !== undefined && Number.isFinite(cell.number)
    ? `${name} = ${cell.number}`
    : `${name} = '${cell.full.replace(/\\/g, "\\\\").replace(/'/g, "\\'")}'`;
}

/** A field as filters take it: keys with unusual letters are quoted. */
export function quotedField(field: string): string {
  const [scope = "", ...rest] = field.split(".");
  if (!rest.length) return field;
  const key = rest.join(".");
  return /^[\w./@:%-]+$/.test(key) && !/[.:]$/.test(key)
    ? field
    : `${scope}."${key.replace(/\\/g, "\\\\").replace(/"/g, '\\"')}"`;
}
