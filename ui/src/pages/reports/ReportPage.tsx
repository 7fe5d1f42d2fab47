/** A report: read, written, spoken about; and as it was before. */
import { Alert, Button, Menu, Modal } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Link, useNavigate, useParams } from "@tanstack/react-router";
import { lazy, Suspense, useEffect, useRef, useState } from "react";
import { address, send } from "../../api/client";
import { ago, exact } from "../../format/time";
import { Icon } from "../../shell/Icons";
import { nameOf, segment } from "../../shell/links";
import { Trouble } from "../../shell/Trouble";
import { useSearchState } from "../../state/search";
import { Article } from "./Article";
import { idOf, partOf, type Report, remember, saveReport, useComments, useReport } from "./api";
import { Comments } from "./Comments";
import { History } from "./History";
import styles from "./ReportPage.module.css";
import { LiveReport } from "./useCurves";

const Editing = lazy(async () => ({ default: (await import("./Editing")).Editing }));

export function ReportPage() {
  const params = useParams({ strict: false });
  const id = idOf(nameOf(params.report ?? ""));
  const [search] = useSearchState();
  const number = Number(search.version);
  const version = Number.isInteger(number) && number > 0 ? number : undefined;
  const { data: report, error } = useReport(id, search.edit ? undefined : version);
  const title = report?.title;
  useEffect(() => {
    if (title) document.title = `${title} · treering`;
  }, [title]);
  if (error && !report) return <Trouble whole error={error} />;
  if (!report) return null;
  return (
    <LiveReport project={report.project}>
      {search.edit ? (
        <Suspense fallback={null}>
          <Editing key={report.id} report={report} />
        </Suspense>
      ) : (
        <Reading report={report} />
      )}
    </LiveReport>
  );
}

function Reading({ report }: { report: Report }) {
  const [search, setSearch] = useSearchState();
  const panel = search.panel === "comments" || search.panel === "history" ? search.panel : "";
  const isOld = report.shown !== report.version;
  const side = useRef<HTMLElement>(null);
  // biome-ignore lint/correctness/useExhaustiveDependencies: on a narrow screen what was asked for lies below the report
  useEffect(() => {
    side.current?.scrollIntoView({ block: "nearest" });
  }, [panel]);
  return (
    <div className={styles.page} data-panel={panel || undefined}>
      <div className={styles.main}>
        <header className={styles.head}>
          <h1 className={styles.title}>{report.title}</h1>
          <Tools report={report} panel={panel} onPanel={(name) => setSearch({ panel: name || undefined })} />
        </header>
        <p className={styles.meta}>
          <time title={exact(report.updated_us)}>
            version {report.version}, saved {ago(report.updated_us)}
          </time>
          {report.author && <span className={styles.author}>by {report.author}</span>}
        </p>
        {isOld && <Old report={report} />}
        <Article project={report.project} text={report.text} />
      </div>
      {panel && (
        <aside ref={side} className={styles.side} aria-label={panel === "comments" ? "Comments" : "Versions"}>
          {panel === "comments" ? <Comments report={report} /> : <History report={report} />}
        </aside>
      )}
    </div>
  );
}

interface ToolsProps {
  report: Report;
  panel: string;
  onPanel: (name: string) => void;
}

function Tools({ report, panel, onPanel }: ToolsProps) {
  const [, setSearch] = useSearchState();
  const [deleting, setDeleting] = useState(false);
  const { data: comments } = useComments(report.id);
  const open = (comments ?? []).filter((one) => !one.reply_to && one.resolved_us === null).length;
  const version = report.shown === report.version ? undefined : report.shown;
  const toggle = (name: string) => onPanel(panel === name ? "" : name);
  return (
    <div className={styles.tools}>
      <Button
        size="xs"
        leftSection={<Icon name="edit" size={14} />}
        onClick={() => setSearch({ edit: "1", version: undefined, panel: undefined })}
      >
        Edit
      </Button>
      <Button
        size="xs"
        variant={panel === "comments" ? "light" : "default"}
        aria-pressed={panel === "comments"}
        onClick={() => toggle("comments")}
      >
        Comments{open ? ` (${open})` : ""}
      </Button>
      <Button
        size="xs"
        variant={panel === "history" ? "light" : "default"}
        aria-pressed={panel === "history"}
        onClick={() => toggle("history")}
      >
        Versions
      </Button>
      <Button
        size="xs"
        variant="default"
        leftSection={<Icon name="download" size={14} />}
        component="a"
        className={styles.export ?? ""}
        href={address(`/reports/${encodeURIComponent(report.id)}/page`, { version })}
        download
      >
        Export
      </Button>
      <Menu position="bottom-end" withinPortal>
        <Menu.Target>
          <Button size="xs" variant="default" aria-label="More" px={8}>
            <Icon name="dots" size={14} />
          </Button>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Item c="var(--bad)" onClick={() => setDeleting(true)}>
            Delete the report
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
      {deleting && <Delete report={report} onClose={() => setDeleting(false)} />}
    </div>
  );
}

function Delete({ report, onClose }: { report: Report; onClose: () => void }) {
  const queries = useQueryClient();
  const navigate = useNavigate();
  const remove = useMutation({
    mutationFn: () => send("DELETE", `/reports/${encodeURIComponent(report.id)}`),
    onSuccess: async () => {
      await navigate({ to: "/$project/reports", params: { project: segment(report.project) } });
      queries.removeQueries({ queryKey: ["report", report.id] });
      await queries.invalidateQueries({ queryKey: ["reports", report.project] });
    },
  });
  return (
    <Modal opened onClose={onClose} title="Delete the report?" transitionProps={{ duration: 0 }}>
      <p className={styles.question}>
        “{report.title}” goes with all its versions and comments, for everybody. Its runs stay.
      </p>
      {remove.error && <p role="alert">{remove.error.message}</p>}
      <div className={styles.answers}>
        <Button size="xs" variant="default" onClick={onClose}>
          Keep it
        </Button>
        <Button size="xs" color="red" loading={remove.isPending} onClick={() => remove.mutate()}>
          Delete
        </Button>
      </div>
    </Modal>
  );
}

/** What is shown is an older version: say so, and how to have it back. */
function Old({ report }: { report: Report }) {
  const queries = useQueryClient();
  const [, setSearch] = useSearchState();
  const restore = useMutation({
    mutationFn: () =>
      saveReport(report.id, report.version, { title: report.title, text: report.text, restored: report.shown }),
    onSuccess: (saved) => {
      remember(queries, saved);
      setSearch({ version: undefined });
    },
  });
  return (
    <Alert className={styles.old ?? ""} color="yellow" variant="light" role="status">
      <div className={styles.oldLine}>
        <span>
          This is version {report.shown} of {report.version}.
        </span>
        <Button size="compact-xs" variant="default" loading={restore.isPending} onClick={() => restore.mutate()}>
          Bring it back
        </Button>
        <Link
          to="/$project/reports/$report"
          params={{ project: segment(report.project), report: partOf(report) }}
          search={{ panel: "history" } as never}
        >
          The newest
        </Link>
      </div>
      {restore.error && <p className={styles.error}>{restore.error.message}</p>}
    </Alert>
  );
}
