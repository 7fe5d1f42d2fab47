/** Metrics in sections: "train/loss" belongs to "train", and "loss" to the first one, which has no name. */

export interface Section {
  name: string;
  title: string;
  keys: string[];
  /** The key without what the section's name says already. */
  short: (key: string) => string;
}

const FIRST = ["train", "training", "val", "valid", "validation", "eval", "test", "rollout", "episode"];
const LAST = ["time", "perf", "gradients", "parameters"];

const HEAVY = [/loss/i, /acc|reward|return|score|f1|auc/i];

export function sections(keys: readonly string[]): Section[] {
  const found = new Map<string, string[]>();
  for (const key of keys) {
    const name = key.slice(0, Math.max(0, key.lastIndexOf("/")));
    const known = found.get(name);
    if (known) known.push(key);
    else found.set(name, [key]);
  }
  const rank = (name: string) => {
    const first = FIRST.indexOf(name);
    // What has no section leads when a loss or a score is among it, and follows the usual sections when it is the rest.
    if (name === "") return found.get(name)?.some((key) => HEAVY.some((pattern) => pattern.test(key))) ? -1 : 50;
    return first >= 0 ? first : LAST.includes(name.split("/")[0] ?? "") ? 200 : 100;
  };
  return [...found]
    .sort(([a], [b]) => rank(a) - rank(b) || a.localeCompare(b, "en", { numeric: true }))
    .map(([name, members]) => ({
      name,
      title: name || "metrics",
      keys: members.sort(byWeight),
      short: (key) => (name ? key.slice(name.length + 1) : key),
    }));
}

/** Losses and scores come first: they are what one looks for. */
function byWeight(a: string, b: string): number {
  const weight = (key: string) => {
    const at = HEAVY.findIndex((pattern) => pattern.test(key.slice(key.lastIndexOf("/") + 1)));
    return at < 0 ? HEAVY.length : at;
  };
  return weight(a) - weight(b) || a.localeCompare(b, "en", { numeric: true });
}

/** Metrics that a text asks for: a regular expression, or plain words where it is none. */
export function matching(text: string): (key: string) => boolean {
  if (!text.trim()) return () => true;
  try {
    const pattern = new RegExp(text.trim(), "i");
    return (key) => pattern.test(key);
  } catch {
    const plain = text.trim().toLowerCase();
    return (key) => key.toLowerCase().includes(plain);
  }
}
