/** The metrics of runs, as the server lists them. */
import { send } from "./client";

export interface Metric {
  key: string;
  numeric: boolean;
  kinds: string[];
  runs: number;
  points: number;
  x: string | null;
  hidden: boolean;
}

export function metricsOf(project: string, runs: readonly string[]) {
  return {
    queryKey: ["metrics", project, [...runs].sort().join()],
    queryFn: () => send<Metric[]>("POST", "/metrics", { runs }),
  };
}
