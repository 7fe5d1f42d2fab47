/** A patch as files and lines, read by what each line begins with: one that was cut off is shown as far as it goes. */

export interface PatchLine {
  kind: "add" | "del" | "same" | "hunk" | "note";
  text: string;
  before: number | null;
  after: number | null;
}

export interface PatchFile {
  path: string;
  added: number;
  removed: number;
  lines: PatchLine[];
}

const HUNK = /^@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@/;

export function readPatch(text: string): PatchFile[] {
  const files: PatchFile[] = [];
  let reader: Reader | null = null;
  for (const line of text.replace(/\n$/, "").split("\n")) {
    if (line.startsWith("diff --git ")) {
      reader = new Reader({ path: pathOf(line), added: 0, removed: 0, lines: [] });
      files.push(reader.file);
    } else {
      reader?.read(line);
    }
  }
  return files;
}

class Reader {
  private before = 0;
  private after = 0;
  private inHunk = false;

  constructor(readonly file: PatchFile) {}

  read(line: string): void {
    const hunk = HUNK.exec(line);
    if (hunk) {
      this.before = Number(hunk[1]);
      this.after = Number(hunk[2]);
      this.inHunk = true;
      this.keep("hunk", line);
    } else if (this.inHunk) {
      this.change(line);
    } else if (!/^(index|---|\+\+\+) /.test(line)) {
      this.keep("note", line);
    }
  }

  private change(line: string): void {
    const text = line.slice(1);
    if (line.startsWith("+")) {
      this.file.added++;
      this.keep("add", text, null, this.after++);
    } else if (line.startsWith("-")) {
      this.file.removed++;
      this.keep("del", text, this.before++, null);
    } else if (line.startsWith("\\")) {
      this.keep("note", text.trimStart());
    } else {
      this.keep("same", text, this.before++, this.after++);
    }
  }

  private keep(kind: PatchLine["kind"], text: string, before: number | null = null, after: number | null = null): void {
    this.file.lines.push({ kind, text, before, after });
  }
}

/** "diff --git a/x b/x" has the name twice; the halves are equal unless it was renamed. */
function pathOf(line: string): string {
  const names = line.slice("diff --git ".length);
  const half = (names.length - 1) / 2;
  const [first, second] = [names.slice(0, half), names.slice(half + 1)];
  if (first.slice(2) === second.slice(2)) return second.slice(2);
  const at = names.lastIndexOf(" b/");
  return at < 0 ? names : names.slice(at + 3);
}
