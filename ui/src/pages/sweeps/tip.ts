/** What the box beside the pointer says of a trial. */
import { asNumber, asText } from "../../api/values";
import { short } from "../../format/numbers";
import type { Dim } from "./dims";
import { metricOf } from "./trials";
import type { Prediction, TrialRow } from "./types";

const MOST = 12;

export function tipOf(trial: TrialRow, dims: readonly Dim[]) {
  const rows: [string, string][] = [];
  for (const dim of dims) {
    const value = dim.metric < 0 ? trial.point[dim.id] : metricOf(trial, dim.metric);
    if (value === undefined) continue;
    const number = asNumber(value);
    rows.push([dim.name, number === undefined ? asText(value) : short(number, 5)]);
  }
  // Metrics are the last of the dimensions, and the first to be looked for.
  const shown = [...rows].reverse().slice(0, MOST);
  if (trial.prediction) shown.push(["predicted end", predicted(trial.prediction)]);
  if (trial.failure) shown.push(["why", trial.failure.slice(0, 60)]);
  return { head: `Trial ${trial.number} · ${trial.state}`, rows: shown };
}

/** "0.41, within 0.35 and 0.5". */
export function predicted({ value, low, high }: Prediction): string {
  const text = short(asNumber(value) ?? Number.NaN);
  const [from, to] = [asNumber(low), asNumber(high)];
  return from === undefined || to === undefined ? text : `${text} (${short(from, 3)} to ${short(to, 3)})`;
}
