/** Pieces that the tabs of a run share. */
import { ActionIcon, Tooltip } from "@mantine/core";
import { type ReactNode, useState } from "react";
import type { State } from "../../api/types";
import { Icon } from "../../shell/Icons";
import styles from "./parts.module.css";

interface PanelProps {
  title: string;
  note?: ReactNode;
  actions?: ReactNode;
  children: ReactNode;
  flush?: boolean;
}

export function Panel({ title, note, actions, children, flush = false }: PanelProps) {
  return (
    <section className={styles.panel} aria-label={title}>
      <header className={styles.head}>
        <h2 className={styles.title}>{title}</h2>
        {note !== undefined && <span className={styles.note}>{note}</span>}
        <span className={styles.actions}>{actions}</span>
      </header>
      <div className={flush ? styles.flush : styles.body}>{children}</div>
    </section>
  );
}

/** Facts as pairs; what is undefined or null is left out. */
export function Facts({ facts }: { facts: readonly (readonly [string, ReactNode])[] }) {
  return (
    <dl className={styles.facts}>
      {facts
        .filter(([, value]) => value !== undefined && value !== null && value !== "")
        .map(([name, value]) => (
          <div key={name} className={styles.fact}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
    </dl>
  );
}

export function Copy({ text, label }: { text: string; label: string }) {
  const [done, setDone] = useState(false);
  const copy = async () => {
    await write(text);
    setDone(true);
    setTimeout(() => setDone(false), 1500);
  };
  return (
    <Tooltip label={done ? "Copied" : label}>
      <ActionIcon variant="subtle" color="gray" size="sm" aria-label={done ? "Copied" : label} onClick={copy}>
        <Icon name={done ? "check" : "copy"} size={14} />
      </ActionIcon>
    </Tooltip>
  );
}

/** Browsers have a clipboard for pages of this machine and for HTTPS only; elsewhere the old way has to do. */
async function write(text: string): Promise<void> {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const area = document.createElement("textarea");
  area.value = text;
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}

/** Save a text of this page as a file. */
export function saveText(name: string, text: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/plain" }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

const SIGNS: Record<State, string> = {
  running: "▶",
  finished: "✓",
  failed: "✕",
  interrupted: "❚❚",
  preempted: "↷",
  lost: "?",
};

export function StateBadge({ state }: { state: State }) {
  return (
    <span className={`${styles.state} ${styles[state] ?? ""}`} data-state={state}>
      <span aria-hidden="true">{SIGNS[state] ?? "•"}</span> {state}
    </span>
  );
}

export function Empty({ title, children }: { title: string; children?: ReactNode }) {
  return (
    <div className={styles.empty}>
      <h2>{title}</h2>
      {children}
    </div>
  );
}

/** Bytes for people. */
export function bytes(size: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let at = 0;
  let left = size;
  while (left >= 1000 && at < units.length - 1) {
    left /= 1000;
    at++;
  }
  return `${at ? left.toPrecision(3) : left} ${units[at]}`;
}
