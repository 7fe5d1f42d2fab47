/** Which columns a table has at first. Also in the script that runs before the page, so it takes little with it. */
import type { Value } from "../api/types";

export interface ValueColumn {
  scope: "config" | "summary";
  key: string;
  runs: number;
  numbers: number;
  min: Value;
  max: Value;
  differs: boolean;
}

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

/** Whether a field is one of config or summary, which rows have only where they are asked for. */
export function isValue(field: string): boolean {
  return /^(config|summary)\./.test(field);
}

/** A field as filters and orders take it. */
export function fieldOf(column: { scope: string; key: string }): string {
  return `${column.scope}.${column.key}`;
}
