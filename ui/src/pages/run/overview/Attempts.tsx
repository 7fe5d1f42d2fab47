/** Starts and ends of a run on one line of time, and which attempt took over from which step. */
import type { AttemptRow, RunDetail } from "../../../api/types";
import { duration, exact } from "../../../format/time";
import { Panel, StateBadge } from "../parts";
import { failureOf } from "./Failure";
import styles from "./Overview.module.css";

export function Attempts({ run }: { run: RunDetail }) {
  const { attempts } = run;
  const first = Math.min(...attempts.map((one) => one.started_us));
  const last = Math.max(...attempts.map((one) => one.ended_us ?? run.updated_us), first + 1);
  return (
    <Panel title="Attempts" note={attempts.length > 1 ? "a later one replaces what it does again" : undefined} flush>
      <ol className={styles.attempts}>
        {attempts.map((one, at) => (
          <Attempt key={one.number} one={one} next={attempts[at + 1]} first={first} last={last} now={run.updated_us} />
        ))}
      </ol>
    </Panel>
  );
}

interface Props {
  one: AttemptRow;
  next: AttemptRow | undefined;
  first: number;
  last: number;
  now: number;
}

function Attempt({ one, next, first, last, now }: Props) {
  const end = one.ended_us ?? now;
  const share = (time: number) => (100 * (time - first)) / (last - first);
  const failure = failureOf(one.failure);
  const words = [
    one.from_step !== null && `from step ${one.from_step.toLocaleString("en")}`,
    duration((end - one.started_us) / 1e6),
    one.dropped_rows > 0 && `${one.dropped_rows.toLocaleString("en")} rows were lost`,
    next?.from_step != null &&
      `attempt ${next.number} replaced what came after step ${next.from_step.toLocaleString("en")}`,
  ].filter((word) => typeof word === "string");
  return (
    <li className={styles.attempt}>
      <span className={styles.number}>{one.number}</span>
      <StateBadge state={one.state} />
      <div className={styles.when}>
        <div className={styles.track} aria-hidden="true">
          <span
            className={styles.bar}
            data-state={one.state}
            style={{
              left: `${share(one.started_us)}%`,
              width: `${Math.max(share(end) - share(one.started_us), 0.8)}%`,
            }}
          />
        </div>
        <div className={styles.words}>
          <time>{exact(one.started_us)}</time> · {words.join(" · ")}
        </div>
        {failure && (
          <div className={styles.words}>
            {failure.type}
            {failure.type && failure.message && ": "}
            {failure.message}
          </div>
        )}
      </div>
    </li>
  );
}
