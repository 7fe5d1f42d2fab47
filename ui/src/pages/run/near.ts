/** Which runs somebody may have meant who asked for one that is not there. */
import type { RunRow } from "../../api/types";

/** How many letters have to be put in, taken out or changed to make one text of the other. */
export function distance(one: string, other: string): number {
  let before = Array.from({ length: other.length + 1 }, (_, at) => at);
  for (const [row, letter] of [...one].entries()) {
    const now = [row + 1];
    for (let at = 0; at < other.length; at++) {
      const changed = (before[at] ?? 0) + Number(letter !== other[at]);
      now.push(Math.min(changed, (before[at + 1] ?? 0) + 1, (now[at] ?? 0) + 1));
    }
    before = now;
  }
  return before.at(-1) ?? 0;
}

/** Longer texts than this are no names that were mistyped. */
const LONGEST = 80;

const wordsOf = (text: string) => text.split(/[^\p{L}\p{N}]+/u).filter((word) => word.length > 3);

function sharesWord(one: string, other: string): boolean {
  const known = wordsOf(other);
  return wordsOf(one).some((word) => known.includes(word));
}

/**
 * How far a name is from what was typed, letters; null where it is another one altogether. One that has the whole of it
 * is nearest, then those of which a third of the letters, at most, are others, or that have a word in common with it.
 */
function far(typed: string, name: string): number | null {
  const [short, long] = [typed.toLowerCase(), name.toLowerCase()];
  if (long.includes(short) || (long.length > 3 && short.includes(long))) return 0;
  if (short.length > LONGEST || long.length > LONGEST) return null;
  const letters = distance(short, long);
  return letters <= Math.max(short.length, long.length) / 3 || sharesWord(short, long) ? letters : null;
}

/** The runs whose names or ids are nearest to what was asked for, the nearest first. */
export function nearest(typed: string, runs: readonly Pick<RunRow, "id" | "name">[], most = 4): typeof runs {
  const found = runs.flatMap((run) => {
    const [byId, byName] = [far(typed, run.id), far(typed, run.name)];
    const letters = Math.min(byId ?? Number.POSITIVE_INFINITY, byName ?? Number.POSITIVE_INFINITY);
    return Number.isFinite(letters) ? [{ run, letters }] : [];
  });
  return found
    .sort((a, b) => a.letters - b.letters)
    .slice(0, most)
    .map(({ run }) => run);
}
