/** What was measured, in sections: a graphics card each, all cores together, and the rest by its first word. */

export interface SystemSection {
  title: string;
  keys: string[];
}

const NAMES: Record<string, string> = {
  cpu: "CPU",
  gpu: "GPU",
  memory: "Memory",
  process: "Process",
  disk: "Disk",
  network: "Network",
};
const ORDER = ["GPU", "CPU", "Memory", "Process", "Disk", "Network"];

export function systemSections(keys: readonly string[]): SystemSection[] {
  const found = new Map<string, string[]>();
  for (const key of keys) {
    const title = titleOf(key);
    found.set(title, [...(found.get(title) ?? []), key]);
  }
  const rank = (title: string) => {
    if (title === "CPU cores") return 50;
    const at = ORDER.indexOf(title.split(" ")[0] ?? "");
    return at < 0 ? 40 : at;
  };
  return [...found]
    .map(([title, members]) => ({ title, keys: members }))
    .sort((a, b) => rank(a.title) - rank(b.title) || a.title.localeCompare(b.title, "en", { numeric: true }));
}

function titleOf(key: string): string {
  const [first = "", second = ""] = key.split("/");
  const name = NAMES[first] ?? first;
  if (!/^\d+$/.test(second)) return name;
  return first === "cpu" ? "CPU cores" : `${name} ${second}`;
}

/** What its section does not say: "percent", "3 percent". */
export function shortName(key: string): string {
  const parts = key.split("/");
  return (parts[0] === "cpu" ? parts.slice(1) : parts.slice(/^\d+$/.test(parts[1] ?? "") ? 2 : 1))
    .join(" ")
    .replaceAll("_", " ")
    .replace(/\bmb\b/, "MB");
}
