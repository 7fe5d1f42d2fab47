/** What the next clean-up would delete and why. It only tells: nothing on these pages deletes anything. */

import { Button, Progress } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import type { Query } from "../../api/client";
import { things } from "../../format/numbers";
import { segment } from "../../shell/links";
import { bytes, Copy, Panel } from "../run/parts";
import styles from "./Artifacts.module.css";
import type { Plan } from "./types";
import { usePlan } from "./useArtifacts";

/** The plan for a project, looked at when somebody asks: it reads what all versions are made of. */
export function Leaving({ query }: { query: Query }) {
  const [open, setOpen] = useState(false);
  const { data, error } = usePlan(query, open);
  return (
    <Panel
      title="Clean-up"
      actions={
        !open && (
          <Button size="compact-xs" variant="default" onClick={() => setOpen(true)}>
            What would go?
          </Button>
        )
      }
    >
      <p className={styles.dim}>
        Versions whose time is over, or that the rule of their collection does not keep, go with the next{" "}
        <code>treering artifact gc</code>. Nothing on this page deletes anything.
      </p>
      {error && <p className={styles.error}>{error.message}</p>}
      {open && <PlanView data={data} />}
    </Panel>
  );
}

export function PlanView({ data }: { data: Plan | undefined }) {
  if (!data || data.state === "working") return <Progress aria-label="Looking" value={100} animated size="xs" />;
  if (!data.plan) return <p className={styles.error}>{data.trouble}</p>;
  const { leaving, freed_bytes, dead_bytes, strangers } = data.plan;
  const size = leaving.reduce((total, one) => total + one.size, 0);
  return (
    <>
      <p role="status">
        {leaving.length
          ? `${things(leaving.length, "version")} with files of ${bytes(size)} would go.`
          : "No version would go."}{" "}
        The whole store would shrink by <strong>{bytes(freed_bytes)}</strong>
        {(dead_bytes > freed_bytes || (leaving.length > 0 && !freed_bytes)) && (
          <span className={styles.dim}>
            {" "}
            now; bytes that were written in the last hour, or lie among many that are needed, go later
          </span>
        )}
        {strangers > 0 && ` (${strangers} objects are left of interrupted saves)`}.
      </p>
      {leaving.length > 0 && (
        <ul className={styles.leaving}>
          {leaving.map((one) => (
            <Gone key={one.id} one={one} />
          ))}
        </ul>
      )}
    </>
  );
}

function Gone({ one }: { one: NonNullable<Plan["plan"]>["leaving"][number] }) {
  const at = one.title.lastIndexOf(":v");
  const broken = [
    ...one.used_by.map((run) => `run ${run} used it`),
    ...one.base_of.map((name) => `${name} was made from it`),
  ];
  return (
    <li>
      <Link
        to="/$project/artifacts/$artifact"
        params={{ project: segment(one.project), artifact: segment(one.title.slice(0, at)) }}
        search={{ version: one.title.slice(at + 2) } as never}
      >
        {one.title}
      </Link>
      <span className={styles.number}>{bytes(one.size)}</span>
      <span className={styles.dim}>{one.why}</span>
      {broken.length > 0 && <span className={styles.warn}>but {broken.join(", ")}</span>}
    </li>
  );
}

/** Commands to paste, for what is only done on purpose. */
export function Commands({ lines }: { lines: readonly string[] }) {
  return (
    <div className={styles.commands}>
      <pre tabIndex={0}>{lines.join("\n")}</pre>
      <Copy text={lines.join("\n")} label="Copy the commands" />
    </div>
  );
}
