/** Where the pointer is on the x axis, and which run it means: one for all charts and the table. */
import { useSyncExternalStore } from "react";

export interface Hover {
  x: number | null;
  /** Id of the run under the pointer. */
  run: string | null;
}

let now: Hover = { x: null, run: null };
const ears = new Set<() => void>();

export function hover(next: Partial<Hover>): void {
  const merged = { ...now, ...next };
  if (merged.x === now.x && merged.run === now.run) return;
  now = merged;
  for (const ear of ears) ear();
}

export const readHover = (): Hover => now;

export function onHover(ear: () => void): () => void {
  ears.add(ear);
  return () => ears.delete(ear);
}

/** Whether a run is under the pointer, for what is drawn by React. */
export function useIsHovered(run: string | undefined): boolean {
  return useSyncExternalStore(onHover, () => run !== undefined && now.run === run);
}
