/** What happens meanwhile: the server's event stream. */
import { address } from "./client";
import type { State, Value } from "./types";

export interface RunNews {
  id: string;
  project: string;
  name: string;
  state: State;
  updated_us: number;
  ended_us: number | null;
  attempt: number;
  summary: Record<string, Value>;
}

export interface RowsNews {
  run: string;
  x: string;
  series: { key: string; rows: number[]; x: Value[]; values: Value[] }[];
}

export interface ConsoleNews {
  run: string;
  lines: { row: number; text: string; line: number }[];
}

export interface LiveWish {
  project?: string | undefined;
  runs: readonly string[];
  keys: readonly string[];
  x: string;
  console?: boolean;
}

export interface LiveEars {
  run?: (news: RunNews) => void;
  rows?: (news: RowsNews) => void;
  console?: (news: ConsoleNews) => void;
  /** The stream has begun; whatever is read from now on misses nothing. */
  hello?: () => void;
  connected?: (connected: boolean) => void;
}

/** Listen until the returned function is called; a lost connection comes back by itself where it was. */
export function listen(wish: LiveWish, ears: LiveEars): () => void {
  const source = new EventSource(
    address("/live", {
      project: wish.project,
      run: wish.runs,
      key: wish.keys,
      x: wish.x,
      console: wish.console,
    }),
  );
  const hear = <T>(name: string, ear: ((news: T) => void) | undefined) => {
    if (ear) source.addEventListener(name, (event) => ear(JSON.parse((event as MessageEvent<string>).data) as T));
  };
  hear("run", ears.run);
  hear("rows", ears.rows);
  hear("console", ears.console);
  source.addEventListener("hello", () => ears.hello?.());
  source.addEventListener("open", () => ears.connected?.(true));
  source.addEventListener("error", () => ears.connected?.(false));
  return () => source.close();
}
