/** Who ran what, when. */

import { places, placeText } from "../../charts/ticks";
import { things } from "../../format/numbers";
import { duration } from "../../format/time";
import type { Dim } from "./dims";
import { type Lane, lanesOf } from "./lanes";
import type { Choice } from "./scatter";
import styles from "./Timeline.module.css";
import { tipOf } from "./tip";
import type { AgentRow, TrialRow } from "./types";

interface Props {
  trials: readonly TrialRow[];
  agents: readonly AgentRow[];
  dims: readonly Dim[];
  nowUs: number;
  choice: Choice;
}

export function Timeline({ trials, agents, dims, nowUs, choice }: Props) {
  const { lanes, startUs, endUs } = lanesOf(trials, agents, nowUs);
  const whole = (endUs - startUs) / 1e6;
  const ticks = places(0, whole, 8, { log: false, spans: true }).filter((tick) => tick <= whole * 0.97);
  return (
    <div className={styles.timeline}>
      {lanes.map((lane) => (
        <div key={lane.id} className={styles.lane}>
          <div className={styles.who}>
            <span className="cut" title={lane.id}>
              {lane.agent ? `${lane.agent.host || "agent"}:${lane.agent.pid}` : lane.id}
            </span>
            <span className={styles.doing}>{doing(lane, nowUs)}</span>
          </div>
          <div className={styles.track}>
            {lane.pieces.map(({ trial, from, to }) => (
              <button
                key={trial.number}
                type="button"
                tabIndex={-1}
                className={styles.piece}
                data-state={trial.state}
                data-pale={!choice.inside.has(trial.number) || undefined}
                data-chosen={trial.number === choice.chosen || undefined}
                style={{ left: `${100 * from}%`, width: `max(3px, calc(${100 * (to - from)}% - 1px))` }}
                aria-label={`Trial ${trial.number}, ${trial.state}`}
                title={titleOf(trial, dims)}
                onClick={() => choice.onChoose(trial.number)}
              >
                {(to - from) * 900 > 26 ? trial.number : ""}
              </button>
            ))}
          </div>
        </div>
      ))}
      <div className={styles.axis} aria-hidden="true">
        {ticks.map((tick) => (
          <span key={tick} style={{ left: `${(100 * tick) / whole}%` }}>
            {placeText(tick, "seconds")}
          </span>
        ))}
      </div>
    </div>
  );
}

function doing({ agent, pieces }: Lane, nowUs: number): string {
  const count = things(pieces.length, "trial");
  if (!agent || agent.trial === null || agent.lease_until_us === null) return count;
  const left = (agent.lease_until_us - nowUs) / 1e6;
  return left > 0 ? `${count}, runs ${agent.trial}` : `silent since ${duration(-left + agent.lease_s)}`;
}

function titleOf(trial: TrialRow, dims: readonly Dim[]): string {
  const { head, rows } = tipOf(trial, dims);
  const died = trial.deaths ? [`${trial.deaths} agents died over it`] : [];
  return [head, ...rows.map(([name, value]) => `${name}: ${value}`), ...died].join("\n");
}
