/** Which series a watched model has: of each parameter, in the order of the model. */
import type { MetricRow } from "../../../api/types";

export interface Watched {
  /** Told apart by this where several are watched; "" for the only one. */
  name: string;
  layers: { name: string; norm?: string; ratio?: string; gradients?: string; parameters?: string }[];
  /** Series of all parameters together: "grad/norm" and the like. */
  together: string[];
}

const LAYER = /^(grad|update)\/(?:(.+?)\/)?layer\/(.+)$/;
const HISTOGRAM = /^(grad|param)\/(?:(.+?)\/)?histogram\/(.+)$/;
const TOGETHER =
  /^(?:grad\/(?:(.+)\/)?(?:norm|norm_preclip)|update\/(?:(.+)\/)?ratio|amp\/(?:(.+)\/)?(?:scale|skipped))$/;

type Series = "norm" | "ratio" | "gradients" | "parameters";

/** What a series tells of which parameter of which model; no parameter for all of them together. */
function told(key: string): { model: string; parameter: string | null; what: Series | null } | null {
  const layer = LAYER.exec(key);
  if (layer) {
    return { model: layer[2] ?? "", parameter: layer[3] ?? "", what: layer[1] === "grad" ? "norm" : "ratio" };
  }
  const histogram = HISTOGRAM.exec(key);
  if (histogram) {
    const what = histogram[1] === "grad" ? "gradients" : "parameters";
    return { model: histogram[2] ?? "", parameter: histogram[3] ?? "", what };
  }
  const together = TOGETHER.exec(key);
  return together && { model: together.slice(1).find((name) => name) ?? "", parameter: null, what: null };
}

export function watched(metrics: readonly MetricRow[]): Watched[] {
  const found = new Map<string, Watched>();
  for (const { key } of metrics) {
    const one = told(key);
    if (!one) continue;
    const model = found.get(one.model) ?? { name: one.model, layers: [], together: [] };
    found.set(one.model, model);
    if (one.parameter === null || one.what === null) {
      model.together.push(key);
      continue;
    }
    const layer = model.layers.find(({ name }) => name === one.parameter) ?? { name: one.parameter };
    if (!model.layers.includes(layer)) model.layers.push(layer);
    layer[one.what] = key;
  }
  return [...found.values()];
}
