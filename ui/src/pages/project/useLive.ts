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
    const stop = listen(
      { project, runs: [], keys: [], x: "_step" },
      {
        run: (news) => {
          if (applyNews(queries, project, news)) renew();
        },
      },
    );
    return () => {
      clearTimeout(timer.current);
      stop();
    };
  }, [project, queries]);
}
