/** One run, kept up to date by the event stream. */
import { type QueryClient, useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { get } from "../../api/client";
import { listen, type RunNews } from "../../api/live";
import type { RunDetail, Value } from "../../api/types";

export function useRun(id: string) {
  return useQuery({
    queryKey: ["run", id],
    queryFn: ({ signal }) => get<RunDetail>(`/runs/${encodeURIComponent(id)}`, {}, signal),
  });
}

/** Something below a run that changes while it goes on; read anew when news of the run come. */
export function useOfRun<T>(id: string, what: string, query: Record<string, string | number | string[]> = {}) {
  return useQuery({
    queryKey: ["of-run", id, what, JSON.stringify(query)],
    queryFn: ({ signal }) => get<T>(`/runs/${encodeURIComponent(id)}/${what}`, query, signal),
    placeholderData: (before) => before,
  });
}

const GATHER_MS = 1500;

/** Listen to a run while its page is shown; returns whether the stream is connected. */
export function useRunNews(id: string, project: string | undefined): boolean {
  const queries = useQueryClient();
  const [connected, setConnected] = useState(true);
  useEffect(() => {
    if (project === undefined) return;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const stop = listen(
      { project, runs: [], keys: [], x: "_step" },
      {
        connected: setConnected,
        run: (news) => {
          if (news.id !== id) return;
          apply(queries, news);
          timer ??= setTimeout(() => {
            timer = undefined;
            void queries.invalidateQueries({ queryKey: ["run", id] });
            void queries.invalidateQueries({ queryKey: ["of-run", id] });
          }, GATHER_MS);
        },
      },
    );
    return () => {
      clearTimeout(timer);
      stop();
    };
  }, [id, project, queries]);
  return connected;
}

function apply(queries: QueryClient, news: RunNews): void {
  queries.setQueryData<RunDetail>(["run", news.id], (before) => {
    if (!before) return before;
    const known = typeof before.summary === "object" && before.summary !== null ? before.summary : {};
    const { name, state, updated_us, ended_us, attempt } = news;
    const summary: Value = { ...(known as Record<string, Value>), ...news.summary };
    return { ...before, name, state, updated_us, ended_us, attempt, summary };
  });
}

/** Seconds that a run has taken; goes on while it does. */
export function useDuration(run: RunDetail): number {
  const [now, setNow] = useState(Date.now);
  const running = run.state === "running";
  useEffect(() => {
    if (!running) return;
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, [running]);
  const live = (now * 1000 - run.created_us) / 1e6;
  return running && live > run.duration_s ? live : run.duration_s;
}
