/** Writing blocks: the YAML that the dialogs of the toolbar insert. */

export interface ChartWish {
  keys: readonly string[];
  filter: string;
  x: string;
  smoothing: string;
  strength: number;
  log: string;
  limit: number;
  title: string;
}

export interface RunsWish {
  columns: readonly string[];
  filter: string;
  order: string;
  limit: number;
  title: string;
}

/** A text as YAML: plain where it cannot be taken for anything else, quoted as in JSON otherwise. */
export function yamlText(text: string): string {
  const plain = /^[A-Za-z_][\w./@-]*$/.test(text) && !/^(true|false|null|yes|no|on|off|y|n)$/i.test(text);
  return plain ? text : JSON.stringify(text);
}

const list = (items: readonly string[]) => `[${items.map(yamlText).join(", ")}]`;

function fenced(kind: string, lines: readonly (string | false | "")[]): string {
  return `\n\`\`\`${kind}\n${lines.filter((line) => line).join("\n")}\n\`\`\`\n`;
}

export function chartBlock(wish: ChartWish): string {
  return fenced("chart", [
    wish.title && `title: ${yamlText(wish.title)}`,
    `keys: ${list(wish.keys)}`,
    wish.filter && `filter: ${JSON.stringify(wish.filter)}`,
    wish.x && `x: ${yamlText(wish.x)}`,
    wish.smoothing !== "none" && wish.strength > 0 && `smoothing: ${wish.smoothing} ${wish.strength}`,
    wish.log && `log: "${wish.log}"`,
    `limit: ${wish.limit}`,
  ]);
}

export function runsBlock(wish: RunsWish): string {
  return fenced("runs", [
    wish.title && `title: ${yamlText(wish.title)}`,
    wish.columns.length > 0 && `columns: ${list(wish.columns)}`,
    wish.filter && `filter: ${JSON.stringify(wish.filter)}`,
    wish.order && `order: ${yamlText(wish.order)}`,
    `limit: ${wish.limit}`,
  ]);
}

/** What a new report begins with. */
export function template(keys: readonly string[]): string {
  const shown = keys.length ? keys : ["loss"];
  return [
    "What was tried, and what came of it.\n",
    "## Curves",
    chartBlock({ keys: shown, filter: "", x: "", smoothing: "none", strength: 0, log: "", limit: 10, title: "" }),
    "## Runs",
    runsBlock({ columns: [], filter: "", order: "-created", limit: 10, title: "" }),
  ].join("\n");
}

/** The line of a text that a place is in, and whether it is inside of a block: what completion has to know. */
export function blockAt(text: string, place: number): "chart" | "runs" | null {
  let open: string | null = null;
  for (const line of text.slice(0, place).split("\n").slice(0, -1)) {
    const fence = /^ {0,3}(`{3,}|~{3,})\s*(\w*)/.exec(line);
    if (!fence) continue;
    open = open === null ? (fence[2] ?? "") : null;
  }
  return open === "chart" || open === "runs" ? open : null;
}
