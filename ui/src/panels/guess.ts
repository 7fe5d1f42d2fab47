/** What a new panel shows at first: something that is there, and likely what somebody wants. */
import { EPISODE_RETURN } from "../pages/run/tabs";
import { RUN_FIELDS } from "../table/columns";
import { defaults, fieldOf, type ValueColumn } from "../table/defaults";
import type { Kind, Panel } from "./panel";
import type { PanelMetric } from "./scope";

type Options = { group: string; items: { value: string; label: string }[] }[];

export interface Known {
  columns: Options;
  numeric: Options;
  metrics: string[];
  media: string[];
  histograms: string[];
  /** What tells runs apart. */
  parameters: string[];
  results: string[];
  numbers: ReadonlySet<string>;
}

const OWN = RUN_FIELDS.filter((field) => !["notes", "tag"].includes(field));
const NUMBERS = ["duration", "attempts"];

export function knownOf(columns: readonly ValueColumn[], metrics: readonly PanelMetric[]): Known {
  const of = (scope: string, numeric: boolean) =>
    columns
      .filter((column) => column.scope === scope && (!numeric || column.numbers > 0))
      .map((column) => ({ value: fieldOf(column), label: column.key }));
  const numbers = metrics.filter((metric) => metric.numeric && !metric.hidden).map((metric) => metric.key);
  const ends = (word: string, title: string) => ({
    group: `${title} value of a metric`,
    items: numbers.map((key) => ({ value: `${word}.${key}`, label: `${title.toLowerCase()} ${key}` })),
  });
  const options = (numeric: boolean): Options =>
    [
      { group: "Parameters", items: of("config", numeric) },
      { group: "Results", items: of("summary", numeric) },
      ends("min", "Smallest"),
      ends("max", "Largest"),
      { group: "Run", items: (numeric ? NUMBERS : OWN).map((field) => ({ value: field, label: field })) },
    ].filter(({ items }) => items.length > 0);
  const shown = defaults(columns, false);
  return {
    columns: options(false),
    numeric: options(true),
    metrics: numbers,
    media: metrics.filter(({ kinds }) => kinds.includes("media")).map(({ key }) => key),
    histograms: metrics.filter(({ kinds }) => kinds.includes("histogram")).map(({ key }) => key),
    parameters: shown.filter((field) => field.startsWith("config.")),
    results: shown.filter((field) => field.startsWith("summary.")),
    numbers: new Set(columns.filter((column) => column.numbers > 0).map(fieldOf)),
  };
}

const EXAMPLE = (x: string, y: string) => `{
  "data": {"name": "runs"},
  "mark": {"type": "point", "filled": true, "size": 80, "tooltip": true},
  "encoding": {
    "x": {"field": "${x}", "type": "quantitative", "scale": {"zero": false}},
    "y": {"field": "${y}", "type": "quantitative", "scale": {"zero": false}},
    "color": {"field": "state", "type": "nominal"}
  }
}`;

export function guess(kind: Kind, id: string, known: Known): Panel {
  const [result] = known.results;
  const x = known.parameters.find((field) => known.numbers.has(field)) ?? known.parameters[0] ?? "duration";
  const by = known.parameters.find((field) => !known.numbers.has(field)) ?? known.parameters[0];
  const said = (panel: { [K in keyof Panel]?: Panel[K] | undefined }): Panel =>
    ({ id, kind, ...Object.fromEntries(Object.entries(panel).filter(([, value]) => value !== undefined)) }) as Panel;
  switch (kind) {
    case "lines":
      return said({ keys: known.metrics.some((key) => /loss/.test(key)) ? "loss" : known.metrics[0] });
    case "scatter":
      return said({ x, y: result, colour: by === x ? undefined : by });
    case "bar":
    case "box":
      return said({ y: result, by });
    case "parallel":
      return said({ columns: [...known.parameters.slice(0, 6), ...(result ? [result] : [])], colour: result });
    case "importance":
      return said({ y: result });
    case "returns":
      return said({ key: known.metrics.find((key) => EPISODE_RETURN.test(key)) ?? known.metrics[0] });
    case "histogram":
      return said({ key: known.histograms[0] });
    case "vega":
      return said({ spec: EXAMPLE(x, result ?? "duration") });
    default:
      return said({ key: known.media.find((key) => key.toLowerCase().includes(kind)) ?? known.media[0] });
  }
}
