/** The parts of a project: its runs, and what belongs to it beside them. */
import { Link, useParams, useRouterState } from "@tanstack/react-router";
import styles from "./ProjectNav.module.css";

/** In the order in which they are shown; `part` is what follows the project in an address, "" for the project itself. */
export const PARTS = [
  { label: "Runs", part: "", to: "/$project" },
  { label: "Sweeps", part: "sweeps", to: "/$project/sweeps" },
  { label: "Artifacts", part: "artifacts", to: "/$project/artifacts" },
  { label: "Reports", part: "reports", to: "/$project/reports" },
] as const;

export function ProjectNav() {
  const { project } = useParams({ strict: false });
  const route = useRouterState({ select: (state) => state.matches.at(-1)?.routeId ?? "" });
  if (project === undefined) return null;
  const now = PARTS.find(({ part }) => part && part === route.split("/")[2])?.part ?? "";
  return (
    <nav className={styles.nav} aria-label="Parts of the project">
      {PARTS.map(({ label, part, to }) => (
        <Link
          key={part}
          to={to}
          params={{ project }}
          className={styles.part}
          data-now={part === now || undefined}
          aria-current={part === now ? "page" : undefined}
        >
          {label}
        </Link>
      ))}
    </nav>
  );
}
