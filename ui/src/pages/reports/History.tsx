/** The versions of a report: who saved them, when, and which of them was brought back. */
import { Link } from "@tanstack/react-router";
import { ago, exact } from "../../format/time";
import { segment } from "../../shell/links";
import { partOf, type Report, useVersions } from "./api";
import styles from "./Panels.module.css";

export function History({ report }: { report: Report }) {
  const { data, error } = useVersions(report.id);
  return (
    <section className={styles.panel}>
      <h2 className={styles.title}>Versions</h2>
      {error && <p className={styles.error}>{error.message}</p>}
      <ol className={styles.versions} reversed>
        {(data ?? []).map((version) => {
          const isNewest = version.number === report.version;
          const search = { panel: "history", ...(isNewest ? {} : { version: String(version.number) }) };
          return (
            <li key={version.number} data-shown={version.number === report.shown || undefined}>
              <Link
                to="/$project/reports/$report"
                params={{ project: segment(report.project), report: partOf(report) }}
                search={search as never}
                aria-current={version.number === report.shown ? "true" : undefined}
              >
                Version {version.number}
              </Link>
              <span className={styles.meta}>
                <time title={exact(version.time_us)}>{ago(version.time_us)}</time>
                {version.author && <span className={styles.name}>{version.author}</span>}
              </span>
              {version.title !== report.title && <span className={styles.was}>“{version.title}”</span>}
              {version.restored !== null && (
                <span className={styles.meta}>brought back version {version.restored}</span>
              )}
            </li>
          );
        })}
      </ol>
    </section>
  );
}
