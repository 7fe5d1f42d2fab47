/** How changes of tensors are shown. */
import { asNumber } from "../../api/values";
import type { TensorChange } from "./types";

/** The most changed first; what came, went or has another shape leads. */
export function byChange(tensors: readonly TensorChange[]): TensorChange[] {
  const weight = (one: TensorChange) => asNumber(one.relative) ?? Number.POSITIVE_INFINITY;
  return [...tensors].sort((a, b) => weight(b) - weight(a) || a.name.localeCompare(b.name, "en", { numeric: true }));
}

const SMALLEST = 1e-6;

/** Length of a bar, 0 to 1: decades, since a training moves layers by a millionth as well as by a half. */
export function widthOf(relative: number): number {
  if (!(relative > 0)) return 0;
  return Math.min(1, Math.max(0.04, 1 - Math.log10(Math.min(relative, 1)) / Math.log10(SMALLEST)));
}
