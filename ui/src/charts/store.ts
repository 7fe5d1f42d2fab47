/** The curves that a wall of charts shows: asked for together, kept, and lengthened as points come. */
import type { RowsNews } from "../api/live";
import { readSeries, type Series, type SeriesQuestion } from "../api/series";
import { asNumber } from "../api/values";

export interface Wish {
  runs: readonly string[];
  /** Metric -> x axis that it is drawn over. */
  keys: ReadonlyMap<string, string>;
  /** The same for charts that show several metrics, perhaps over another axis. */
  more?: readonly { key: string; x: string }[];
  start: number | undefined;
  stop: number | undefined;
  width: number;
  stream?: "history" | "system";
  /** Some chart has a logarithmic x axis. */
  logX?: boolean;
}

export type Curves = ReadonlyMap<string, Series>;

interface Entry {
  key: string;
  x: string;
  curves: Map<string, Series>;
  /** What was asked: a run that is not in it has to be asked for. */
  asked: Set<string>;
}

const rangeOf = (
  { start, stop, width, stream = "history" }: Omit<SeriesQuestion, "runs" | "keys" | "x">,
  log = false,
) => `${start}:${stop}:${width}:${stream}:${log}`;

const nameOf = (key: string, x: string) => `${x}\n${key}`;

const NONE: Curves = new Map();
const GATHER_MS = 16;

/** What was asked before there was a store, and the answer, if it is here. */
export interface First {
  question: SeriesQuestion;
  found: readonly Series[] | undefined;
  later: Promise<readonly Series[]>;
}

export class SeriesStore {
  private wish: Wish = { runs: [], keys: new Map(), start: undefined, stop: undefined, width: 400 };
  private entries = new Map<string, Entry>();
  private ears = new Map<string, Set<() => void>>();
  private timer: ReturnType<typeof setTimeout> | undefined;
  private range = "";
  private aborting = new AbortController();
  private stale = new Set<string>();
  error: unknown = null;
  onError: (error: unknown) => void = () => {};

  constructor(first?: First | null) {
    if (!first) return;
    const { question, found, later } = first;
    this.range = rangeOf(question, question.log_x);
    for (const key of question.keys) this.entry(key, question.x).asked = new Set(question.runs);
    if (found) this.take(found, question.x);
    else void this.wait(question, later);
  }

  private async wait(question: SeriesQuestion, later: Promise<readonly Series[]>): Promise<void> {
    try {
      const found = await later;
      if (this.range === rangeOf(question, question.log_x)) this.take(found, question.x);
    } catch {
      for (const key of question.keys) this.entry(key, question.x).asked.clear();
      this.soon(); // and if that fails, too, it is told
    }
  }

  /** Say what is on the screen now; what is missing is asked for in one question for each x axis. */
  want(wish: Wish): void {
    const range = rangeOf(wish, wish.logX);
    if (range !== this.range) {
      this.range = range;
      this.aborting.abort();
      this.aborting = new AbortController();
      // What was read is shown until the finer picture is there.
      for (const entry of this.entries.values()) entry.asked.clear();
    }
    this.wish = wish;
    const also = new Set((wish.more ?? []).map(({ key, x }) => nameOf(key, x)));
    for (const [name, { key, x }] of this.entries) {
      // What is drawn over another axis now would miss the points that come meanwhile.
      if ((wish.keys.get(key) ?? x) !== x && !also.has(name)) this.entries.delete(name);
    }
    this.soon();
  }

  /** The curves of a metric; without an axis over the one that it was last wanted over. */
  curves(key: string, x = this.wish.keys.get(key) ?? ""): Curves {
    return this.entries.get(nameOf(key, x))?.curves ?? NONE;
  }

  subscribe(key: string, ear: () => void): () => void {
    const ears = this.ears.get(key) ?? new Set();
    this.ears.set(key, ears.add(ear));
    return () => ears.delete(ear);
  }

