/** Panels that people add to a wall: what kinds there are, what each needs, and how they are written down. */

export type Kind =
  | "lines"
  | "scatter"
  | "bar"
  | "box"
  | "parallel"
  | "importance"
  | "returns"
  | "histogram"
  | "confusion"
  | "roc"
  | "pr"
  | "vega";

/** As it stands in addresses, saved views and reports: plain JSON, and whatever is not said is not there. */
export interface Panel {
  id: string;
  kind: Kind;
  title?: string;
  /** Columns of runs, such as config.lr, summary.loss, min.loss, duration. */
  x?: string;
  y?: string;
  colour?: string;
  by?: string;
  columns?: string[];
  logX?: boolean;
  logY?: boolean;
  /** A metric, or a logged table. */
  key?: string;
  /** A regular expression over metrics. */
  keys?: string;
  goal?: "min" | "max";
  how?: "mean" | "median" | "min" | "max";
  /** A Vega-Lite description, as text. */
  spec?: string;
}

export type FieldName = Exclude<keyof Panel, "id" | "kind">;
type FieldType = "column" | "columns" | "metric" | "media" | "text" | "regex" | "switch" | "choice" | "spec";

export interface Field {
  name: FieldName;
  label: string;
  type: FieldType;
  /** Whether the panel can do without it. */
  optional?: boolean;
  /** Only columns that hold numbers. */
  numeric?: boolean;
  choices?: readonly { value: string; label: string }[];
}

interface Shape {
  title: string;
  about: string;
  fields: readonly Field[];
  /** Whether it makes sense for one run alone. */
  single?: boolean;
}

const TITLE: Field = { name: "title", label: "Title", type: "text", optional: true };
const LOG_X: Field = { name: "logX", label: "Logarithmic x axis", type: "switch", optional: true };
const LOG_Y: Field = { name: "logY", label: "Logarithmic y axis", type: "switch", optional: true };
const BY: Field = { name: "by", label: "Grouped by", type: "column" };
const GOAL: Field = {
  name: "goal",
  label: "Better is",
  type: "choice",
  optional: true,
  choices: [
    { value: "min", label: "smaller" },
    { value: "max", label: "larger" },
  ],
};
const value = (label: string): Field => ({ name: "y", label, type: "column", numeric: true });
const table = (about: string) => ({
  about,
  single: true,
  fields: [{ name: "key", label: "Logged table", type: "media" }, TITLE] as const satisfies readonly Field[],
});

export const SHAPES: Readonly<Record<Kind, Shape>> = {
  lines: {
    title: "Several metrics in one chart",
    about: "Every metric whose name fits a regular expression, over one axis",
    single: true,
    fields: [{ name: "keys", label: "Metrics (regex)", type: "regex" }, LOG_Y, TITLE],
  },
  scatter: {
    title: "Scatter",
    about: "A point for each run, by any two columns, coloured by a third",
    fields: [
      { name: "x", label: "Across", type: "column" },
      { name: "y", label: "Upwards", type: "column" },
      { name: "colour", label: "Colour", type: "column", optional: true },
      LOG_X,
      LOG_Y,
      TITLE,
    ],
  },
  bar: {
    title: "Bars",
    about: "A value of each group of runs",
    fields: [
      value("Value"),
      BY,
      {
        name: "how",
        label: "Of each group",
        type: "choice",
        optional: true,
        choices: [
          { value: "mean", label: "mean, with standard deviation" },
          { value: "median", label: "median" },
          { value: "min", label: "smallest" },
          { value: "max", label: "largest" },
        ],
      },
      TITLE,
    ],
  },
  box: {
    title: "Boxes",
    about: "How a value is spread in each group of runs: median, middle half, and all runs as points",
    fields: [value("Value"), BY, LOG_Y, TITLE],
  },
  parallel: {
    title: "Parallel coordinates",
    about: "A line for each run through its parameters and results; drag along an axis to choose runs",
    fields: [
      { name: "columns", label: "Axes, from left to right", type: "columns" },
      { name: "colour", label: "Colour", type: "column", numeric: true, optional: true },
      TITLE,
    ],
  },
  importance: {
    title: "Parameter importance",
    about: "Which parameters tell the best runs from the others (PED-ANOVA), and in which direction",
    fields: [value("Result"), GOAL, TITLE],
  },
  returns: {
    title: "Returns over seeds",
    about:
      "Mean of the middle half of the runs (IQM) with stratified bootstrap intervals, over steps of the environment",
    fields: [
      { name: "key", label: "Returns of episodes", type: "metric" },
      { name: "by", label: "One line for each", type: "column", optional: true },
      { name: "colour", label: "Task (resampled within each)", type: "column", optional: true },
      TITLE,
    ],
  },
  histogram: {
    title: "Histogram over time",
    about: "Logged histograms of one run as a heat map",
    single: true,
    fields: [{ name: "key", label: "Histograms", type: "media" }, TITLE],
  },
  confusion: { title: "Confusion matrix", ...table("What was taken for what, from treering.plot.confusion_matrix") },
  roc: { title: "ROC curve", ...table("True over false positives, from treering.plot.roc_curve") },
  pr: { title: "Precision and recall", ...table("Precision over recall, from treering.plot.pr_curve") },
  vega: {
    title: "Custom (Vega-Lite)",
    about: 'A Vega-Lite description over "runs" (a row for each run) or "series" (a row for each point)',
    single: true,
    fields: [
      { name: "spec", label: "Vega-Lite", type: "spec" },
      {
        name: "columns",
        label: 'Columns of "runs" beside what the description names',
        type: "columns",
        optional: true,
      },
      { name: "keys", label: 'Metrics in "series" (regex)', type: "regex", optional: true },
      TITLE,
    ],
  },
};

