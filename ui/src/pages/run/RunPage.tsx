/** One run: what became of it, and everything that it recorded. */
import { useParams } from "@tanstack/react-router";
import { lazy, useEffect } from "react";
import { ApiError } from "../../api/client";
import type { RunDetail } from "../../api/types";
import { ago, duration, exact } from "../../format/time";
import { nameOf } from "../../shell/links";
import { PartTabs } from "../../shell/PartTabs";
import { Trouble } from "../../shell/Trouble";
import { useSearchState } from "../../state/search";
import { NoRun } from "./NoRun";
import { OverviewTab } from "./overview/OverviewTab";
import { StateBadge } from "./parts";
import styles from "./RunPage.module.css";
import { tabsOf } from "./tabs";
import { useDuration, useRun, useRunNews } from "./useRun";

const TABS: Record<string, React.ComponentType<{ run: RunDetail }>> = {
  "": OverviewTab,
  charts: lazy(async () => ({ default: (await import("./ChartsTab")).ChartsTab })),
  system: lazy(async () => ({ default: (await import("./SystemTab")).SystemTab })),
  console: lazy(async () => ({ default: (await import("./console/ConsoleTab")).ConsoleTab })),
  media: lazy(async () => ({ default: (await import("./media/MediaTab")).MediaTab })),
  gradients: lazy(async () => ({ default: (await import("./gradients/GradientsTab")).GradientsTab })),
  rl: lazy(async () => ({ default: (await import("./rl/EpisodesTab")).EpisodesTab })),
  files: lazy(async () => ({ default: (await import("./FilesTab")).FilesTab })),
  code: lazy(async () => ({ default: (await import("./code/CodeTab")).CodeTab })),
  events: lazy(async () => ({ default: (await import("./EventsTab")).EventsTab })),
};

export function RunPage() {
  const params = useParams({ strict: false });
  const id = nameOf(params.run ?? "");
  const { data: run, error } = useRun(id);
  useEffect(() => {
    if (!run) return;
    document.title = `${run.name} · ${run.project} · treering`;
    const crumb = document.getElementById("crumb-run");
    if (crumb) crumb.textContent = run.name;
  }, [run]);
  if (error instanceof ApiError && error.status === 404 && !run)
    return <NoRun key={id} id={id} project={nameOf(params.project ?? "")} error={error} />;
  if (error && !run) return <Trouble whole error={error} />;
  return run ? <Page key={id} run={run} /> : null;
}

function Page({ run }: { run: RunDetail }) {
  const [search, setSearch] = useSearchState();
  const connected = useRunNews(run.id, run.project);
  const tabs = tabsOf(run);
  const now = tabs.some((tab) => tab.id === search.tab) ? (search.tab ?? "") : "";
  const Body = TABS[now] ?? OverviewTab;
  return (
    <div className={styles.page}>
      <Header run={run} connected={connected} />
      <PartTabs label="Parts of the run" parts={tabs} now={now} onChange={(tab) => setSearch({ tab })} scrolls>
        <h2 className={styles.hidden}>{tabs.find((tab) => tab.id === now)?.label}</h2>
        <Body run={run} />
      </PartTabs>
    </div>
  );
}

function Header({ run, connected }: { run: RunDetail; connected: boolean }) {
  const seconds = useDuration(run);
  return (
    <header className={styles.header}>
      <h1 className={styles.name} title={run.name}>
        {run.name}
      </h1>
      <StateBadge state={run.state} />
      <span className={styles.fact}>{duration(seconds)}</span>
      <span className={styles.fact} title={exact(run.created_us)}>
        started {ago(run.created_us)}
      </span>
      {run.attempt > 1 && <span className={styles.fact}>attempt {run.attempt}</span>}
      <span className={styles.tags}>
        {run.tags.map((tag) => (
          <span key={tag} className={styles.tag}>
            {tag}
          </span>
        ))}
      </span>
      {!connected && (
        <span className={styles.offline} role="status">
          No connection: what is shown may be old
        </span>
      )}
    </header>
  );
}
