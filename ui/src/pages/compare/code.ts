/** How the code of two runs differs: programs line by line, and what was not committed file by file. */
import { structuredPatch } from "diff";
import { type PatchFile, type PatchLine, readPatch } from "../run/code/diff";

// Texts that have nothing in common would take minutes: after that the page says so.
const TIMEOUT_MS = 2000;

export interface Source {
  title: string;
  text: string;
}

/** The changes from one text to another; null where they are too many to find. */
export function changes(path: string, before: string, after: string): PatchFile | null {
  const patch = structuredPatch(path, path, before, after, "", "", { context: 4, timeout: TIMEOUT_MS });
  if (patch === undefined) return null;
  const lines: PatchLine[] = [];
  let [added, removed] = [0, 0];
  for (const hunk of patch.hunks) {
    let [old, now] = [hunk.oldStart, hunk.newStart];
    const head = `@@ -${old},${hunk.oldLines} +${now},${hunk.newLines} @@`;
    lines.push({ kind: "hunk", text: head, before: null, after: null });
    for (const line of hunk.lines) {
      const text = line.slice(1);
      if (line.startsWith("+")) {
        added++;
        lines.push({ kind: "add", text, before: null, after: now++ });
      } else if (line.startsWith("-")) {
        removed++;
        lines.push({ kind: "del", text, before: old++, after: null });
      } else if (!line.startsWith("\\")) {
        lines.push({ kind: "same", text, before: old++, after: now++ });
      }
    }
  }
  return { path, added, removed, lines };
}

export interface Uncommitted {
  path: string;
  /** Which of the two has it, or how the two patches differ. */
  where: "first" | "second" | "differs" | "same";
  file: PatchFile;
}

const body = (file: PatchFile) =>
  file.lines.map(({ kind, text }) => ({ add: "+", del: "-", same: " ", hunk: "", note: "" })[kind] + text).join("\n");

/** What was not committed, file by file; of files that both have changed, how the changes differ. */
export function uncommitted(first: string, second: string): Uncommitted[] {
  const [one, other] = [first, second].map((text) => new Map(readPatch(text).map((file) => [file.path, file])));
  const paths = new Set([...(one?.keys() ?? []), ...(other?.keys() ?? [])]);
  return [...paths].sort().map((path) => {
    const [a, b] = [one?.get(path), other?.get(path)];
    if (!a || !b) return { path, where: a ? "first" : "second", file: (a ?? b) as PatchFile };
    if (body(a) === body(b)) return { path, where: "same", file: a };
    return { path, where: "differs", file: changes(path, body(a), body(b)) ?? b };
  });
}
