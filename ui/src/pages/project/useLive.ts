/** What happens to the project's runs meanwhile, written into the table. */
import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef } from "react";
import { listen } from "../../api/live";
import type { RunsPage } from "../../api/types";
import { applyNews } from "../../table/useRuns";

const GATHER_MS = 400;
/** Groups are counted anew at most this often while runs go on. */
const COUNT_MS = 3000;

export function useLive(project: string): void {
  const queries = useQueryClient();
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  useEffect(() => {
    const renew = () => {
      clearTimeout(timer.current);
      timer.current = setTimeout(() => {
        for (const kind of ["runs", "columns", "metrics"])
          void queries.invalidateQueries({ queryKey: [kind, project] });
      }, GATHER_MS);
    };
    let counting: ReturnType<typeof setTimeout> | undefined;
    const recount = () => {
      counting ??= setTimeout(() => {
        counting = undefined;
        void queries.invalidateQueries({ queryKey: ["groups", project] });
      }, COUNT_MS);
    };
    // A run's first rows bring metrics that nobody has asked for yet.
    const keys = new Map<string, number>();
    const stop = listen(
      { project, runs: [], keys: [], x: "_step" },
      {
        // What was asked before the page's scripts ran may be older than what the stream begins with.
        hello: () => {
          const pages = queries.getQueriesData<RunsPage>({ queryKey: ["runs", project] });
          const runs = pages.flatMap(([, page]) => page?.runs ?? []);
          if (!runs.length || runs.some((run) => run.state === "running")) renew();
        },
        run: (news) => {
          const count = Object.keys(news.summary).length;
          const isNew = applyNews(queries, project, news);
          if (isNew || count > (keys.get(news.id) ?? 0)) renew();
          keys.set(news.id, count);
          recount();
        },
      },
    );
    return () => {
      clearTimeout(timer.current);
      clearTimeout(counting);
      stop();
    };
  }, [project, queries]);
}
