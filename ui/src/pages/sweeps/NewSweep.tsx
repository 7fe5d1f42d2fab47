/** A form that makes a sweep: its YAML, and what agents need to know. */
import { Button, NumberInput, PasswordInput, Select, TextInput, UnstyledButton } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useEffect, useState } from "react";
import { send } from "../../api/client";
import { asText } from "../../api/values";
import { count as counted, short } from "../../format/numbers";
import { segment } from "../../shell/links";
import { Panel } from "../run/parts";
import { Commands } from "./Commands";
import styles from "./NewSweep.module.css";
import { SweepEditor } from "./SweepEditor";
import { TEMPLATE_NAMES, TEMPLATES, type TemplateName } from "./templates";
import type { AxisRow, Checked, Finding, SweepDetail } from "./types";
import { checkText, useSweep } from "./useSweep";

interface Props {
  project: string;
  /** A sweep whose text it begins with. */
  from: string | undefined;
}

export function NewSweep({ project, from }: Props) {
  const { data, error } = useSweep(from ?? "", from !== undefined);
  if (from !== undefined && !data && !error) return null;
  return <Form key={from ?? ""} project={project} source={data?.source ?? TEMPLATES.bayes} cloned={data} />;
}

function Form({ project, source, cloned }: { project: string; source: string; cloned: SweepDetail | undefined }) {
  const [text, setText] = useState(source);
  const [target, setTarget] = useState(project);
  const [entity, setEntity] = useState("");
  const [apiKey, setApiKey] = useState("");
  const [count, setCount] = useState<number | "">("");
  const [goTo, setGoTo] = useState<{ line: number; column: number } | null>(null);
  const queries = useQueryClient();
  const checked = useChecked(text);
  const make = useMutation({
    mutationFn: () => send<SweepDetail>("POST", "/sweeps", { source: text, project: target.trim() || project }),
    onSuccess: () => queries.invalidateQueries({ queryKey: ["sweeps"] }),
  });
  const made = make.data;
  if (made) {
    return (
      <div className={styles.page}>
        <h1 className={styles.title}>{made.name} is made</h1>
        <Panel title="Start agents">
          <Commands
            id={made.id}
            count={count || undefined}
            entity={entity.trim() || undefined}
            apiKey={apiKey || undefined}
          />
          <div className={styles.buttons}>
            <Button
              size="sm"
              renderRoot={(props) => (
                <Link
                  to="/$project/sweeps/$sweep"
                  params={{ project: segment(made.project), sweep: segment(made.id) }}
                  {...props}
                />
              )}
            >
              Open the sweep
            </Button>
            <Button size="sm" variant="default" onClick={() => make.reset()}>
              Make another one
            </Button>
          </div>
        </Panel>
      </div>
    );
  }
  const errors = checked?.errors ?? [];
  return (
    <div className={styles.page}>
      <h1 className={styles.title}>{cloned ? `A sweep like ${cloned.name}` : "New sweep"}</h1>
      <div className={styles.columns}>
        <Panel title="Definition" note="YAML, as W&B's sweeps have it" actions={<Begin onText={setText} />} flush>
          <SweepEditor value={text} onChange={setText} checked={checked} goTo={goTo} />
          <Findings checked={checked} onGo={setGoTo} />
        </Panel>
        <div className={styles.side}>
          <Panel title="What it searches">
            <Space checked={checked} />
          </Panel>
          <Panel title="Where it goes">
            <form
              className={styles.form}
              onSubmit={(event) => {
                event.preventDefault();
                make.mutate();
              }}
            >
              <TextInput
                size="xs"
                label="Project"
                value={target}
                maxLength={128}
                onChange={(event) => setTarget(event.currentTarget.value)}
              />
              <NumberInput
                size="xs"
                label="Count"
                description="Trials for each agent; empty for as many as there are"
                min={1}
                allowDecimal={false}
                hideControls
                value={count}
                onChange={(value) => setCount(typeof value === "number" && value > 0 ? value : "")}
              />
              <TextInput
                size="xs"
                label="Entity"
                description="Taken as W&B takes it; treering needs none"
                value={entity}
                onChange={(event) => setEntity(event.currentTarget.value)}
              />
              <PasswordInput
                size="xs"
                label="API key"
                description="For agents elsewhere: becomes part of the command, and is not sent"
                autoComplete="off"
                value={apiKey}
                onChange={(event) => setApiKey(event.currentTarget.value)}
              />
              {make.error && (
                <p className={styles.wrong} role="alert">
                  {make.error.message}
                </p>
              )}
              <Button type="submit" size="sm" disabled={!checked || errors.length > 0} loading={make.isPending}>
                Create the sweep
              </Button>
            </form>
          </Panel>
        </div>
      </div>
    </div>
  );
}

