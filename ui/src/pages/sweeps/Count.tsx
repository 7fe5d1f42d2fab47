/** How many trials there are, and what became of them. */
import styles from "./SweepPage.module.css";
import type { SweepRow, TrialState } from "./types";

const SHOWN: readonly TrialState[] = ["running", "waiting", "stopped", "failed", "cancelled"];

export function Count({ sweep }: { sweep: SweepRow }) {
  const parts = SHOWN.filter((state) => sweep.states[state]).map((state) => `${sweep.states[state]} ${state}`);
  return (
    <span>
      {sweep.trials}
      {sweep.run_cap !== null && ` of ${sweep.run_cap}`}
      {parts.length > 0 && <span className={styles.dim}> ({parts.join(", ")})</span>}
    </span>
  );
}
