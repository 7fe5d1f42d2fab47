/** All projects of the store; with none, how to begin. */

import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { get } from "../../api/client";
import type { Project } from "../../api/types";
import { things } from "../../format/numbers";
import { ago, exact } from "../../format/time";
import { segment } from "../../shell/links";
import { Trouble } from "../../shell/Trouble";
import { FirstSteps } from "./FirstSteps";
import styles from "./ProjectsPage.module.css";

export function ProjectsPage() {
  const { data, error } = useQuery({
    queryKey: ["projects"],
    queryFn: ({ signal }) => get<Project[]>("/projects", {}, signal),
    refetchInterval: 5000,
  });
  if (error) return <Trouble whole error={error} />;
  if (!data) return null;
  if (data.length === 0) return <FirstSteps />;
  return (
    <div className={styles.page}>
      <h1 className={styles.title}>Projects</h1>
      <ul className={styles.list}>
        {data.map((project) => (
          <li key={project.name}>
            <Link to="/$project" params={{ project: segment(project.name) }} className={styles.card}>
              <span className={styles.name}>{project.name}</span>
              <span className={styles.count}>
                {things(project.runs, "run")}
                {project.running > 0 && (
                  <span className={styles.running}>{project.running.toLocaleString("en")} running</span>
                )}
              </span>
              <span className={styles.count}>
                changed <time title={exact(project.changed_us)}>{ago(project.changed_us)}</time>
              </span>
            </Link>
          </li>
        ))}
      </ul>
    </div>
  );
}
