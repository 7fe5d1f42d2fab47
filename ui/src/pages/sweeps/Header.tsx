/** What a sweep is and how it stands, and the buttons that steer it. */
import { Button, Modal } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { asNumber } from "../../api/values";
import { short } from "../../format/numbers";
import { ago, exact } from "../../format/time";
import { segment } from "../../shell/links";
import { Commands } from "./Commands";
import { Count } from "./Count";
import styles from "./Header.module.css";
import { arrow, Badge, better } from "./parts";
import type { Action, SweepDetail } from "./types";
import { useAction } from "./useSweep";

const WORDS: Record<Action, string> = { pause: "Pause", resume: "Resume", stop: "Stop", cancel: "Cancel" };
const MEANS: Record<Action, string> = {
  pause: "No new trials until it is resumed; those that run go on",
  resume: "Go on with new trials",
  stop: "No new trials; those that run go on to their end",
  cancel: "No new trials, and those that run are ended now",
};

export function Header({ sweep }: { sweep: SweepDetail }) {
  const [starting, setStarting] = useState(false);
  return (
    <header className={styles.header}>
      <div className={styles.line}>
        <h1 className={styles.name} title={sweep.name}>
          {sweep.name}
        </h1>
        <Badge state={sweep.state} />
        <Actions sweep={sweep} onStart={() => setStarting(true)} />
      </div>
      {sweep.description && <p className={styles.text}>{sweep.description}</p>}
      <dl className={styles.facts}>
        <Fact name={sweep.metrics.length > 1 ? "Metrics" : "Metric"}>
          {sweep.metrics.map((goal) => (
            <span key={goal.name} title={better(goal.goal)}>
              {goal.name}{" "}
              <span role="img" aria-label={better(goal.goal)}>
                {arrow(goal.goal)}
              </span>{" "}
            </span>
          ))}
          {!sweep.metrics.length && "none"}
        </Fact>
        {sweep.best_trial !== null && (
          <Fact name="Best so far">
            <strong>{short(asNumber(sweep.best) ?? Number.NaN, 5)}</strong> in trial {sweep.best_trial}
          </Fact>
        )}
        <Fact name="Trials">
          <Count sweep={sweep} />
        </Fact>
        <Fact name="Method">{sweep.method}</Fact>
        <Fact name="Made">
          <span title={exact(sweep.created_us)}>{ago(sweep.created_us)}</span>
        </Fact>
        {sweep.reason && <Fact name="Ended">{sweep.reason}</Fact>}
      </dl>
      <Modal opened={starting} onClose={() => setStarting(false)} title="Start agents" size="lg">
        <Commands id={sweep.id} />
      </Modal>
    </header>
  );
}

function Fact({ name, children }: { name: string; children: React.ReactNode }) {
  return (
    <div className={styles.fact}>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

function Actions({ sweep, onStart }: { sweep: SweepDetail; onStart: () => void }) {
  const act = useAction(sweep.id);
  const [sure, setSure] = useState(false);
  const canStart = sweep.state === "running" || sweep.state === "paused";
  const press = (action: Action) => (action === "cancel" ? setSure(true) : act.mutate(action));
  return (
    <div className={styles.actions}>
      {canStart && (
        <Button size="compact-sm" onClick={onStart}>
          Start agents
        </Button>
      )}
      {sweep.actions.map((action) => (
        <Button
          key={action}
          size="compact-sm"
          variant="default"
          title={MEANS[action]}
          loading={act.isPending && act.variables === action}
          onClick={() => press(action)}
        >
          {WORDS[action]}
        </Button>
      ))}
      <Button
        size="compact-sm"
        variant="default"
        renderRoot={(props) => (
          <Link
            to="/$project/sweeps"
            params={{ project: segment(sweep.project) }}
            search={{ new: "1", from: sweep.id } as never}
            {...props}
          />
        )}
      >
        Clone and edit
      </Button>
      {act.error && (
        <span className={styles.wrong} role="alert">
          {act.error.message}
        </span>
      )}
      <Modal opened={sure} onClose={() => setSure(false)} title="Cancel this sweep?">
        <p className={styles.text}>
          {sweep.states.running ? `${sweep.states.running} trials that run are ended now. ` : ""}A cancelled sweep
          cannot be resumed; what it found stays.
        </p>
        <div className={styles.sure}>
          <Button variant="default" size="xs" data-autofocus onClick={() => setSure(false)}>
            Keep it
          </Button>
          <Button
            color="red"
            autoContrast
            size="xs"
            onClick={() => {
              setSure(false);
              act.mutate("cancel");
            }}
          >
            Cancel the sweep
          </Button>
        </div>
      </Modal>
    </div>
  );
}
