/** In place of a run that is not there: those that may have been meant, and the way to all of them. */
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { get } from "../../api/client";
import type { RunsPage } from "../../api/types";
import { segment } from "../../shell/links";
import { Trouble } from "../../shell/Trouble";
import styles from "./NoRun.module.css";
import { nearest } from "./near";

/** Among so many of the newest runs somebody's is looked for. */
const LOOKED_AT = 1000;

export function NoRun({ id, project, error }: { id: string; project: string; error: unknown }) {
  const { data } = useQuery({
    queryKey: ["near", project],
    queryFn: ({ signal }) => get<RunsPage>("/runs", { project, limit: LOOKED_AT }, signal),
  });
  const near = nearest(id, data?.runs ?? []);
  return (
    <Trouble whole error={error} title="There is no such run">
      {near.length > 0 && (
        <>
          <p className={styles.ask}>Was one of these meant?</p>
          <ul className={styles.near}>
            {near.map((run) => (
              <li key={run.id}>
                <Link to="/$project/runs/$run" params={{ project: segment(project), run: segment(run.id) }}>
                  {run.name}
                </Link>{" "}
                <code>{run.id}</code>
              </li>
            ))}
          </ul>
        </>
      )}
    </Trouble>
  );
}
