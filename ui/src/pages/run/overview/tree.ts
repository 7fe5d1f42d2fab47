/** Nested values as lines: what a tree shows, searches and copies. */
import type { Value } from "../../../api/types";
import { asText } from "../../../api/values";

export interface Line {
  /** "optimizer.betas.0" */
  path: string;
  name: string;
  depth: number;
  /** Null where there is more below. */
  value: string | null;
  kind: "number" | "text" | "word" | "branch";
  size: number;
}

type Branch = Record<string, Value>;

function isBranch(value: Value): value is Branch | Value[] {
  if (value === null || typeof value !== "object") return false;
  if (Array.isArray(value)) return value.some((item) => item !== null && typeof item === "object");
  const keys = Object.keys(value);
  return keys.length > 0 && !keys[0]?.startsWith("$");
}

interface Question {
  wanted: string;
  folded: ReadonlySet<string>;
}

/** All lines whose path or value has the words in it, with the branches that lead there; folded ones hide what is below. */
export function lines(value: Value, search = "", folded: ReadonlySet<string> = new Set()): Line[] {
  return isBranch(value) ? below(value, "", 0, { wanted: search.trim().toLowerCase(), folded }) : [];
}

function below(branch: Branch | Value[], before: string, depth: number, question: Question): Line[] {
  return Object.entries(branch).flatMap(([name, item]) => {
    const path = before ? `${before}.${name}` : name;
    if (!isBranch(item)) return leaf(item, { path, name, depth }, question);
    const inside = !question.wanted && question.folded.has(path) ? [] : below(item, path, depth + 1, question);
    if (question.wanted && !inside.length) return [];
    return [{ path, name, depth, value: null, kind: "branch", size: Object.keys(item).length } as Line, ...inside];
  });
}

function leaf(item: Value, place: Pick<Line, "path" | "name" | "depth">, { wanted }: Question): Line[] {
  const text = Array.isArray(item) ? `[${item.map(asText).join(", ")}]` : asText(item);
  if (!place.path.toLowerCase().includes(wanted) && !text.toLowerCase().includes(wanted)) return [];
  return [{ ...place, value: text, kind: kindOf(item), size: 0 }];
}

function kindOf(value: Value): Line["kind"] {
  if (typeof value === "number" || (value && typeof value === "object" && "$number" in value)) return "number";
  return typeof value === "string" ? "text" : "word";
}

/** The values at the ends of the branches, by their paths. */
export function leaves(value: Value | undefined): Map<string, Value> {
  const found = new Map<string, Value>();
  const visit = (item: Value, path: string) => {
    if (!isBranch(item)) found.set(path, item);
    else for (const [name, inner] of Object.entries(item)) visit(inner, path ? `${path}.${name}` : name);
  };
  if (value !== undefined && isBranch(value)) visit(value, "");
  return found;
}

/** As YAML would say it, near enough to paste into a file: JSON, which YAML takes as well. */
export function asJson(value: Value): string {
  return JSON.stringify(value, null, 2);
}
