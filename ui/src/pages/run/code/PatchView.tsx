/** The changes of one file, line by line. */
import { UnstyledButton } from "@mantine/core";
import { useState } from "react";
import { Icon } from "../../../shell/Icons";
import styles from "./Code.module.css";
import type { PatchFile, PatchLine } from "./diff";

/** More than these are not shown: a page has to stay quick. */
export const MOST_LINES = 4000;

export function PatchView({ file, first }: { file: PatchFile; first: boolean }) {
  const [open, setOpen] = useState(first && file.lines.length < 800);
  return (
    <section className={styles.file} aria-label={file.path}>
      <UnstyledButton className={styles.head} aria-expanded={open} onClick={() => setOpen(!open)}>
        <Icon name={open ? "chevronDown" : "chevronRight"} size={14} />
        <span className={styles.path}>{file.path}</span>
        <span className={styles.added}>+{file.added}</span>
        <span className={styles.removed}>−{file.removed}</span>
      </UnstyledButton>
      {open && (
        <section className={styles.code} tabIndex={0} aria-label={`Changes of ${file.path}`}>
          {file.lines.slice(0, MOST_LINES).map((line, at) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: lines have no other name
            <Changed key={at} line={line} />
          ))}
        </section>
      )}
    </section>
  );
}

const SIGN = { add: "+", del: "−", same: " ", hunk: "", note: "" } as const;

function Changed({ line }: { line: PatchLine }) {
  return (
    <div className={styles.line} data-kind={line.kind}>
      <span className={styles.number}>{line.before ?? ""}</span>
      <span className={styles.number}>{line.after ?? ""}</span>
      <span className={styles.sign}>{SIGN[line.kind]}</span>
      <span className={styles.text}>{line.text}</span>
    </div>
  );
}
