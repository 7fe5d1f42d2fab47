/** At a glance: how it ended, what came out, what went in, and how to do it again. */
import { Button, TextInput } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { useMemo, useState } from "react";
import type { RunDetail, Value } from "../../../api/types";
import { asNumber, asText } from "../../../api/values";
import { short, things } from "../../../format/numbers";
import { duration, exact } from "../../../format/time";
import { Icon } from "../../../shell/Icons";
import { segment } from "../../../shell/links";
import { bytes, Copy, Facts, Panel } from "../parts";
import parts from "../parts.module.css";
import { useOfRun } from "../useRun";
import { Attempts } from "./Attempts";
import { Notes } from "./Edit";
import { Failure } from "./Failure";
import styles from "./Overview.module.css";
import { type Capture, commands, type Environment, type Git } from "./reproduce";
import { Tree } from "./Tree";

export function OverviewTab({ run }: { run: RunDetail }) {
  const { data: capture } = useOfRun<Capture>(run.id, "capture");
  return (
    <div className={styles.page}>
      <div className={styles.column}>
        <Failure state={run.state} failure={run.failure} />
        <Summary run={run} />
        <Tree title="Config" value={run.config} empty="Nothing was given: treering.init(config={...}) keeps it here." />
        {run.attempts.length > 0 && <Attempts run={run} />}
      </div>
      <div className={styles.column}>
        <Notes run={run} />
        <About run={run} />
        <Reproduce capture={capture} />
        <Machine environment={capture?.environment} />
      </div>
    </div>
  );
}

/** Last values; what `define_metric` asks for is among them. */
function Summary({ run }: { run: RunDetail }) {
  const [search, setSearch] = useState("");
  const rows = useMemo(() => summaryRows(run.summary), [run.summary]);
  const [whole, setWhole] = useState(false);
  const found = rows.filter((row) => row.key.toLowerCase().includes(search.toLowerCase()));
  const few = whole || search ? found : found.filter((row) => !PER_LAYER.test(row.key)).slice(0, FEW);
  const left = found.length - few.length;
  return (
    <Panel
      title="Summary"
      note={rows.length ? things(rows.length, "value") : undefined}
      flush
      actions={
        rows.length > 8 && (
          <TextInput
            size="xs"
            className={styles.find ?? ""}
            aria-label="Find in summary"
            placeholder="Find"
            leftSection={<Icon name="search" size={12} />}
            value={search}
            onChange={(event) => setSearch(event.currentTarget.value)}
          />
        )
      }
    >
      {rows.length ? (
        <dl className={styles.summary}>
          {few.map((row) => (
            <div key={row.key} className={styles.metric}>
              <dt title={row.key}>{row.key}</dt>
              <dd title={row.exact}>{row.text}</dd>
            </div>
          ))}
        </dl>
      ) : (
        <p className={styles.blank}>Nothing was logged yet.</p>
      )}
      {(left > 0 || whole) && (
        <Button className={parts.more ?? ""} size="compact-xs" variant="subtle" onClick={() => setWhole(!whole)}>
          {whole ? "Show fewer" : `Show ${left} more`}
        </Button>
      )}
    </Panel>
  );
}

const FEW = 40;
const PER_LAYER = /^(grad|update)\/(.+\/)?layer\//;

interface SummaryRow {
  key: string;
  text: string;
  exact: string;
}

function summaryRows(summary: Value): SummaryRow[] {
  const rows: SummaryRow[] = [];
  const visit = (value: Value | undefined, key: string) => {
    const number = asNumber(value);
    if (number !== undefined) rows.push({ key, text: short(number, 5), exact: String(number) });
    else if (value && typeof value === "object" && !Array.isArray(value) && !Object.keys(value)[0]?.startsWith("$")) {
      for (const [name, item] of Object.entries(value)) visit(item, key ? `${key}/${name}` : name);
    } else if (typeof value === "string" || typeof value === "boolean") {
      rows.push({ key, text: String(value), exact: String(value) });
    }
  };
  visit(summary, "");
  const rank = (key: string) => (/^(grad|update|lr|amp|treering|time)(\/|$)/.test(key) ? 1 : 0);
  return rows.sort((a, b) => rank(a.key) - rank(b.key));
}

