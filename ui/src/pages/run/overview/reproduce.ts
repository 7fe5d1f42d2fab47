/** The commands that run the same program on the same code again. */

export interface Git {
  commit?: string | null;
  branch?: string | null;
  remote?: string | null;
  upstream?: string | null;
  dirty?: boolean | null;
  untracked?: number | null;
  diff?: string | null;
  diff_cut?: boolean | null;
  root?: string | null;
  problem?: string | null;
}

export interface Environment {
  command?: string[];
  cwd?: string;
  python?: Record<string, string | null>;
  os?: Record<string, string | null>;
  cpu?: Record<string, string | number | null>;
  memory?: Record<string, number | null>;
  gpus?: Record<string, unknown>[];
  host?: string;
  user?: string;
  container?: string;
  variables?: Record<string, string>;
  packages?: Record<string, string>;
}

/** What was recorded around a run. */
export interface Capture {
  environment?: Environment;
  git?: Git;
  source?: {
    kind?: string;
    path?: string | null;
    text?: string;
    cells?: { number: number; text: string }[];
    cut?: boolean;
  };
}

/** A word as a POSIX shell takes it: whatever is in it stays one word. */
export function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

export function commands(git: Git | undefined, environment: Environment | undefined): string[] {
  const found: string[] = [];
  if (git?.commit) {
    if (git.remote) found.push(`git clone ${quoted(git.remote)} code && cd code`);
    found.push(`git checkout ${quoted(git.commit)}`);
    if (git.diff) found.push("git apply diff.patch   # what was not committed: see Code");
  }
  const folder = environment?.cwd;
  const root = git?.root;
  if (folder && root && folder !== root && folder.startsWith(`${root}/`)) {
    found.push(`cd ${quoted(folder.slice(root.length + 1))}`);
  }
  if (environment?.command?.length) found.push(environment.command.map(quoted).join(" "));
  return found;
}
