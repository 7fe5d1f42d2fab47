/** What several runs are, key by key: the rows of the table that compares them. */
import type { MetricRow, RunDetail, Value } from "../../api/types";
import { asNumber, asText } from "../../api/values";
import { sections } from "../../charts/sections";
import { short } from "../../format/numbers";
import { duration, exact } from "../../format/time";
import type { Capture } from "../run/overview/reproduce";
import { leaves } from "../run/overview/tree";

export interface Cell {
  text: string;
  /** As it was recorded. */
  exact: string;
  number: number | undefined;
}

export interface Row {
  key: string;
  /** What is told of a metric: "last", "min" or "max"; "" elsewhere. */
  what: string;
  cells: (Cell | undefined)[];
  differs: boolean;
  /** Which cells hold the best value, when one is better than another. */
  best: ReadonlySet<number>;
}

export interface Part {
  title: string;
  rows: Row[];
}

type Direction = "min" | "max" | null;

const SMALL = /loss|err|mse|mae|nll|perplexity|ppl|regret|distance|latency/i;
const LARGE = /acc|reward|return|score|f1|auc|success|precision|recall|iou|bleu|psnr|ssim/i;

/** Which of two values of a metric is better: as its run said, else as its name suggests. */
export function directionOf(key: string, goal: string | null | undefined): Direction {
  if (goal === "minimize") return "min";
  if (goal === "maximize") return "max";
  if (SMALL.test(key)) return "min";
  return LARGE.test(key) ? "max" : null;
}

function cellOf(value: Value | undefined): Cell | undefined {
  if (value === undefined) return undefined;
  const number = asNumber(value);
  const text = Array.isArray(value) ? `[${value.map(asText).join(", ")}]` : asText(value);
  return { text: number === undefined ? text : short(number, 5), exact: text, number };
}

function rowOf(key: string, cells: (Cell | undefined)[], what = "", direction: Direction = null): Row {
  const texts = new Set(cells.map((cell) => cell?.exact));
  return { key, what, cells, differs: texts.size > 1, best: texts.size > 1 ? bestOf(cells, direction) : new Set() };
}

function bestOf(cells: readonly (Cell | undefined)[], direction: Direction): ReadonlySet<number> {
  const known = cells.map((cell) => cell?.number).filter((one) => one !== undefined && !Number.isNaN(one)) as number[];
  if (direction === null || known.length < 2) return new Set();
  const best = direction === "min" ? Math.min(...known) : Math.max(...known);
  return new Set(cells.flatMap((cell, at) => (cell?.number === best ? [at] : [])));
}

function rowsOf(maps: readonly ReadonlyMap<string, Value>[]): Row[] {
  const keys = new Set(maps.flatMap((map) => [...map.keys()]));
  return [...keys].map((key) =>
    rowOf(
      key,
      maps.map((map) => cellOf(map.get(key))),
    ),
  );
}

function metrics(runs: readonly RunDetail[]): Row[] {
  const last = runs.map((run) => leaves(run.summary));
  const known = runs.map((run) => new Map(run.metrics.map((metric) => [metric.key, metric])));
  const definitions = new Map(runs.flatMap((run) => run.metrics.map((one) => [one.key, one] as [string, MetricRow])));
  const keys = new Set([...last.flatMap((map) => [...map.keys()]), ...definitions.keys()]);
  const rows: Row[] = [];
  for (const key of sections([...keys]).flatMap((section) => section.keys)) {
    const definition = definitions.get(key);
    if (key.startsWith("_") || definition?.hidden) continue;
    const direction = directionOf(key, definition?.goal);
    const lasts = runs.map((_, at) => cellOf(last[at]?.get(key) ?? lastOf(known[at]?.get(key))));
    if (lasts.some((cell) => cell !== undefined)) rows.push(rowOf(key, lasts, "last", direction));
    if (direction === null || definition === undefined) continue;
    const bests = runs.map((_, at) => cellOf(known[at]?.get(key)?.[direction] ?? undefined));
    if (bests.some((cell) => cell?.number !== undefined)) rows.push(rowOf(key, bests, direction, direction));
  }
  return rows;
}

function lastOf(metric: MetricRow | undefined): Value | undefined {
  const value = metric?.last;
  return value === null || asNumber(value) === undefined ? undefined : value;
}

function about(runs: readonly RunDetail[]): Row[] {
  const fact = (key: string, read: (run: RunDetail) => string | null) =>
    rowOf(
      key,
      runs.map((run) => {
        const text = read(run);
        return text === null || text === "" ? undefined : { text, exact: text, number: undefined };
      }),
    );
  return [
    fact("state", (run) => run.state),
    fact("started", (run) => exact(run.created_us)),
    fact("took", (run) => duration(run.duration_s)),
    fact("attempts", (run) => String(run.attempt)),
    fact("group", (run) => run.group),
    fact("job type", (run) => run.job_type),
    fact("tags", (run) => run.tags.join(", ")),
    fact("notes", (run) => run.notes),
    fact("forked from", (run) => run.parent_id && `${run.parent_id} at step ${run.parent_step}`),
  ].filter((row) => row.cells.some((cell) => cell !== undefined));
}

function machine(capture: Capture | undefined): Map<string, Value> {
  const { packages: _packages, command, ...environment } = capture?.environment ?? {};
  const { diff: _diff, root: _root, ...git } = capture?.git ?? {};
  const found = new Map<string, Value>();
  const take = (prefix: string, value: unknown) => {
    for (const [key, item] of leaves(value as Value)) if (item !== null) found.set(prefix + key, item);
  };
  if (command) found.set("command", command.join(" "));
  take("git ", git);
  take("", environment);
  return found;
}

/** Everything that is compared, in the order in which one asks for it. */
export function partsOf(runs: readonly RunDetail[], captures: readonly (Capture | undefined)[]): Part[] {
  const packages = captures.map((one) => leaves((one?.environment?.packages ?? {}) as Value));
  const parts = [
    { title: "Metrics", rows: metrics(runs) },
    { title: "Config", rows: rowsOf(runs.map((run) => leaves(run.config))) },
    { title: "Run", rows: about(runs) },
    { title: "Environment", rows: rowsOf(captures.map(machine)) },
    { title: "Packages", rows: rowsOf(packages).sort((a, b) => a.key.localeCompare(b.key, "en")) },
  ];
  return parts.filter((part) => part.rows.length > 0);
}

export function shown(rows: readonly Row[], onlyDifferences: boolean, search: string): Row[] {
  const words = search.trim().toLowerCase();
  return rows.filter(
    (row) =>
      (!onlyDifferences || row.differs) &&
      (!words ||
        row.key.toLowerCase().includes(words) ||
        row.cells.some((cell) => cell?.exact.toLowerCase().includes(words))),
  );
}

/** How far a number is from the one that it is compared with, in %; undefined where that says nothing. */
export function change(cell: Cell | undefined, base: Cell | undefined): number | undefined {
  if (cell?.number === undefined || base?.number === undefined || !base.number) return undefined;
  const found = (100 * (cell.number - base.number)) / Math.abs(base.number);
  return Number.isFinite(found) ? found : undefined;
}
