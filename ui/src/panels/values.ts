/** Columns over runs, as panels draw them. */
import { useQuery } from "@tanstack/react-query";
import { get } from "../api/client";
import type { Value } from "../api/types";
import { asNumber, asText } from "../api/values";
import { type PanelScope, runsOf } from "./scope";

export interface Values {
  total: number;
  ids: string[];
  names: string[];
  columns: Record<string, Value[]>;
}

export interface Column {
  field: string;
  title: string;
  kind: "number" | "time" | "category";
  /** Numbers, times in milliseconds, or texts; null where a run has none. */
  data: (number | string | null)[];
}

const AGAIN_MS = 5000;

export function useValues(scope: PanelScope, fields: readonly (string | undefined)[]) {
  const asked = [...new Set(fields.filter((field) => field !== undefined))].sort();
  const runs = runsOf(scope);
  return useQuery({
    queryKey: ["values", scope.project, runs, asked],
    queryFn: ({ signal }) => get<Values>("/values", { ...runs, field: asked }, signal),
    placeholderData: (before) => before,
    refetchInterval: isMoving(scope) && AGAIN_MS,
  });
}

/** Whether something changes by itself. */
export function isMoving({ drawn }: PanelScope): boolean {
  return drawn.some((run) => "running" in run && run.running === true);
}

/** What a field is called; the value that was logged last is the one that is meant where nothing is said. */
export function nameOfField(field: string): string {
  const [scope = "", ...rest] = field.split(".");
  const key = rest.join(".");
  if (!key) return field;
  const words: Record<string, string> = { min: "smallest", max: "largest", mean: "mean" };
  return words[scope] ? `${words[scope]} ${key}` : key;
}

export function column(values: Values, field: string): Column {
  const given = values.columns[field] ?? [];
  const title = nameOfField(field);
  if (field === "created") {
    return { field, title, kind: "time", data: given.map((us) => (typeof us === "number" ? us / 1000 : null)) };
  }
  const known = given.filter((value) => value !== null);
  if (known.length > 0 && known.every((value) => asNumber(value) !== undefined)) {
    const data = given.map((value) => asNumber(value) ?? null);
    return {
      field,
      title,
      kind: "number",
      data: data.map((one) => (one !== null && Number.isFinite(one) ? one : null)),
    };
  }
  return { field, title, kind: "category", data: given.map((value) => (value === null ? null : asText(value))) };
}

/** Groups in the order of their values: numbers by size, texts by the alphabet; "–" for runs that have none. */
export function groupsOf(by: Column, y: Column): { name: string; values: number[]; at: number[] }[] {
  const found = new Map<number | string | null, { values: number[]; at: number[] }>();
  by.data.forEach((group, at) => {
    const value = y.data[at];
    if (typeof value !== "number") return;
    const known = found.get(group) ?? { values: [], at: [] };
    known.values.push(value);
    known.at.push(at);
    found.set(group, known);
  });
  const order = (a: number | string | null, b: number | string | null) => {
    if (a === null || b === null) return a === null ? 1 : -1;
    return typeof a === "number" && typeof b === "number"
      ? a - b
      : String(a).localeCompare(String(b), "en", { numeric: true });
  };
  return [...found]
    .sort(([a], [b]) => order(a, b))
    .map(([group, rest]) => ({ name: group === null ? "–" : shown(by, group), ...rest }));
}

export function shown({ kind }: Column, value: number | string): string {
  return kind === "time" ? new Date(value as number).toLocaleString("en-GB") : String(value);
}
