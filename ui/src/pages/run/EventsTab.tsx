/** What happened to the run: alerts, notes of the program, treering's own. */
import { SegmentedControl } from "@mantine/core";
import { useState } from "react";
import type { RunDetail, Value } from "../../api/types";
import { asText } from "../../api/values";
import { exact } from "../../format/time";
import notice from "../../shell/Notice.module.css";
import { Trouble } from "../../shell/Trouble";
import styles from "./EventsTab.module.css";
import { Empty } from "./parts";
import { useOfRun } from "./useRun";

export interface EventRow {
  kind: string;
  message: string;
  level: string;
  step: number | null;
  time_us: number;
  fields: Value;
}

const WEIGHT: Record<string, number> = { debug: 0, info: 1, warn: 2, warning: 2, error: 3 };

export function EventsTab({ run }: { run: RunDetail }) {
  const { data, error } = useOfRun<EventRow[]>(run.id, "events");
  const [least, setLeast] = useState("info");
  if (error && !data) return <Trouble error={error} />;
  if (!data) return null;
  if (!data.length) {
    return (
      <Empty title="Nothing has happened yet">
        <p>Alerts, warnings of treering and what the program notes itself stand here:</p>
        <pre>run.log_event("schedule", "learning rate halved", lr=5e-4)</pre>
      </Empty>
    );
  }
  const numbered = data.map((event, at) => ({ ...event, id: at }));
  const shown = numbered.filter((event) => (WEIGHT[event.level] ?? 1) >= (WEIGHT[least] ?? 0)).reverse();
  return (
    <div className={styles.page}>
      <div className={styles.bar}>
        <SegmentedControl
          size="xs"
          aria-label="Least level"
          value={least}
          onChange={setLeast}
          data={[
            { value: "info", label: "All" },
            { value: "warn", label: "Warnings" },
            { value: "error", label: "Errors" },
          ]}
        />
        <span className={styles.count}>
          {shown.length} of {data.length}, the newest first
        </span>
      </div>
      <ol className={styles.list}>
        {shown.map((event) => (
          <Event key={event.id} event={event} />
        ))}
      </ol>
    </div>
  );
}

function Event({ event }: { event: EventRow }) {
  const fields = Object.entries((event.fields ?? {}) as Record<string, Value>);
  return (
    <li className={notice.notice} data-level={event.level}>
      <span className={notice.level}>{event.level}</span>
      <div className={notice.words}>
        <div className={notice.text}>{event.message}</div>
        <div className={notice.meta}>
          <code>{event.kind}</code>
          {event.step !== null && <span>step {event.step.toLocaleString("en")}</span>}
          <time>{exact(event.time_us)}</time>
        </div>
        {fields.length > 0 && (
          <dl className={styles.fields}>
            {fields.map(([name, value]) => (
              <div key={name}>
                <dt>{name}</dt>
                <dd>{asText(value)}</dd>
              </div>
            ))}
          </dl>
        )}
      </div>
    </li>
  );
}
