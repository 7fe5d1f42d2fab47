/** The lines of a console that are known so far: read page by page, and lengthened or changed as news come. */
import type { ConsoleNews } from "../../../api/live";

export interface ConsoleLine {
  number: number;
  text: string;
  source: string;
  time_us: number;
}

export const PAGE = 1000;

export class ConsoleLines {
  total = 0;
  private known = new Map<number, ConsoleLine>();

  take(lines: readonly ConsoleLine[], first: number, total: number): void {
    this.total = Math.max(this.total, total);
    lines.forEach((line, at) => {
      this.known.set(first + at, line);
    });
  }

  /** News name lines by their number; one that comes again replaces what it said. Returns whether pages have to be read. */
  add(news: ConsoleNews["lines"]): void {
    for (const one of news as readonly (ConsoleNews["lines"][number] & { source?: string; _time?: number })[]) {
      const before = this.known.get(one.line);
      const fresh = { number: one.line, text: one.text, source: one.source ?? before?.source ?? "stdout" };
      this.known.set(one.line, { ...fresh, time_us: before?.time_us ?? one._time ?? Date.now() * 1000 });
      this.total = Math.max(this.total, one.line + 1);
    }
  }

  at(index: number): ConsoleLine | undefined {
    return this.known.get(index);
  }

  /** The first page that is needed for these lines and not there. */
  missing(from: number, to: number): number | null {
    for (let at = Math.max(from, 0); at < Math.min(to, this.total); at++) {
      if (!this.known.has(at)) return at - (at % PAGE);
    }
    return null;
  }

  all(): ConsoleLine[] {
    return [...this.known].sort(([a], [b]) => a - b).map(([, line]) => line);
  }

  get complete(): boolean {
    return this.known.size >= this.total;
  }
}
