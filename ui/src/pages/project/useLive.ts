/** What happens to the project's runs meanwhile, written into the table. */
import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef } from "react";
import { listen } from "../../api/live";
import { applyNews } from "../../table/useRuns";

const GATHER_MS = 400;

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
    // A run's first rows bring metrics that nobody has asked for yet.
    const keys = new Map<string, number>();
    const stop = listen(
      { project, runs: [], keys: [], x: "_step" },
      {
        run: (news) => {
          const count = Object.keys(news.summary).length;
          const isNew = applyNews(queries, project, news);
          if (isNew || count > (keys.get(news.id) ?? 0)) renew();
          keys.set(news.id, count);
        },
      },
    );
    return () => {
      clearTimeout(timer.current);
      stop();
    };
  }, [project, queries]);
}
