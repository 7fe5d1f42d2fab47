/** Words in names, and which states are shown. */
import { TextInput } from "@mantine/core";
import type { RunRow } from "../api/types";
import { Icon } from "../shell/Icons";
import { Later } from "../shell/Later";
import { useTyped } from "../state/useTyped";
import type { SetView, View } from "../state/view";
import styles from "./QuickBar.module.css";
import table from "./RunsTable.module.css";

const WAIT_MS = 200;
const ORDER = ["running", "finished", "failed", "interrupted", "preempted", "lost"];
const LOOKS: Record<string, string | undefined> = table;

interface Props {
  view: View;
  setView: SetView;
  /** Runs in each state. */
  states: Readonly<Record<string, number>>;
  /** The run that others are compared with. */
  baseline: RunRow | undefined;
}

export function QuickBar({ view, setView, states, baseline }: Props) {
  const shown = ORDER.filter((state) => states[state] || view.states.has(state));
  const toggle = (state: string) => {
    const next = new Set(view.states);
    if (!next.delete(state)) next.add(state);
    setView({ states: next });
  };
  return (
    <div className={styles.bar}>
      <Later room={<span className={`${styles.find} field-room`} />}>
        {() => <Find value={view.find} onChange={(find) => setView({ find })} />}
      </Later>
      {(shown.length > 1 || view.states.size > 0) && (
        <fieldset className={styles.states} aria-label="States">
          {shown.map((state) => (
            <button
              key={state}
              type="button"
              className={`${styles.chip} ${LOOKS[state] ?? ""}`}
              aria-pressed={view.states.has(state)}
              title={view.states.has(state) ? "Show other states, too" : `Only ${state} runs`}
              onClick={() => toggle(state)}
            >
              <span className={table.dot} />
              {state} <span className={styles.count}>{(states[state] ?? 0).toLocaleString("en")}</span>
            </button>
          ))}
        </fieldset>
      )}
      {baseline && (
        <button
          type="button"
          className={`${styles.chip} ${styles.baseline}`}
          title="Each result has its difference in %; a click takes that away"
          aria-label={`Compared with ${baseline.name}: stop that`}
          onClick={() => setView({ baseline: null })}
        >
          <Icon name="compare" size={12} />
          <span className="cut">compared with {baseline.name}</span>
          <Icon name="close" size={12} />
        </button>
      )}
    </div>
  );
}

function Find({ value, onChange }: { value: string; onChange: (text: string) => void }) {
  const { text, write } = useTyped(value, onChange, WAIT_MS);
  return (
    <TextInput
      className={styles.find ?? ""}
      size="xs"
      aria-label="Find runs by name"
      placeholder="Find by name"
      leftSection={<Icon name="search" size={13} />}
      value={text}
      spellCheck={false}
      onChange={(event) => write(event.currentTarget.value)}
    />
  );
}