/** What the server says of a text, a moment after it was last changed. */
function useChecked(text: string): Checked | undefined {
  const [settled, setSettled] = useState(text);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(text), 250);
    return () => clearTimeout(timer);
  }, [text]);
  const { data } = useQuery({
    queryKey: ["sweep-check", settled],
    queryFn: () => checkText(settled),
    placeholderData: (before) => before,
    gcTime: 10_000,
  });
  return data;
}

function Begin({ onText }: { onText: (text: string) => void }) {
  return (
    <>
      <Select
        aria-label="Begin with"
        placeholder="Begin with …"
        data={[...TEMPLATE_NAMES]}
        value={null}
        className={styles.begin}
        onChange={(name) => name && onText(TEMPLATES[name as TemplateName])}
      />
      <label className={styles.file}>
        Open a file
        <input
          type="file"
          accept=".yaml,.yml,.json"
          onChange={async (event) => {
            const file = event.currentTarget.files?.[0];
            if (file) onText(await file.text());
          }}
        />
      </label>
    </>
  );
}

function Findings({
  checked,
  onGo,
}: {
  checked: Checked | undefined;
  onGo: (place: { line: number; column: number }) => void;
}) {
  if (!checked) return null;
  const { errors, warnings } = checked;
  return (
    <div className={styles.findings} role="status" aria-label="Findings">
      {!errors.length && !warnings.length && <span className={styles.fine}>✓ It can be made as it is</span>}
      <ul>
        {errors.map((one) => (
          <Told key={`${one.line}:${one.column}:${one.message}`} one={one} kind="error" onGo={onGo} />
        ))}
        {warnings.map((one) => (
          <Told key={`${one.line}:${one.column}:${one.message}`} one={one} kind="warning" onGo={onGo} />
        ))}
      </ul>
    </div>
  );
}

interface ToldProps {
  one: Finding;
  kind: "error" | "warning";
  onGo: (place: { line: number; column: number }) => void;
}

function Told({ one, kind, onGo }: ToldProps) {
  return (
    <li data-kind={kind}>
      {one.line > 0 && (
        <UnstyledButton className={styles.line} onClick={() => onGo({ line: one.line, column: one.column })}>
          Line {one.line}
        </UnstyledButton>
      )}
      <span>
        <strong>{kind === "error" ? "" : "Note: "}</strong>
        {one.path && <code>{one.path}</code>} {one.message}
        {one.fix && <span className={styles.fix}> → {one.fix}</span>}
      </span>
    </li>
  );
}

function Space({ checked }: { checked: Checked | undefined }) {
  if (!checked?.config) return <p className={styles.dim}>Told when the definition can be read.</p>;
  return (
    <>
      <table className={styles.space}>
        <tbody>
          {checked.axes.map((axis) => (
            <tr key={axis.name}>
              <th scope="row">{axis.name}</th>
              <td>{reach(axis)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <p className={styles.dim}>
        {checked.points === null
          ? "Endlessly many points."
          : `${counted(checked.points)} ${checked.points === 1 ? "point" : "points"} altogether.`}
      </p>
    </>
  );
}

function reach(axis: AxisRow): string {
  if (axis.values) return axis.values.map(asText).join(", ");
  const word = axis.distribution.replaceAll("_", " ");
  if (axis.low === null || axis.high === null) return word;
  return `${short(axis.low)} to ${short(axis.high)}${axis.log ? ", logarithmic" : axis.kind === "int" ? ", whole" : ""}`;
}
