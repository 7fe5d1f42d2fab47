/** What surrounds every page: the bar on top, and the page itself. */
import { ActionIcon, Tooltip, useComputedColorScheme, useMantineColorScheme } from "@mantine/core";
import { Link, Outlet, useParams, useRouterState } from "@tanstack/react-router";
import { Icon } from "./Icons";
import { Later } from "./Later";
import { nameOf } from "./links";
import { ProjectNav } from "./ProjectNav";
import { Finder } from "./palette/Finder";
import styles from "./Shell.module.css";

export function Shell() {
  const hasViews = useRouterState({ select: (state) => state.matches.at(-1)?.routeId === "/$project" });
  return (
    <div className={styles.shell}>
      <a className={styles.skip} href="#page">
        Skip to the page
      </a>
      <header className={styles.header}>
        <Link to="/" className={styles.brand} aria-label="treering: all projects">
          <Mark />
          <span className={styles.word}>treering</span>
        </Link>
        <Crumbs />
        <ProjectNav />
        <div className={styles.tools} id="page-tools" data-views={hasViews || undefined} />
        <Finder />
        <Later room={<span className={styles.room} />}>{() => <Buttons />}</Later>
      </header>
      <main id="page" className={styles.page} tabIndex={-1}>
        <Outlet />
      </main>
    </div>
  );
}

function Buttons() {
  return (
    <>
      <Tooltip label="Alerts">
        <ActionIcon variant="subtle" color="gray" aria-label="Alerts" component={Link} to="/alerts">
          <Icon name="bell" />
        </ActionIcon>
      </Tooltip>
      <ColourButton />
    </>
  );
}

function Mark() {
  return (
    <svg viewBox="0 0 32 32" width={22} height={22} aria-hidden="true" className={styles.mark}>
      <circle cx="16" cy="16" r="3" className={styles.core} />
      <path d="M22.500 16a6.500 6.500 0 1 1-3.800-5.900" />
      <path d="M28 16a12 12 0 1 1-6.700-10.800" />
    </svg>
  );
}

function Crumbs() {
  const { project, run, sweep, artifact } = useParams({ strict: false });
  if (project === undefined) return <nav className={styles.crumbs} />;
  return (
    <nav className={styles.crumbs} aria-label="Where you are">
      <span className={styles.slash}>/</span>
      <Link to="/$project" params={{ project }} className={styles.crumb}>
        {nameOf(project)}
      </Link>
      {run !== undefined && (
        <>
          <span className={styles.slash}>/</span>
          <span className={styles.crumb} id="crumb-run">
            {nameOf(run)}
          </span>
        </>
      )}
      {sweep !== undefined && (
        <>
          <span className={styles.slash}>/</span>
          <span className={styles.crumb} id="crumb-sweep">
            {nameOf(sweep)}
          </span>
        </>
      )}
      {artifact !== undefined && (
        <>
          <span className={styles.slash}>/</span>
          <span className={styles.crumb}>{nameOf(artifact)}</span>
        </>
      )}
    </nav>
  );
}

function ColourButton() {
  const { setColorScheme } = useMantineColorScheme({ keepTransitions: true }); // switching them off would write a style element
  const now = useComputedColorScheme("light");
  const other = now === "dark" ? "light" : "dark";
  return (
    <Tooltip label={`Show it ${other}`}>
      <ActionIcon variant="subtle" color="gray" aria-label={`Show it ${other}`} onClick={() => setColorScheme(other)}>
        <Icon name={now === "dark" ? "sun" : "moon"} />
      </ActionIcon>
    </Tooltip>
  );
}
