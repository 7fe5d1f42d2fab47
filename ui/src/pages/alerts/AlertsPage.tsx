/** Alerts: what was raised, which rules raise it, and who is told. */
import { Button, MultiSelect, Select, TextInput, UnstyledButton } from "@mantine/core";
import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useEffect, useState } from "react";
import { get, send } from "../../api/client";
import { listen } from "../../api/live";
import type { Project } from "../../api/types";
import { ago, exact } from "../../format/time";
import { Icon } from "../../shell/Icons";
import { segment } from "../../shell/links";
import notice from "../../shell/Notice.module.css";
import { Trouble } from "../../shell/Trouble";
import { Panel } from "../run/parts";
import styles from "./AlertsPage.module.css";

interface Alert {
  id: number;
  time_us: number;
  project: string;
  run_id: string;
  rule_id: string | null;
  level: string;
  title: string;
  text: string;
  waiting: string[];
  tries: number;
  trouble: string | null;
}

interface Rule {
  id: string;
  condition: string;
  project: string | null;
  targets: string[];
  created_us: number;
}

interface Target {
  name: string;
  kind: string;
  shown: string;
  level: string;
  code: boolean;
}

const useTargets = () =>
  useQuery({ queryKey: ["alert-targets"], queryFn: ({ signal }) => get<Target[]>("/alert-targets", {}, signal) });

export function AlertsPage() {
  useEffect(() => {
    document.title = "Alerts · treering";
  }, []);
  return (
    <div className={styles.page}>
      <h1 className={styles.title}>Alerts</h1>
      <div className={styles.columns}>
        <Raised />
        <div className={styles.side}>
          <Rules />
          <Targets />
        </div>
      </div>
    </div>
  );
}

function Raised() {
  const queries = useQueryClient();
  const { data, error, fetchNextPage, hasNextPage } = useInfiniteQuery({
    queryKey: ["alerts"],
    queryFn: ({ pageParam, signal }) =>
      get<{ alerts: Alert[]; next: number | null }>("/alerts", { before: pageParam ?? undefined, limit: 50 }, signal),
    initialPageParam: null as number | null,
    getNextPageParam: (page) => page.next,
  });
  // An alert comes with news of its run; rules are looked after a little later.
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const stop = listen(
      { runs: [], keys: [], x: "_step" },
      {
        run: () => {
          timer ??= setTimeout(() => {
            timer = undefined;
            void queries.invalidateQueries({ queryKey: ["alerts"] });
          }, 3000);
        },
      },
    );
    return () => {
      clearTimeout(timer);
      stop();
    };
  }, [queries]);
  if (error && !data) return <Trouble error={error} />;
  const alerts = data?.pages.flatMap((page) => page.alerts) ?? [];
  return (
    <Panel title="Raised" note={alerts.length ? "the newest first" : undefined} flush>
      {data && !alerts.length && (
        <div className={styles.empty}>
          <p>Nothing was raised. A rule beside this needs no code; a program can speak up, too:</p>
          <pre>run.alert("hot", "the motor is at 92 degrees", level="warn")</pre>
        </div>
      )}
      <ol className={styles.alerts}>
        {alerts.map((alert) => (
          <Row key={alert.id} alert={alert} />
        ))}
      </ol>
      {hasNextPage && (
        <p className={styles.more}>
          <Button size="xs" variant="default" onClick={() => void fetchNextPage()}>
            Older ones
          </Button>
        </p>
      )}
    </Panel>
  );
}

function Row({ alert }: { alert: Alert }) {
  const { project, run_id, waiting, trouble } = alert;
  return (
    <li className={notice.notice} data-level={alert.level}>
      <span className={notice.level}>{alert.level}</span>
      <div className={notice.words}>
        <div className={styles.head}>{alert.title}</div>
        {alert.text && <div className={notice.text}>{alert.text}</div>}
        <div className={notice.meta}>
          <Link to="/$project/runs/$run" params={{ project: segment(project), run: segment(run_id) }}>
            {project} / {run_id}
          </Link>
          <time title={exact(alert.time_us)}>{ago(alert.time_us)}</time>
          {alert.rule_id !== null && <span>by a rule</span>}
          {waiting.length > 0 && (
            <span className={styles.waiting}>
              {waiting.join(", ")} {trouble ? `could not be told yet: ${trouble}` : "will be told"}
            </span>
          )}
        </div>
      </div>
    </li>
  );
}

