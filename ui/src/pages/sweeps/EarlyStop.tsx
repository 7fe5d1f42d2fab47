/** How early stopping did: what it ended, and how often it was wrong, as those that were let run on tell. */
import { asText } from "../../api/values";
import { Facts, Panel } from "../run/parts";
import styles from "./SweepPage.module.css";
import type { SweepDetail, Trials } from "./types";

export function EarlyStop({ sweep, found }: { sweep: SweepDetail; found: Trials }) {
  const { stopped, audited, wrong, told, held } = found.audit;
  const rule = sweep.early_stop;
  const keys = rule !== null && typeof rule === "object" && !Array.isArray(rule) ? Object.entries(rule) : [];
  const running = found.trials.filter((trial) => trial.audited && trial.state === "running").length;
  return (
    <Panel title="Early stopping" note={keys.map(([key, value]) => `${key}: ${asText(value)}`).join(", ")}>
      <Facts
        facts={[
          ["Stopped", `${stopped} of ${found.trials.length} trials`],
          ["Let run on", audited || running ? `${audited} ended${running ? `, ${running} run` : ""}` : "none"],
          [
            "Wrong",
            audited ? (
              <strong key="wrong" className={wrong ? styles.wrong : styles.right}>
                {wrong} of {audited}
                {wrong === 0 && ": none of them came to the share that the rule keeps"}
              </strong>
            ) : undefined,
          ],
          ["Predictions", told ? `${held} of ${told} ended within their interval (nine of ten should)` : undefined],
        ]}
      />
      {audited === 0 && (
        <p className={styles.means}>
          <code>audit: 0.1</code> in <code>early_terminate</code> lets a tenth of those to be stopped run on, and so
          tells how often the rule is wrong.
        </p>
      )}
    </Panel>
  );
}
