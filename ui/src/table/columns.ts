/** The columns of the runs table: what they are called, what they hold, how wide they are. */
import type { RunRow, Value } from "../api/types";
import { asNumber, asText } from "../api/values";
import { short } from "../format/numbers";
import { ago, duration, exact } from "../format/time";

export interface ValueColumn {
  scope: "config" | "summary";
  key: string;
  runs: number;
  numbers: number;
  min: Value;
  max: Value;
  differs: boolean;
}

export interface Column {
  /** As in filters and orders: `config.lr`, `created`. */
  field: string;
  title: string;
  scope: "run" | "config" | "summary";
  width: number;
  numeric: boolean;
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
const MOST_DEFAULTS = 12;

/** What tells runs apart: metrics that vary, then parameters that differ; few enough to be read. */
export function defaults(known: readonly ValueColumn[], sawTags: boolean, isOnlyOne = false): string[] {
  const chosen = (scope: string) =>
    known.filter((column) => column.scope === scope && (column.differs || isOnlyOne) && !column.key.startsWith("_"));
  const metrics = chosen("summary")
    .filter((column) => column.numbers > 0)
    .sort((a, b) => weight(b) - weight(a) || a.key.localeCompare(b.key));
  const parameters = chosen("config").sort((a, b) => a.key.localeCompare(b.key));
  const half = MOST_DEFAULTS / 2;
  const results = metrics.slice(0, Math.max(half, MOST_DEFAULTS - parameters.length)).map(fieldOf);
  const given = parameters.slice(0, Math.max(half, MOST_DEFAULTS - metrics.length)).map(fieldOf);
  return [...results.slice(0, 2), ...given, ...results.slice(2), ...(sawTags ? ["tag"] : []), "created", "duration"];
}

/** How much a metric says of how good a run is. */
function weight(column: ValueColumn): number {
  const name = column.key.toLowerCase();
  const held = /val|eval|test/.test(name) ? 2 : 0;
  return held + (/loss|acc|reward|return|score|f1|auc/.test(name) ? 1 : 0);
}

/** A field as filters and orders take it. */
export function fieldOf(column: { scope: string; key: string }): string {
  return `${column.scope}.${column.key}`;
}

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
  if (value === undefined) return EMPTY;
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
