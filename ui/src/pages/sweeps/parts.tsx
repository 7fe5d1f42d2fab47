/** Small pieces of the pages of sweeps. */
import styles from "./SweepPage.module.css";
import type { Goal, SweepState, TrialState } from "./types";

const SIGNS: Record<SweepState | TrialState, string> = {
  running: "▶",
  waiting: "…",
  paused: "❚❚",
  stopped: "▲",
  cancelled: "■",
  failed: "✕",
  finished: "✓",
};

export function Badge({ state }: { state: SweepState | TrialState }) {
  return (
    <span className={styles.badge} data-state={state}>
      <span aria-hidden="true">{SIGNS[state]}</span> {state}
    </span>
  );
}

export const better = (goal: Goal["goal"]): string => (goal === "minimize" ? "less is better" : "more is better");
export const arrow = (goal: Goal["goal"]): string => (goal === "minimize" ? "↓" : "↑");

export interface AgentWish {
  id: string;
  count?: number | undefined;
  entity?: string | undefined;
  apiKey?: string | undefined;
}

/** Words that a shell takes as they are need no quotes. */
export function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'"'"'`)}'`;
}

/** What to type to have trials run; on a server's page also where that is, and who asks. */
export function agentCommand({ id, count, entity, apiKey }: AgentWish, origin = ""): string {
  const words = ["treering", "agent", id];
  if (count) words.push("--count", String(count));
  if (entity) words.push("--entity", entity);
  if (origin) words.push("--url", origin);
  const key = apiKey ? `TREERING_API_KEY=${quoted(apiKey)} ` : "";
  return key + words.map(quoted).join(" ");
}

/** The server's address, for agents elsewhere; "" where the page comes from this very machine. */
export function originForAgents(): string {
  const { hostname, origin } = window.location;
  return /^(localhost|127\.[\d.]+|\[::1\])$/.test(hostname) ? "" : origin;
}
