/** Curves: one question for a whole wall of charts, answered with arrays. */
import { address, ask } from "./client";

export interface SeriesQuestion {
  runs: string[];
  keys: string[];
  x: string;
  start?: number | undefined;
  stop?: number | undefined;
  /** Pixels; of each the smallest and the largest value come back. */
  width: number;
  stream?: "history" | "system";
  /** The x axis is logarithmic: its left has more of the points. */
  log_x?: boolean;
}

export interface Series {
  run: string;
  key: string;
  kind: string | null;
  /** How many points there are; `values` may be fewer, and holds every extreme of them. */
  total: number;
  withoutX: number;
  lastRow: number | null;
  error: string | null;
  x: Float64Array;
  values: Float64Array;
}

interface Head {
  run: string;
  key: string;
  kind: string | null;
  total: number;
  without_x?: number;
  last_row?: number | null;
  error?: string;
  points: number;
  at: number;
}

export async function readSeries(question: SeriesQuestion, signal?: AbortSignal): Promise<Series[]> {
  const answer = await ask(address("/series"), {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(question),
    ...(signal ? { signal } : {}),
  });
  return unpackSeries(await answer.arrayBuffer());
}

/** Four bytes length of the head, four zero bytes, the head as JSON, then float64, all little endian. */
export function unpackSeries(bytes: ArrayBuffer): Series[] {
  const length = new DataView(bytes).getUint32(0, true);
  const head = JSON.parse(new TextDecoder().decode(new Uint8Array(bytes, 8, length))) as { series: Head[] };
  const start = 8 + length;
  return head.series.map((one) => ({
    run: one.run,
    key: one.key,
    kind: one.kind,
    total: one.total,
    withoutX: one.without_x ?? 0,
    lastRow: one.last_row ?? null,
    error: one.error ?? null,
    x: new Float64Array(bytes, start + 8 * one.at, one.points),
    values: new Float64Array(bytes, start + 8 * (one.at + one.points), one.points),
  }));
}
