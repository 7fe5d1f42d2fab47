/** What trials came to: values, the best so far, news of them. */
import type { Value } from "../../api/types";
import { asNumber } from "../../api/values";
import type { Goal, TrialRow, Trials } from "./types";

/** The value of a metric that a trial has, or had last. */
export function metricOf(trial: TrialRow, metric: number): Value | undefined {
  return trial.values?.[metric] ?? (metric === 0 && trial.state !== "failed" ? trial.last : undefined) ?? undefined;
}

export function numberOf(trial: TrialRow, metric: number): number | undefined {
  const value = asNumber(metricOf(trial, metric));
  return value !== undefined && Number.isFinite(value) ? value : undefined;
}

/** A trial that came to its end and keeps to the constraints. */
export function counts(trial: TrialRow): boolean {
  return trial.state === "finished" && !(trial.constraints ?? []).some((excess) => (asNumber(excess) ?? 0) > 0);
}

export interface Step {
  trial: TrialRow;
  value: number;
}

/** The trials that were the best so far when they ended, in the order given. */
export function records(trials: readonly TrialRow[], goal: Goal["goal"], metric: number): Step[] {
  const found: Step[] = [];
  const sign = goal === "minimize" ? 1 : -1;
  for (const trial of trials) {
    const value = counts(trial) ? numberOf(trial, metric) : undefined;
    if (value === undefined) continue;
    const best = found.at(-1);
    if (!best || sign * value < sign * best.value) found.push({ trial, value });
  }
  return found;
}

/** Corners of a line that holds each value until the next one comes, and the last one to the end. */
export function stairs(points: readonly { x: number; y: number }[], end: number): [number, number][] {
  const found: [number, number][] = [];
  for (const { x, y } of points) {
    const before = found.at(-1);
    if (before) found.push([x, before[1]]);
    found.push([x, y]);
  }
  const last = found.at(-1);
  if (last) found.push([Math.max(end, last[0]), last[1]]);
  return found;
}

/** News put over what is known; the front and the audit come whole. */
export function merged(before: Trials | undefined, news: Trials): Trials {
  if (!before) return news;
  if (!news.trials.length) return { ...news, trials: before.trials };
  const known = new Map(before.trials.map((trial) => [trial.number, trial]));
  for (const trial of news.trials) known.set(trial.number, trial);
  return { ...news, trials: [...known.values()].sort((a, b) => a.number - b.number) };
}

/** From 0 for the worst to 1 for the best, by rank: one outlier takes no colours from the others. */
export function standing(trials: readonly TrialRow[], goal: Goal["goal"], metric: number): Map<number, number> {
  const sign = goal === "minimize" ? 1 : -1;
  const rows = trials
    .map((trial) => [trial.number, numberOf(trial, metric)] as const)
    .filter((row): row is readonly [number, number] => row[1] !== undefined)
    .sort((a, b) => sign * (b[1] - a[1]));
  return new Map(rows.map(([number], at) => [number, rows.length > 1 ? at / (rows.length - 1) : 1]));
}

export interface Sorting {
  /** "number", "state", "seconds", "agent", or a dimension's id. */
  by: string;
  descending: boolean;
}

type Key = number | string | undefined;

/** What has no value comes last, whichever way. */
export function sorted(trials: readonly TrialRow[], descending: boolean, key: (trial: TrialRow) => Key): TrialRow[] {
  const turn = descending ? -1 : 1;
  return trials
    .map((trial) => ({ trial, key: key(trial) }))
    .sort((a, b) => {
      if (a.key === undefined || b.key === undefined) return Number(a.key === undefined) - Number(b.key === undefined);
      const order = a.key < b.key ? -1 : Number(a.key > b.key);
      return turn * order || a.trial.number - b.trial.number;
    })
    .map(({ trial }) => trial);
}

/** Seconds from start to end; of one that runs, until now. */
export function seconds(trial: TrialRow, nowUs: number): number | undefined {
  if (trial.started_us === null) return undefined;
  const end = trial.ended_us ?? (trial.state === "running" ? nowUs : null);
  return end === null ? undefined : Math.max(0, (end - trial.started_us) / 1e6);
}
