/**
 * The curves of all charts of a report. They share one event stream for each x axis, for a browser opens only a few
 * connections to one host, and a report may have many charts.
 */
import { useQueryClient } from "@tanstack/react-query";
import { createContext, type ReactNode, useContext, useEffect, useState } from "react";
import { listen } from "../../api/live";
import { SeriesStore } from "../../charts/store";

interface Wish {
  store: SeriesStore;
  runs: readonly string[];
  keys: readonly string[];
  x: string;
}

const MOST_AXES = 3;
const GATHER_MS = 300;
const RENEW_MS = 1500;

class Hub {
  private wishes = new Set<Wish>();
  private stops: (() => void)[] = [];
  private timer: ReturnType<typeof setTimeout> | undefined;

  add(wish: Wish): () => void {
    this.wishes.add(wish);
    this.soon();
    return () => {
      this.wishes.delete(wish);
      this.soon();
    };
  }

  close(): void {
    clearTimeout(this.timer);
    for (const stop of this.stops) stop();
    this.stops = [];
  }

  private soon(): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.connect(), GATHER_MS);
  }

  private connect(): void {
    this.close();
    const axes = new Map<string, Wish[]>();
    for (const wish of this.wishes) axes.set(wish.x, [...(axes.get(wish.x) ?? []), wish]);
    for (const [x, wishes] of [...axes].slice(0, MOST_AXES)) {
      const runs = [...new Set(wishes.flatMap((wish) => wish.runs))];
      const keys = [...new Set(wishes.flatMap((wish) => wish.keys))];
      const attempts = new Map<string, number>();
      const ears = {
        rows: (news: Parameters<SeriesStore["add"]>[0]) => {
          for (const wish of wishes) if (wish.runs.includes(news.run)) wish.store.add(news);
        },
        run: (news: { id: string; attempt: number }) => {
          // A run that went back to an earlier step has to be read anew.
          if ((attempts.get(news.id) ?? news.attempt) < news.attempt) {
            for (const { store } of wishes) store.forget(news.id);
          }
          attempts.set(news.id, news.attempt);
        },
      };
      this.stops.push(listen({ runs, keys, x }, ears));
    }
  }
}

const Shared = createContext<Hub | null>(null);

/** Makes charts and tables inside of it live. */
export function LiveReport({ project, children }: { project: string; children: ReactNode }) {
  const [hub] = useState(() => new Hub());
  const queries = useQueryClient();
  useEffect(() => () => hub.close(), [hub]);
  // Whatever happens to a run may change which runs a block finds, and what its table says.
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const stop = listen(
      { project, runs: [], keys: [], x: "_step" },
      {
        run: () => {
          timer ??= setTimeout(() => {
            timer = undefined;
            void queries.invalidateQueries({ queryKey: ["report-block", project] });
          }, RENEW_MS);
        },
      },
    );
    return () => {
      clearTimeout(timer);
      stop();
    };
  }, [project, queries]);
  return <Shared.Provider value={hub}>{children}</Shared.Provider>;
}

export interface CurvesWish {
  runs: readonly string[];
  running: readonly string[];
  keys: readonly { key: string; x: string }[];
  range: [number, number] | null;
  logX: boolean;
}

/** A store that holds these curves, lengthened as their runs go on. */
export function useCurves({ runs, running, keys, range, logX }: CurvesWish): SeriesStore {
  const [store] = useState(() => new SeriesStore());
  const hub = useContext(Shared);
  useEffect(() => () => store.close(), [store]);
  const asked = JSON.stringify({ runs, keys, range, logX });
  useEffect(() => {
    const wish = JSON.parse(asked) as Omit<CurvesWish, "running">;
    store.want({
      runs: wish.runs,
      logX: wish.logX,
      keys: new Map(wish.keys.map(({ key, x }) => [key, x])),
      start: wish.range?.[0],
      // The server leaves the end out; the point under the right edge belongs to the picture.
      stop: wish.range ? wish.range[1] + Math.abs(wish.range[1]) * 1e-9 : undefined,
      width: wish.runs.length > 40 ? 400 : 800,
    });
  }, [store, asked]);
  const live = JSON.stringify({ running, keys });
  useEffect(() => {
    const wish = JSON.parse(live) as Pick<CurvesWish, "running" | "keys">;
    if (!hub || !wish.running.length || range) return;
    const axes = [...new Set(wish.keys.map(({ x }) => x))];
    const leave = axes.map((x) =>
      hub.add({ store, runs: wish.running, keys: wish.keys.filter((one) => one.x === x).map((one) => one.key), x }),
    );
    return () => {
      for (const stop of leave) stop();
    };
  }, [hub, store, live, range]);
  return store;
}