export const KINDS = Object.keys(SHAPES) as Kind[];
const MOST = 40;
const MOST_LETTERS = 60_000;

/** What a panel is called: by hand, or from what it shows. */
export function titleOf(panel: Panel): string {
  if (panel.title) return panel.title;
  const name = (field: string | undefined) => (field ?? "").replace(/^(config|summary)\./, "");
  switch (panel.kind) {
    case "lines":
      return panel.keys ?? "";
    case "scatter":
      return `${name(panel.y)} over ${name(panel.x)}`;
    case "bar":
    case "box":
      return `${name(panel.y)} by ${name(panel.by)}`;
    case "importance":
      return `Importance for ${name(panel.y)}`;
    case "returns":
      return `${panel.key} over seeds`;
    case "histogram":
    case "confusion":
    case "roc":
    case "pr":
      return panel.key ?? SHAPES[panel.kind].title;
    default:
      return SHAPES[panel.kind].title;
  }
}

/** Whether everything is said that the panel cannot do without. */
export function isWhole(panel: Panel): boolean {
  return SHAPES[panel.kind].fields.every(({ name, optional }) => {
    const said = panel[name];
    return optional || (Array.isArray(said) ? said.length > 1 : Boolean(said));
  });
}

/** What makes no sense counts for nothing: the text may come from anybody's link. */
export function readPanels(text: string | undefined): Panel[] {
  if (!text || text.length > MOST_LETTERS) return [];
  let given: unknown;
  try {
    given = JSON.parse(text);
  } catch {
    return [];
  }
  if (!Array.isArray(given)) return [];
  const ids = new Set<string>();
  return given
    .slice(0, MOST)
    .map((one) => readPanel(one, ids))
    .filter((panel) => panel !== null);
}

function readPanel(given: unknown, ids: Set<string>): Panel | null {
  if (typeof given !== "object" || given === null) return null;
  const words = given as Record<string, unknown>;
  const kind = KINDS.find((one) => one === words.kind);
  if (!kind) return null;
  const id = typeof words.id === "string" && /^\w{1,20}$/.test(words.id) && !ids.has(words.id) ? words.id : newId(ids);
  ids.add(id);
  const panel: Panel = { id, kind };
  for (const field of SHAPES[kind].fields) {
    const said = readField(field, words[field.name]);
    if (said !== undefined) Object.assign(panel, { [field.name]: said });
  }
  return isWhole(panel) ? panel : null;
}

function readField({ type, choices }: Field, given: unknown): unknown {
  if (type === "switch") return given === true || undefined;
  if (type === "columns") {
    if (!Array.isArray(given)) return undefined;
    return given.filter((one) => typeof one === "string" && one !== "").slice(0, 30);
  }
  if (typeof given !== "string" || given === "") return undefined;
  return choices && !choices.some((choice) => choice.value === given) ? undefined : given;
}

export function writePanels(panels: readonly Panel[]): string {
  return panels.length ? JSON.stringify(panels) : "";
}

/** An id that none of these has. */
export function newId(taken: ReadonlySet<string>): string {
  for (let number = 1; ; number++) if (!taken.has(`p${number}`)) return `p${number}`;
}
