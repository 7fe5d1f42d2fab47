/** What a page shows when something went wrong: what it was, and what to do. */
import { Button } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { Link, useParams } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { ApiError } from "../api/client";
import { Icon } from "./Icons";
import { nameOf } from "./links";
import styles from "./Trouble.module.css";

interface Props {
  error: unknown;
  title?: string;
  /** Whether there is nothing else on the page. */
  whole?: boolean;
  /** What more there is to say or to do. */
  children?: ReactNode;
}

export function Trouble({ error, title, whole = false, children }: Props) {
  const queries = useQueryClient();
  const Heading = whole ? "h1" : "h2";
  return (
    <div className={styles.trouble} role="alert">
      <Icon name="warning" size={22} />
      <div>
        <Heading className={styles.title}>{title ?? titleOf(error)}</Heading>
        <p className={styles.text}>{error instanceof Error ? error.message : String(error)}</p>
        {children}
        <div className={styles.ways}>
          {isMissing(error) && <Ways />}
          {error instanceof Error && (
            <Button size="xs" variant="default" onClick={() => queries.refetchQueries({ type: "active" })}>
              Try again
            </Button>
          )}
        </div>
      </div>
    </div>
  );
}

/** From what is not there to what is. */
function Ways() {
  const { project } = useParams({ strict: false });
  return (
    <>
      {project !== undefined && (
        <Button size="xs" component={Link} to="/$project" params={{ project } as never}>
          Runs of {nameOf(project)}
        </Button>
      )}
      <Button size="xs" variant="default" component={Link} to="/">
        All projects
      </Button>
    </>
  );
}

/** Of the server's answers one says so; an address that no page has is told in our own words. */
const isMissing = (error: unknown) => !(error instanceof Error) || (error instanceof ApiError && error.status === 404);

function titleOf(error: unknown): string {
  if (!(error instanceof ApiError)) return "Something went wrong";
  if (error.status === 0) return "No connection";
  if (error.status === 401) return "This browser is not let in";
  if (error.status === 404) return "There is no such thing here";
  return "The server could not answer";
}
