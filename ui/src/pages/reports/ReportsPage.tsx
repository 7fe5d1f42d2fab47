/** The reports of a project. */
import { Button } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Link, useNavigate, useParams } from "@tanstack/react-router";
import { useEffect } from "react";
import { get, send } from "../../api/client";
import type { RunsPage } from "../../api/types";
import { ago, exact } from "../../format/time";
import { Icon } from "../../shell/Icons";
import { nameOf } from "../../shell/links";
import { Trouble } from "../../shell/Trouble";
import { createReport, paramsOf, remember, useReports } from "./api";
import { template } from "./blocks";
import styles from "./ReportsPage.module.css";

export function ReportsPage() {
  const params = useParams({ strict: false });
  const project = nameOf(params.project ?? "");
  const { data, error } = useReports(project);
  useEffect(() => {
    document.title = `Reports · ${project} · treering`;
  }, [project]);
  if (error && !data) return <Trouble error={error} />;
  if (!data) return null;
  return (
    <div className={styles.page}>
      <header className={styles.head}>
        <h1 className={styles.title}>Reports</h1>
        <NewReport project={project} />
      </header>
      {data.length ? (
        <ul className={styles.list}>
          {data.map((report) => (
            <li key={report.id} data-report={report.id}>
              <Link to="/$project/reports/$report" params={paramsOf(report)} className={styles.name}>
                {report.title}
              </Link>
              <span className={styles.meta}>
                <time title={exact(report.updated_us)}>saved {ago(report.updated_us)}</time>
                {report.author && <span className={styles.author}>by {report.author}</span>}
                <span>version {report.version}</span>
              </span>
            </li>
          ))}
        </ul>
      ) : (
        <Empty />
      )}
    </div>
  );
}

function NewReport({ project }: { project: string }) {
  const queries = useQueryClient();
  const navigate = useNavigate();
  const create = useMutation({
    mutationFn: async () => createReport(project, "Untitled report", template(await firstKeys(project))),
    onSuccess: async (report) => {
      remember(queries, report);
      await navigate({ to: "/$project/reports/$report", params: paramsOf(report), search: { edit: "1" } as never });
    },
  });
  return (
    <div className={styles.new}>
      {create.error && (
        <span className={styles.error} role="alert">
          {create.error.message}
        </span>
      )}
      <Button
        size="xs"
        leftSection={<Icon name="plus" size={14} />}
        loading={create.isPending}
        onClick={() => create.mutate()}
      >
        New report
      </Button>
    </div>
  );
}

const LOSS = /loss|acc|reward|return|score/i;

/** Metrics that a new report begins with: those of the newest runs that say most. */
async function firstKeys(project: string): Promise<string[]> {
  const page = await get<RunsPage>("/runs", { project, limit: 10 });
  const runs = page.runs.map((run) => run.id);
  const metrics = await send<{ key: string; numeric: boolean; hidden: boolean }[]>("POST", "/metrics", { runs });
  const keys = metrics.filter((metric) => metric.numeric && !metric.hidden).map((metric) => metric.key);
  return [...keys.filter((key) => LOSS.test(key)), ...keys.filter((key) => !LOSS.test(key))].slice(0, 2);
}

const EXAMPLE = `Adam is better than SGD at every learning rate:

\`\`\`chart
keys: [train/loss, val/*]
filter: config.lr < 0.1
smoothing: ema 40
\`\`\``;

function Empty() {
  return (
    <section className={styles.empty}>
      <h2>No report yet</h2>
      <p>A report is a text with curves and tables of runs in it, which go on while the runs do. It is Markdown:</p>
      <pre tabIndex={0}>{EXAMPLE}</pre>
      <p>
        Others comment on it, every version is kept, and it can be saved as one file that opens anywhere, without a
        network.
      </p>
    </section>
  );
}
