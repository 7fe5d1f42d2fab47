/** Who ran what, when: one lane for each agent. */
import type { AgentRow, TrialRow } from "./types";

export interface Piece {
  trial: TrialRow;
  /** Shares of the whole time. */
  from: number;
  to: number;
}

export interface Lane {
  id: string;
  agent: AgentRow | undefined;
  pieces: Piece[];
}

export interface Lanes {
  lanes: Lane[];
  startUs: number;
  endUs: number;
}

/** Agents in the order in which they came; those with no trial any more are left out. */
export function lanesOf(trials: readonly TrialRow[], agents: readonly AgentRow[], nowUs: number): Lanes {
  const started = trials.filter((trial) => trial.started_us !== null && trial.agent);
  const startUs = Math.min(...started.map((trial) => trial.started_us ?? nowUs), nowUs);
  const running = started.some((trial) => trial.state === "running");
  const ends = started.map((trial) => trial.ended_us ?? 0);
  const endUs = Math.max(startUs + 1, ...ends, running ? nowUs : 0);
  const known = new Map(agents.map((agent) => [agent.id, agent]));
  const lanes = new Map<string, Lane>();
  for (const trial of [...started].sort((a, b) => (a.started_us ?? 0) - (b.started_us ?? 0))) {
    const lane = lanes.get(trial.agent) ?? { id: trial.agent, agent: known.get(trial.agent), pieces: [] };
    lanes.set(trial.agent, lane);
    const share = (us: number) => Math.min(Math.max((us - startUs) / (endUs - startUs), 0), 1);
    const end = trial.ended_us ?? (trial.state === "running" ? nowUs : (trial.started_us ?? nowUs));
    lane.pieces.push({ trial, from: share(trial.started_us ?? startUs), to: share(end) });
  }
  return { lanes: [...lanes.values()], startUs, endUs };
}
