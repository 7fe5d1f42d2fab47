/** Files as a tree: folders with what is in them, and how large that is. */
import type { FileRow } from "./types";

export interface FileLine {
  path: string;
  name: string;
  depth: number;
  size: number;
  /** How many files are in a folder; null for a file. */
  files: number | null;
  file: FileRow | null;
}

interface Folder {
  folders: Map<string, Folder>;
  files: FileRow[];
  size: number;
  count: number;
}

const folder = (): Folder => ({ folders: new Map(), files: [], size: 0, count: 0 });

function tree(files: readonly FileRow[]): Folder {
  const root = folder();
  for (const file of files) {
    let at = root;
    const parts = file.path.split("/");
    for (const part of [...parts.slice(0, -1), null]) {
      at.size += Math.max(file.size, 0);
      at.count++;
      if (part === null) at.files.push(file);
      else {
        const inner = at.folders.get(part) ?? folder();
        at.folders.set(part, inner);
        at = inner;
      }
    }
  }
  return root;
}

/** Lines of the tree, folders first; what is in a folder only when it is open. With words, the files that fit, by their whole path. */
export function fileLines(files: readonly FileRow[], open: ReadonlySet<string>, search = ""): FileLine[] {
  const words = search.trim().toLowerCase();
  if (words) {
    return files
      .filter((file) => file.path.toLowerCase().includes(words))
      .map((file) => ({ path: file.path, name: file.path, depth: 0, size: file.size, files: null, file }));
  }
  const lines: FileLine[] = [];
  const visit = (at: Folder, before: string, depth: number) => {
    for (const [name, inner] of [...at.folders].sort(([a], [b]) => a.localeCompare(b, "en", { numeric: true }))) {
      const path = before + name;
      lines.push({ path: `${path}/`, name, depth, size: inner.size, files: inner.count, file: null });
      if (open.has(`${path}/`)) visit(inner, `${path}/`, depth + 1);
    }
    for (const file of at.files) {
      const name = file.path.slice(before.length);
      lines.push({ path: file.path, name, depth, size: file.size, files: null, file });
    }
  };
  visit(tree(files), "", 0);
  return lines;
}

/** Folders that are open at first: all of a small version, and what leads through folders with nothing else in them. */
export function openAtFirst(files: readonly FileRow[]): Set<string> {
  const found = new Set<string>();
  if (files.length <= 30) {
    for (const { path } of files) {
      for (let at = path.indexOf("/"); at >= 0; at = path.indexOf("/", at + 1)) found.add(path.slice(0, at + 1));
    }
    return found;
  }
  let [at, path] = [tree(files), ""];
  while (at.folders.size === 1 && !at.files.length) {
    const [name, inner] = [...at.folders][0] as [string, Folder];
    path += `${name}/`;
    found.add(path);
    at = inner;
  }
  return found;
}
