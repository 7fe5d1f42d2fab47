/** Why a run ended badly: the exception first, its traceback folded below. */
import { UnstyledButton } from "@mantine/core";
import { useState } from "react";
import type { State, Value } from "../../../api/types";
import { Icon } from "../../../shell/Icons";
import { Copy } from "../parts";
import styles from "./Failure.module.css";

const WHY: Partial<Record<State, string>> = {
  lost: "The program was killed, or its machine went away: it ended without a word. What it had logged until then is kept.",
  interrupted: "Somebody stopped it: Ctrl-C, or a signal.",
  preempted: "The machine was taken away from it. It may go on in another attempt.",
};

export interface FailureText {
  type: string;
  message: string;
  traceback: string;
  step: number | null;
}

export function failureOf(value: Value): FailureText | null {
  if (value === null || typeof value !== "object" || Array.isArray(value)) return null;
  const text = (name: string) => (typeof value[name] === "string" ? value[name] : "");
  const step = typeof value.step === "number" ? value.step : null;
  const found = { type: text("type"), message: text("message"), traceback: text("traceback"), step };
  return found.type || found.message || found.traceback ? found : null;
}

export function Failure({ state, failure }: { state: State; failure: Value }) {
  const [open, setOpen] = useState(false);
  const found = failureOf(failure);
  const why = WHY[state];
  if (!found && !why) return null;
  return (
    <section className={styles.failure} aria-label="Why it ended" data-state={state}>
      <Icon name="warning" size={18} />
      <div className={styles.text}>
        {found ? (
          <p className={styles.message}>
            {found.type && <strong>{found.type}</strong>}
            {found.type && found.message && ": "}
            {found.message}
          </p>
        ) : (
          <p className={styles.message}>{why}</p>
        )}
        {found?.step != null && <p className={styles.step}>after step {found.step.toLocaleString("en")}</p>}
        {found && why && <p className={styles.step}>{why}</p>}
        {found?.traceback && (
          <>
            <div className={styles.bar}>
              <UnstyledButton className={styles.fold} aria-expanded={open} onClick={() => setOpen(!open)}>
                <Icon name={open ? "chevronDown" : "chevronRight"} size={13} /> Traceback
              </UnstyledButton>
              <Copy text={found.traceback} label="Copy the traceback" />
            </div>
            {open && (
              <pre className={styles.trace} tabIndex={0}>
                {found.traceback}
              </pre>
            )}
          </>
        )}
      </div>
    </section>
  );
}
