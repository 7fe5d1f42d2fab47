/** The sweeps of a project; with none, how to begin. */
import { Button } from "@mantine/core";
import { Link, useParams } from "@tanstack/react-router";
import { lazy, Suspense, useEffect } from "react";
import { asNumber } from "../../api/values";
import { short } from "../../format/numbers";
import { ago, exact } from "../../format/time";
import { Icon } from "../../shell/Icons";
import { nameOf, segment } from "../../shell/links";
import { Trouble } from "../../shell/Trouble";
import { useSearchState } from "../../state/search";
import { Copy, Panel } from "../run/parts";
import { Count } from "./Count";
import { arrow, Badge, better, quoted } from "./parts";
import styles from "./SweepsPage.module.css";
import { TEMPLATES } from "./templates";
import type { SweepRow } from "./types";
import { useSweepNews, useSweeps } from "./useSweep";

const NewSweep = lazy(async () => ({ default: (await import("./NewSweep")).NewSweep }));

export function SweepsPage() {
  const params = useParams({ strict: false });
  const project = nameOf(params.project ?? "");
  const [search] = useSearchState();
  useEffect(() => {
    document.title = `Sweeps · ${project} · treering`;
  }, [project]);
  if (search.new === undefined) return <List project={project} />;
  return (
    <Suspense fallback={null}>
      <NewSweep project={project} from={search.from} />
    </Suspense>
  );
}

function List({ project }: { project: string }) {
  const { data, error } = useSweeps(project);
  useSweepNews(project, ["sweeps"]);
  if (error && !data) return <Trouble error={error} />;
  if (!data) return null;
  return (
    <div className={styles.page}>
      <div className={styles.head}>
        <h1 className={styles.title}>Sweeps</h1>
        <Button
          size="compact-sm"
          leftSection={<Icon name="plus" size={13} />}
          renderRoot={(props) => (
            <Link
              to="/$project/sweeps"
              params={{ project: segment(project) }}
              search={{ new: "1" } as never}
              {...props}
            />
          )}
        >
          New sweep
        </Button>
      </div>
      {data.sweeps.length ? <Table sweeps={data.sweeps} /> : <FirstSweep project={project} />}
    </div>
  );
}

function Table({ sweeps }: { sweeps: readonly SweepRow[] }) {
  return (
    <div className={styles.scroller} tabIndex={0} role="region" aria-label="All sweeps">
      <table className={styles.table}>
        <thead>
          <tr>
            {["Sweep", "State", "Method", "Metric", "Best", "Trials", "Made"].map((title) => (
              <th key={title} scope="col">
                {title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {sweeps.map((sweep) => (
            <tr key={sweep.id} data-sweep={sweep.id}>
              <th scope="row">
                <Link
                  to="/$project/sweeps/$sweep"
                  params={{ project: segment(sweep.project), sweep: segment(sweep.id) }}
                  className={styles.name}
                >
                  {sweep.name}
                </Link>
              </th>
              <td title={sweep.reason || undefined}>
                <Badge state={sweep.state} />
              </td>
              <td>{sweep.method}</td>
              <td>
                {sweep.metrics.map((goal) => (
                  <div key={goal.name} className={styles.metric} title={better(goal.goal)}>
                    {goal.name}{" "}
                    <span role="img" aria-label={better(goal.goal)}>
                      {arrow(goal.goal)}
                    </span>
                  </div>
                ))}
              </td>
              <td className={styles.number}>{best(sweep)}</td>
              <td>
                <Progress sweep={sweep} />
              </td>
              <td title={exact(sweep.created_us)}>{ago(sweep.created_us)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function best(sweep: SweepRow): string {
  const value = asNumber(sweep.best);
  return value === undefined ? "" : short(value, 5);
}

function Progress({ sweep }: { sweep: SweepRow }) {
  const { finished = 0, stopped = 0, failed = 0, cancelled = 0 } = sweep.states;
  const done = finished + stopped + failed + cancelled;
  return (
    <div className={styles.progress}>
      <Count sweep={sweep} />
      {sweep.run_cap !== null && (
        <span className={styles.track} aria-hidden="true">
          <span style={{ width: `${Math.min(100, (100 * done) / sweep.run_cap)}%` }} />
        </span>
      )}
    </div>
  );
}

const LINES = (project: string) => `treering sweep sweep.yaml --project ${quoted(project)}\ntreering agent SWEEP_ID`;

function FirstSweep({ project }: { project: string }) {
  return (
    <Panel title="No sweeps yet">
      <p className={styles.text}>
        A sweep searches for better hyperparameters. Write this into <code>sweep.yaml</code>, with your program and your
        parameters, or use the form of “New sweep”:
      </p>
      <Code text={TEMPLATES.bayes} label="Copy the YAML" />
      <p className={styles.text}>Then make it, and start as many agents as you like, here or on other machines:</p>
      <Code text={LINES(project)} label="Copy the commands" />
    </Panel>
  );
}

function Code({ text, label }: { text: string; label: string }) {
  return (
    <div className={styles.code}>
      <pre tabIndex={0}>{text}</pre>
      <span className={styles.copy}>
        <Copy text={text} label={label} />
      </span>
    </div>
  );
}
