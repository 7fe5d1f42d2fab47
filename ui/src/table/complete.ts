/** Completion for the query language of filters: fields, then operators, then values, then what joins them. */
import { asText } from "../api/values";
import { quotedField } from "./columns";
import { fieldOf, type ValueColumn } from "./defaults";

const RUN_FIELDS = [
  "state",
  "name",
  "tag",
  "created",
  "duration",
  "group",
  "job_type",
  "notes",
  "id",
  "updated",
  "ended",
  "attempts",
];
const STATES = ["running", "finished", "failed", "interrupted", "preempted", "lost"];
const OPERATORS = ["=", "!=", "<", "<=", ">", ">=", "~", "contains", "in (", "exists", "is null"];
const TIMES = ["'1 hour ago'", "'1 day ago'", "'7 days ago'", "'30 days ago'"];
const DURATIONS = ["'1m'", "'1h'", "'1d'"];
const MOST = 12;

export interface Completion {
  /** What stands in place of the word that is being written. */
  insert: string;
  label: string;
}

export interface Completions {
  /** Where the word begins that they would replace. */
  from: number;
  items: Completion[];
}

const WORD = /(?:[\w./@:%-]+\."(?:[^"\\]|\\.)*"?|'(?:[^'\\]|\\.)*'?|"(?:[^"\\]|\\.)*"?|[\w./@:%-]+|[<>=!~]+|[(),])/g;

export function complete(
  text: string,
  at: number,
  columns: readonly ValueColumn[],
  tags: readonly string[],
): Completions {
  const before = text.slice(0, at);
  const words = [...before.matchAll(WORD)];
  const last = words.at(-1);
  const isWord = last !== undefined && !/^[(),]$/.test(last[0]);
  const writing = isWord && last.index + last[0].length === at && !/\s$/.test(before) ? last : undefined;
  const done = (writing ? words.slice(0, -1) : words).map((word) => word[0]);
  const typed = writing?.[0] ?? "";
  const candidates = expected(done, columns, tags);
  const lower = typed.replace(/["']/g, "").toLowerCase();
  const ranked = candidates
    .map((item) => ({ item, rank: rankOf(item.label.replace(/["']/g, "").toLowerCase(), lower) }))
    .filter(({ rank, item }) => rank >= 0 && item.insert !== typed)
    .sort((a, b) => a.rank - b.rank);
  return { from: writing ? writing.index : at, items: ranked.slice(0, MOST).map(({ item }) => item) };
}

function rankOf(label: string, typed: string): number {
  if (!typed || label.startsWith(typed)) return 0;
  if (label.split(/[./_]/).some((part) => part.startsWith(typed))) return 1;
  return label.includes(typed) ? 2 : -1;
}

const plain = (items: readonly string[]): Completion[] => items.map((item) => ({ insert: item, label: item }));

function expected(done: readonly string[], columns: readonly ValueColumn[], tags: readonly string[]): Completion[] {
  const last = done.at(-1)?.toLowerCase();
  const secondLast = done.at(-2)?.toLowerCase();
  if (last === undefined || ["and", "or", "not", "("].includes(last)) {
    if (last === "(" && secondLast === "in") return values(done.at(-3), columns, tags);
    const known = columns.map((column) => quotedField(fieldOf(column)));
    return plain([...RUN_FIELDS.slice(0, 4), ...known, ...RUN_FIELDS.slice(4), ...(last === "not" ? [] : ["not"])]);
  }
  if (/^[<>=!~]+$|^contains$/.test(last)) return values(done.at(-2), columns, tags);
  if (last === "is") return plain(["null"]);
  if (last === ",")
    return values(
      done.findLast((word) => /^[a-z_]+$|\./i.test(word) && word !== "in"),
      columns,
      tags,
    );
  const isField = done.length === 1 || ["and", "or", "not", "("].includes(secondLast ?? "");
  return plain(isField ? OPERATORS : ["and", "or"]);
}

function values(field: string | undefined, columns: readonly ValueColumn[], tags: readonly string[]): Completion[] {
  if (field === "state") return plain(STATES);
  if (field === "tag") return plain(tags.map(quoted));
  if (field === "created" || field === "updated" || field === "ended") return plain(TIMES);
  if (field === "duration") return plain(DURATIONS);
  const column = columns.find((one) => quotedField(fieldOf(one)) === field);
  if (!column) return [];
  const ends = [...new Set([column.min, column.max].map(asText))].filter((text) => text !== "null");
  return plain(column.numbers ? ends : ends.map(quoted));
}

function quoted(text: string): string {
  return `'${text.replace(/\\/g, "\\\\").replace(/'/g, "\\'")}'`;
}
