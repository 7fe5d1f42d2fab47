/** The runs of the page, with what was recorded around them. */
import { useQueries } from "@tanstack/react-query";
import { get } from "../../api/client";
import type { RunDetail } from "../../api/types";
import type { Capture } from "../run/overview/reproduce";

export const MOST_RUNS = 20;

export interface Compared {
  runs: RunDetail[];
  captures: (Capture | undefined)[];
  /** Runs that are not there, such as deleted ones. */
  missing: string[];
  error: Error | null;
  loading: boolean;
}

export function useCompared(ids: readonly string[]): Compared {
  const details = useQueries({
    queries: ids.map((id) => ({
      queryKey: ["run", id],
      queryFn: ({ signal }: { signal: AbortSignal }) => get<RunDetail>(`/runs/${encodeURIComponent(id)}`, {}, signal),
    })),
  });
  const captures = useQueries({
    queries: ids.map((id) => ({
      queryKey: ["of-run", id, "capture", "{}"],
      queryFn: ({ signal }: { signal: AbortSignal }) =>
        get<Capture>(`/runs/${encodeURIComponent(id)}/capture`, {}, signal),
    })),
  });
  const found = ids.flatMap((_, at) => (details[at]?.data ? [at] : []));
  return {
    runs: found.map((at) => details[at]?.data as RunDetail),
    captures: found.map((at) => captures[at]?.data),
    missing: ids.filter((_, at) => details[at]?.error),
    error: details.find((one) => one.error)?.error ?? null,
    loading: details.some((one) => one.isLoading),
  };
}
