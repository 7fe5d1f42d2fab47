/** What the server answers; `docs/server.md` and `/api/v1/openapi.json` say more. Times are microseconds since 1970. */

/** A value as JSON can hold it: what it has no word for is an object whose first key begins with a dollar sign. */
export type Value = string | number | boolean | null | Value[] | { [key: string]: Value };

export type State = "running" | "finished" | "failed" | "interrupted" | "preempted" | "lost";

export interface Project {
  name: string;
  runs: number;
  running: number;
  changed_us: number;
}

export interface RunRow {
  id: string;
  project: string;
  name: string;
  state: State;
  created_us: number;
  updated_us: number;
  ended_us: number | null;
  duration_s: number;
  attempt: number;
  group: string | null;
  job_type: string | null;
  notes: string | null;
  parent_id: string | null;
  parent_step: number | null;
  tags: string[];
  /** Of its lines, on white; null where nobody has chosen one. */
  colour: string | null;
  values: Record<string, Value>;
}

/** A field over the runs of a group. */
export interface Spread {
  mean: Value;
  min: Value;
  max: Value;
  std: Value;
  /** Runs in which it is a number, and runs that have it at all. */
  numbers: number;
  count: number;
  first: string | null;
  last: string | null;
}

export interface GroupRow {
  keys: { field: string; value: Value; condition: string }[];
  runs: number;
  states: Record<string, number>;
  newest_us: number;
  values: Record<string, Spread>;
  members: RunRow[];
}

export interface GroupsPage {
  groups: GroupRow[];
  total: number;
  runs: number;
}

export interface SavedView {
  id: string;
  project: string;
  name: string;
  search: string;
  is_default: boolean;
  revision: number;
  updated_us: number;
}

export interface RunsPage {
  runs: RunRow[];
  next: string | null;
  total: number | null;
}

export interface MetricRow {
  key: string;
  kind: string;
  count: number;
  first: Value;
  last: Value;
  min: Value;
  max: Value;
  mean: Value;
  nan: number;
  x: string | null;
  summary: string[];
  goal: string | null;
  hidden: boolean;
}

export interface AttemptRow {
  number: number;
  state: State;
  started_us: number;
  ended_us: number | null;
  from_step: number | null;
  first_row: number;
  failure: Value;
  config_changes: Value;
  process: Value;
  dropped_rows: number;
}

export interface RunDetail extends RunRow {
  config: Value;
  summary: Value;
  failure: Value;
  attempts: AttemptRow[];
  metrics: MetricRow[];
  system: MetricRow[];
}
