/** A sweep and its trials, kept up to date: only trials that have changed are read again. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { get, send } from "../../api/client";
import { listen } from "../../api/live";
import { merged } from "./trials";
import type { Action, Checked, ImportanceAnswer, SweepDetail, SweepRow, Trials } from "./types";

const path = (id: string) => `/sweeps/${encodeURIComponent(id)}`;

/** News of runs come by themselves; what no run tells (a trial that waits, a lease that ran out) is asked for. */
const ASK_MS = 4000;
const GATHER_MS = 300;

export function useSweeps(project: string) {
  return useQuery({
    queryKey: ["sweeps", project],
    queryFn: ({ signal }) => get<{ sweeps: SweepRow[]; total: number }>("/sweeps", { project, limit: 500 }, signal),
    refetchInterval: ASK_MS,
  });
}

export function useSweep(id: string, enabled = true) {
  return useQuery({
    enabled,
    queryKey: ["sweep", id],
    queryFn: ({ signal }) => get<SweepDetail>(path(id), {}, signal),
    refetchInterval: ({ state }) => (isOver(state.data) ? false : ASK_MS),
  });
}

function isOver(sweep: SweepDetail | undefined): boolean {
  if (!sweep || sweep.state === "running" || sweep.state === "paused") return false;
  return !sweep.states.running;
}

export function useTrials(id: string) {
  const queries = useQueryClient();
  return useQuery({
    queryKey: ["trials", id],
    queryFn: async ({ signal }) => {
      const known = queries.getQueryData<Trials>(["trials", id]);
      const news = await get<Trials>(`${path(id)}/trials`, { after: known?.revision ?? -1 }, signal);
      return merged(known, news);
    },
    structuralSharing: false, // trials that have not changed are the same objects already
    refetchInterval: () => (isOver(queries.getQueryData(["sweep", id])) ? false : ASK_MS),
  });
}

/** Ask at once when news of the project's runs come. Returns nothing: the queries above hold what is known. */
export function useSweepNews(project: string | undefined, keys: readonly string[], id = ""): void {
  const queries = useQueryClient();
  const names = keys.join();
  useEffect(() => {
    if (project === undefined) return;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const stop = listen(
      { project, runs: [], keys: [], x: "_step" },
      {
        run: () => {
          timer ??= setTimeout(() => {
            timer = undefined;
            for (const name of names.split(",")) void queries.invalidateQueries({ queryKey: [name, id || project] });
          }, GATHER_MS);
        },
      },
    );
    return () => {
      clearTimeout(timer);
      stop();
    };
  }, [project, id, names, queries]);
}

export function useAction(id: string) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (action: Action) => send<SweepDetail>("POST", `${path(id)}/state`, { action }),
    onSuccess: (sweep) => {
      queries.setQueryData(["sweep", id], sweep);
      void queries.invalidateQueries({ queryKey: ["trials", id] });
    },
  });
}

export function useImportance(id: string, evaluator: string, metric: string, ended: number) {
  // Each answer costs a forest: ask again when a tenth more trials have ended.
  const grown = ended < 20 ? ended : Math.round(20 * 1.1 ** Math.floor(Math.log(ended / 20) / Math.log(1.1)));
  return useQuery({
    queryKey: ["importance", id, evaluator, metric, grown],
    queryFn: ({ signal }) => get<ImportanceAnswer>(`${path(id)}/importance`, { evaluator, metric }, signal),
    placeholderData: (before) => before,
    staleTime: Number.POSITIVE_INFINITY,
  });
}

export function checkText(source: string): Promise<Checked> {
  return send<Checked>("POST", "/sweeps/check", { source });
}

/** The time, which goes on while something runs; microseconds since 1970. */
export function useNow(running: boolean): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    if (!running) return;
    setNow(Date.now());
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, [running]);
  return now * 1000;
}