  /** A run went back to an earlier step: read its curves anew. */
  forget(run: string): void {
    for (const entry of this.entries.values()) entry.asked.delete(run);
    this.soon();
  }

  /** New points. They stand at the end of what is drawn; when the curve gets long it is read anew, reduced. */
  add(news: RowsNews): void {
    for (const part of news.series) {
      const entry = this.entries.get(nameOf(part.key, news.x));
      const before = entry?.curves.get(news.run);
      if (!entry || !before || before.error) continue;
      const known = before.lastRow ?? -1;
      const fresh = part.rows.findIndex((row) => row > known);
      if (fresh < 0) continue;
      entry.curves = new Map(entry.curves).set(news.run, lengthened(before, part, fresh));
      if (before.x.length + part.rows.length > 6 * this.wish.width) this.stale.add(news.run);
      this.tell(part.key);
    }
    if (this.stale.size) {
      for (const run of this.stale) this.forget(run);
      this.stale.clear();
    }
  }

  close(): void {
    clearTimeout(this.timer);
    this.aborting.abort();
  }

  private soon(): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.ask(), GATHER_MS);
  }

  private ask(): void {
    const { runs, keys, more = [] } = this.wish;
    const questions = new Map<string, { x: string; runs: string[]; keys: string[] }>();
    for (const { key, x } of [...[...keys].map(([name, axis]) => ({ key: name, x: axis })), ...more]) {
      const entry = this.entry(key, x);
      const missing = runs.filter((run) => !entry.asked.has(run));
      if (!missing.length) continue;
      for (const run of missing) entry.asked.add(run);
      const name = `${x}\n${missing.join()}`;
      const question = questions.get(name) ?? { x, runs: missing, keys: [] };
      question.keys.push(key);
      questions.set(name, question);
    }
    for (const question of questions.values()) void this.load(question);
  }

  private entry(key: string, x: string): Entry {
    const name = nameOf(key, x);
    let entry = this.entries.get(name);
    if (!entry) {
      entry = { key, x, curves: new Map(), asked: new Set() };
      this.entries.set(name, entry);
    }
    return entry;
  }

  private async load(question: { x: string; runs: string[]; keys: string[] }): Promise<void> {
    const { start, stop, width, stream, logX } = this.wish;
    const more = { ...(stream ? { stream } : {}), ...(logX ? { log_x: true } : {}) };
    const { signal } = this.aborting;
    try {
      const found = await readSeries({ ...question, start, stop, width, ...more }, signal);
      this.take(found, question.x);
      this.error = null;
    } catch (error) {
      if (signal.aborted) return;
      for (const key of question.keys) for (const run of question.runs) this.entry(key, question.x).asked.delete(run);
      this.error = error;
      this.onError(error);
    }
  }

  private take(found: readonly Series[], x: string): void {
    const changed = new Set<string>();
    for (const one of found) {
      const entry = this.entries.get(nameOf(one.key, x));
      if (!entry) continue;
      if (!changed.has(one.key)) entry.curves = new Map(entry.curves);
      entry.curves.set(one.run, one);
      changed.add(one.key);
    }
    for (const key of changed) this.tell(key);
  }

  private tell(key: string): void {
    for (const ear of this.ears.get(key) ?? []) ear();
  }
}

function lengthened(before: Series, part: RowsNews["series"][number], fresh: number): Series {
  const number = (value: RowsNews["series"][number]["x"][number]) => asNumber(value) ?? Number.NaN;
  const join = (old: Float64Array, values: RowsNews["series"][number]["x"]) => {
    const added = values.slice(fresh);
    const out = new Float64Array(old.length + added.length);
    out.set(old);
    out.set(added.map(number), old.length);
    return out;
  };
  return {
    ...before,
    total: before.total + part.rows.length - fresh,
    lastRow: part.rows.at(-1) ?? before.lastRow,
    x: join(before.x, part.x),
    values: join(before.values, part.values),
  };
}