function Rules() {
  const queries = useQueryClient();
  const { data, error } = useQuery({
    queryKey: ["alert-rules"],
    queryFn: ({ signal }) => get<Rule[]>("/alert-rules", {}, signal),
  });
  const remove = useMutation({
    mutationFn: (id: string) => send("DELETE", `/alert-rules/${encodeURIComponent(id)}`),
    onSettled: () => queries.invalidateQueries({ queryKey: ["alert-rules"] }),
  });
  return (
    <Panel title="Rules">
      {error && <p className={styles.error}>{error.message}</p>}
      {remove.error && <p className={styles.error}>{remove.error.message}</p>}
      <ul className={styles.rules}>
        {(data ?? []).map((rule) => (
          <li key={rule.id}>
            <div className={notice.words}>
              <code className={styles.condition}>{rule.condition}</code>
              <div className={notice.meta}>
                {rule.project ?? "all projects"} → {rule.targets.length ? rule.targets.join(", ") : "everybody"}
              </div>
            </div>
            <UnstyledButton
              className={styles.remove}
              aria-label={`Remove the rule ${rule.condition}`}
              onClick={() => remove.mutate(rule.id)}
            >
              <Icon name="trash" size={15} />
            </UnstyledButton>
          </li>
        ))}
      </ul>
      <AddRule />
    </Panel>
  );
}

const EXAMPLES = ["val/loss > 5 after 1000", "loss/* is nan", "no progress for 30m", "state is failed or lost"];

function AddRule() {
  const queries = useQueryClient();
  const [condition, setCondition] = useState("");
  const [project, setProject] = useState<string | null>(null);
  const [targets, setTargets] = useState<string[]>([]);
  const { data: projects } = useQuery({
    queryKey: ["projects"],
    queryFn: ({ signal }) => get<Project[]>("/projects", {}, signal),
  });
  const { data: known } = useTargets();
  const add = useMutation({
    mutationFn: () => send<Rule>("POST", "/alert-rules", { condition, project, targets }),
    onSuccess: async () => {
      setCondition("");
      await queries.invalidateQueries({ queryKey: ["alert-rules"] });
    },
  });
  return (
    <form
      className={styles.form}
      onSubmit={(event) => {
        event.preventDefault();
        if (condition.trim()) add.mutate();
      }}
    >
      <TextInput
        size="xs"
        label="Tell when"
        placeholder="val/loss > 5 after 1000"
        value={condition}
        error={add.error?.message}
        onChange={(event) => {
          add.reset();
          setCondition(event.currentTarget.value);
        }}
      />
      <div className={styles.examples}>
        {EXAMPLES.map((example) => (
          <UnstyledButton key={example} className={styles.example} onClick={() => setCondition(example)}>
            {example}
          </UnstyledButton>
        ))}
      </div>
      <div className={styles.pair}>
        <Select
          label="In"
          placeholder="all projects"
          clearable
          data={(projects ?? []).map((one) => one.name)}
          value={project}
          onChange={setProject}
        />
        <MultiSelect
          size="xs"
          label="Tell"
          placeholder={targets.length ? "" : "everybody"}
          data={(known ?? []).map((one) => one.name)}
          value={targets}
          onChange={setTargets}
        />
      </div>
      <div>
        <Button type="submit" size="xs" disabled={!condition.trim()} loading={add.isPending}>
          Add the rule
        </Button>
      </div>
    </form>
  );
}

function Targets() {
  const { data, error } = useTargets();
  return (
    <Panel title="Who is told">
      {error && <p className={styles.error}>{error.message}</p>}
      {data && !data.length && (
        <>
          <p className={styles.dim}>
            Nobody yet: alerts are only listed here. <code>alerts.toml</code> in the store&apos;s folder says who is
            told:
          </p>
          <pre className={styles.example_file}>{'[targets.me]\nemail = ["me@example.org"]'}</pre>
        </>
      )}
      <ul className={styles.rules}>
        {(data ?? []).map((target) => (
          <TargetRow key={target.name} target={target} />
        ))}
      </ul>
    </Panel>
  );
}

function TargetRow({ target }: { target: Target }) {
  const attempt = useMutation({
    mutationFn: () =>
      send<{ trouble: string | null }>("POST", `/alert-targets/${encodeURIComponent(target.name)}/test`),
  });
  const trouble = attempt.error?.message ?? attempt.data?.trouble;
  return (
    <li>
      <div className={notice.words}>
        <strong>{target.name}</strong>
        <div className={notice.meta}>
          {target.kind} {target.shown} · {target.level} and above{target.code ? "" : " · rules only"}
        </div>
        {trouble && (
          <p className={styles.error} role="alert">
            {trouble}
          </p>
        )}
        {attempt.data && !trouble && (
          <p className={styles.good} role="status">
            It arrived
          </p>
        )}
      </div>
      <Button size="compact-xs" variant="default" loading={attempt.isPending} onClick={() => attempt.mutate()}>
        Try
      </Button>
    </li>
  );
}
