/** Logged tables that are drawn: confusion matrices, ROC and precision over recall. */
import type { Value } from "../api/types";
import { asNumber, asText } from "../api/values";

export interface TablePage {
  columns: string[];
  types: string[];
  total: number;
  rows: Value[][];
}

type Drawable = "confusion" | "roc" | "pr";

// As treering names them, and as W&B does.
const COLUMNS: Record<Drawable, readonly (readonly string[])[]> = {
  confusion: [["actual"], ["predicted"], ["count", "npredictions"]],
  roc: [["class"], ["fpr"], ["tpr"]],
  pr: [["class"], ["recall"], ["precision"]],
};

/** Where the columns of a drawing are in a table; null where it has others. */
export function placesOf(kind: Drawable, columns: readonly string[]): number[] | null {
  const known = columns.map((name) => name.toLowerCase());
  const found = COLUMNS[kind].map((names) => known.findIndex((name) => names.includes(name)));
  return found.every((place) => place >= 0) ? found : null;
}

/** What a table can be drawn as. */
export function drawable(columns: readonly string[]): Drawable | null {
  return (["confusion", "roc", "pr"] as const).find((kind) => placesOf(kind, columns)) ?? null;
}

export interface Matrix {
  names: string[];
  /** counts[actual][predicted] */
  counts: number[][];
  total: number;
  right: number;
}

export function matrixOf(page: TablePage): Matrix | null {
  const places = placesOf("confusion", page.columns);
  if (!places) return null;
  const [actual = 0, predicted = 0, count = 0] = places;
  const names: string[] = [];
  const at = (value: Value | undefined) => {
    const name = asText(value);
    const known = names.indexOf(name);
    return known >= 0 ? known : names.push(name) - 1;
  };
  const cells = page.rows.map((row) => [at(row[actual]), at(row[predicted]), asNumber(row[count]) ?? 0] as const);
  const counts = names.map(() => names.map(() => 0));
  for (const [a, p, number] of cells) (counts[a] as number[])[p] = ((counts[a] as number[])[p] ?? 0) + number;
  const total = counts.flat().reduce((sum, one) => sum + one, 0);
  return { names, counts, total, right: counts.reduce((sum, row, i) => sum + (row[i] ?? 0), 0) };
}

export interface RateCurve {
  name: string;
  x: number[];
  y: number[];
  /** Area under it, as it was logged, or from its corners. */
  area: number | null;
}

export function curvesOf(kind: "roc" | "pr", page: TablePage): RateCurve[] {
  const places = placesOf(kind, page.columns);
  if (!places) return [];
  const [name = 0, x = 0, y = 0] = places;
  const area = page.columns.findIndex((column) => ["auc", "ap"].includes(column.toLowerCase()));
  const found = new Map<string, RateCurve>();
  for (const row of page.rows) {
    const label = asText(row[name]);
    const curve = found.get(label) ?? {
      name: label,
      x: [],
      y: [],
      area: area < 0 ? null : (asNumber(row[area]) ?? null),
    };
    const [px, py] = [asNumber(row[x]), asNumber(row[y])];
    if (px !== undefined && py !== undefined) {
      curve.x.push(px);
      curve.y.push(py);
    }
    found.set(label, curve);
  }
  return [...found.values()].map((curve) => ({
    ...curve,
    area: curve.area ?? (kind === "roc" ? trapezoid(curve) : null),
  }));
}

function trapezoid({ x, y }: RateCurve): number {
  let sum = 0;
  for (let i = 1; i < x.length; i++) {
    sum += (((y[i] ?? 0) + (y[i - 1] ?? 0)) / 2) * ((x[i] ?? 0) - (x[i - 1] ?? 0));
  }
  return Math.abs(sum);
}
