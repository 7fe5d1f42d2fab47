/** What a Vega-Lite description asks for, and rows for it. Nothing is evaluated, and nothing is fetched for it. */
import type { Value } from "../api/types";
import { asNumber, asText } from "../api/values";
import type { Values } from "./values";

const FIELD = /\b(?:config|summary|min|max|mean)\.[\w./@:%-]*[\w@%]/g;
const OWN = ["state", "group", "job_type", "created", "duration", "attempts", "tag"];
const MOST_FIELDS = 60;

export type Spec = Record<string, unknown>;

/** The description as an object.
 *
 * @throws Error with what is wrong, in words for people.
 */
export function readSpec(text: string): Spec {
  let found: unknown;
  try {
    found = JSON.parse(text);
  } catch (error) {
    throw new Error(`This is no JSON: ${(error as Error).message}`);
  }
  if (typeof found !== "object" || found === null || Array.isArray(found)) {
    throw new Error('A Vega-Lite description is an object, such as {"mark": "point", "encoding": {...}}.');
  }
  return found as Spec;
}

/** Columns of runs that it names, in fields and expressions. */
export function fieldsIn(text: string, also: readonly string[] = []): string[] {
  const plain = text.replaceAll("\\\\.", ".");
  const own = OWN.filter((field) => new RegExp(`\\b${field}\\b`).test(plain));
  return [...new Set([...(plain.match(FIELD) ?? []), ...own, ...also])].slice(0, MOST_FIELDS);
}

/** Whether it draws from a table of ours. */
export const asksFor = (text: string, name: "runs" | "series") => new RegExp(`"name"\\s*:\\s*"${name}"`).test(text);

type Row = { [key: string]: unknown };

/** One row for each run. Vega-Lite reads dots as steps into objects: so config.optim.lr is one within another. */
export function rowsOf(values: Values): Row[] {
  return values.ids.map((id, at) => {
    const row: Row = { id, name: values.names[at] ?? id };
    for (const [field, cells] of Object.entries(values.columns)) put(row, field.split("."), simple(cells[at] ?? null));
    return row;
  });
}

function put(into: Row, path: readonly string[], value: unknown): void {
  const [head = "", ...rest] = path;
  if (["__proto__", "constructor", "prototype"].includes(head)) return;
  if (!rest.length) {
    into[head] = value;
    return;
  }
  const inner = into[head];
  if (typeof inner !== "object" || inner === null) into[head] = {};
  put(into[head] as Row, rest, value);
}

const simple = (value: Value): unknown =>
  asNumber(value) ?? (typeof value === "object" && value !== null ? asText(value) : value);
