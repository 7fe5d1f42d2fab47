/** What the server tells of sweeps; `/api/v1/openapi.json` says more. Times are microseconds since 1970. */
import type { Value } from "../../api/types";

export type SweepState = "running" | "paused" | "stopped" | "cancelled" | "finished";
export type TrialState = "waiting" | "running" | "finished" | "stopped" | "failed" | "cancelled";
export type Action = "pause" | "resume" | "stop" | "cancel";

export interface Finding {
  line: number;
  column: number;
  path: string;
  message: string;
  fix: string;
}

export interface AxisRow {
  name: string;
  kind: "choice" | "int" | "float";
  distribution: string;
  log: boolean;
  low: number | null;
  high: number | null;
  values: Value[] | null;
}

export interface Goal {
  name: string;
  goal: "minimize" | "maximize";
  target: Value;
}

export interface SweepRow {
  id: string;
  project: string;
  name: string;
  description: string | null;
  state: SweepState;
  reason: string;
  method: string;
  metrics: Goal[];
  run_cap: number | null;
  created_us: number;
  revision: number;
  trials: number;
  states: Partial<Record<TrialState, number>>;
  best: Value;
  best_trial: number | null;
  best_run: string | null;
  actions: Action[];
}

export interface AgentRow {
  id: string;
  host: string;
  pid: number;
  lease_s: number;
  trials: number;
  trial: number | null;
  lease_until_us: number | null;
  alive: boolean;
}

export interface SweepDetail extends SweepRow {
  source: string;
  config: Value;
  warnings: Finding[];
  axes: AxisRow[];
  early_stop: Value;
  agents: AgentRow[];
}

export interface Prediction {
  value: Value;
  low: Value;
  high: Value;
  count: number;
  reason: string;
  wrong: boolean | null;
}

export interface TrialRow {
  number: number;
  state: TrialState;
  run_id: string;
  attempt: number;
  agent: string;
  point: Record<string, Value>;
  origin: string;
  values: Value[] | null;
  constraints: Value[] | null;
  created_us: number;
  started_us: number | null;
  ended_us: number | null;
  count: number;
  last: Value;
  audited: boolean;
  prediction: Prediction | null;
  failure: string | null;
  deaths: number;
  revision: number;
}

export interface Audit {
  stopped: number;
  audited: number;
  wrong: number;
  told: number;
  held: number;
}

export interface Trials {
  revision: number;
  state: SweepState;
  trials: TrialRow[];
  front: number[];
  audit: Audit;
}

export interface Checked {
  errors: Finding[];
  warnings: Finding[];
  config: Value;
  axes: AxisRow[];
  points: number | null;
}

export interface ImportanceAnswer {
  metric: string;
  evaluator: string;
  trials: number;
  reason: string;
  importances: { parameter: string; importance: number }[];
  correlations: {
    parameter: string;
    value: Value;
    pearson: number | null;
    spearman: number | null;
    trials: number;
  }[];
}
