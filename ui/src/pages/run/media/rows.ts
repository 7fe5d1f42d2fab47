/** Rows of a table, chosen and put in order. */
import type { Value } from "../../../api/types";
import { asNumber, asText } from "../../../api/values";

export interface Sorting {
  column: number;
  descending: boolean;
}

/** Numbers of the rows that have the words in one of their cells, in order; empty cells come last either way. */
export function arranged(rows: readonly (readonly Value[])[], search: string, sorting: Sorting | null): number[] {
  const wanted = search.trim().toLowerCase();
  const found: number[] = [];
  rows.forEach((cells, at) => {
    if (!wanted || cells.some((cell) => cell !== null && asText(cell).toLowerCase().includes(wanted))) found.push(at);
  });
  if (!sorting) return found;
  const cell = (at: number) => rows[at]?.[sorting.column] ?? null;
  return found.sort((a, b) => {
    const [one, other] = [cell(a), cell(b)];
    if (one === null || other === null) return Number(one === null) - Number(other === null) || a - b;
    const order = compared(one, other);
    return (sorting.descending ? -order : order) || a - b;
  });
}

function compared(one: Value, other: Value): number {
  const [a, b] = [asNumber(one), asNumber(other)];
  if (a !== undefined && b !== undefined)
    return Number.isNaN(a) ? (Number.isNaN(b) ? 0 : 1) : Number.isNaN(b) ? -1 : a - b;
  return asText(one).localeCompare(asText(other), "en", { numeric: true });
}