function About({ run }: { run: RunDetail }) {
  return (
    <Panel title="Run">
      <Facts
        facts={[
          [
            "id",
            <span key="id" className={styles.copied}>
              <code>{run.id}</code>
              <Copy text={run.id} label="Copy the run's id" />
            </span>,
          ],
          ["started", exact(run.created_us)],
          ["ended", run.ended_us === null ? null : exact(run.ended_us)],
          ["took", duration(run.duration_s)],
          ["group", run.group],
          ["job type", run.job_type],
          [
            "forked from",
            run.parent_id && (
              <span key="parent">
                <Link to="/$project/runs/$run" params={{ project: segment(run.project), run: segment(run.parent_id) }}>
                  {run.parent_id}
                </Link>
                {run.parent_step !== null && ` at step ${run.parent_step.toLocaleString("en")}`}
              </span>
            ),
          ],
        ]}
      />
    </Panel>
  );
}

function Reproduce({ capture }: { capture: Capture | undefined }) {
  const git = capture?.git;
  const found = commands(git, capture?.environment);
  if (!found.length && !git) return null;
  return (
    <Panel
      title="Code"
      actions={found.length > 0 && <Copy text={found.join("\n")} label="Copy the commands that do it again" />}
    >
      {git && (
        <Facts
          facts={[
            ["commit", git.commit && <code key="c">{git.commit.slice(0, 12)}</code>],
            ["branch", git.branch],
            ["remote", git.remote],
            ["state", gitState(git)],
            ["problem", git.problem],
          ]}
        />
      )}
      {found.length > 0 && (
        <pre className={styles.commands} tabIndex={0}>
          {found.join("\n")}
        </pre>
      )}
    </Panel>
  );
}

function gitState(git: Git): React.ReactNode {
  const words: string[] = [];
  if (git.dirty) words.push("with changes that are not committed");
  else if (git.dirty === false) words.push("clean");
  if (git.untracked) words.push(`${git.untracked} untracked`);
  return git.dirty ? <span className={styles.dirty}>{words.join(", ")}</span> : words.join(", ");
}

function Machine({ environment }: { environment: Environment | undefined }) {
  const [search, setSearch] = useState("");
  if (!environment) return null;
  const { python, os, cpu, memory, gpus, packages = {} } = environment;
  const names = Object.entries(packages).filter(([name]) => name.includes(search.toLowerCase()));
  const text = (value: unknown) => (typeof value === "string" || typeof value === "number" ? String(value) : "");
  return (
    <Panel title="Environment" actions={<Copy text={JSON.stringify(environment, null, 2)} label="Copy as JSON" />}>
      <Facts
        facts={[
          ["host", [environment.user, environment.host].filter(Boolean).join("@")],
          ["system", os?.name ?? os?.system],
          ["Python", [python?.implementation, python?.version].filter(Boolean).join(" ")],
          ["CPU", cpu && `${text(cpu.model)}, ${text(cpu.usable ?? cpu.logical)} cores`],
          ["memory", memory?.total_bytes ? bytes(memory.total_bytes) : null],
          ["GPU", gpus?.map((gpu) => text(gpu.name)).join(", ")],
          ["container", environment.container],
          ["folder", environment.cwd && <code key="f">{environment.cwd}</code>],
        ]}
      />
      {Object.keys(packages).length > 0 && (
        <details className={styles.packages}>
          <summary>{Object.keys(packages).length} packages</summary>
          <TextInput
            size="xs"
            aria-label="Find a package"
            placeholder="Find a package"
            value={search}
            onChange={(event) => setSearch(event.currentTarget.value)}
          />
          <ul>
            {names.map(([name, version]) => (
              <li key={name}>
                <span>{name}</span> <code>{version}</code>
              </li>
            ))}
          </ul>
        </details>
      )}
      {environment.variables && Object.keys(environment.variables).length > 0 && (
        <details className={styles.packages}>
          <summary>{Object.keys(environment.variables).length} environment variables</summary>
          <ul>
            {Object.entries(environment.variables).map(([name, value]) => (
              <li key={name}>
                <span>{name}</span> <code>{asText(value)}</code>
              </li>
            ))}
          </ul>
        </details>
      )}
    </Panel>
  );
}
