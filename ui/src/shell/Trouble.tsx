/** What a page shows when something went wrong: what it was, and what to do. */
import { Button } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { ApiError } from "../api/client";
import { Icon } from "./Icons";
import styles from "./Trouble.module.css";

interface Props {
  error: unknown;
  title?: string;
  /** What can be done; asking the server again where nothing is said. */
  children?: ReactNode;
}

export function Trouble({ error, title, children }: Props) {
  const queries = useQueryClient();
  return (
    <div className={styles.trouble} role="alert">
      <Icon name="warning" size={22} />
      <div>
        <h2 className={styles.title}>{title ?? titleOf(error)}</h2>
        <p className={styles.text}>{error instanceof Error ? error.message : String(error)}</p>
        {children ?? (
          <Button size="xs" variant="default" onClick={() => queries.refetchQueries({ type: "active" })}>
            Try again
          </Button>
        )}
      </div>
    </div>
  );
}

function titleOf(error: unknown): string {
  if (!(error instanceof ApiError)) return "Something went wrong";
  if (error.status === 0) return "No connection";
  if (error.status === 401) return "This browser is not let in";
  if (error.status === 404) return "There is no such thing here";
  return "The server could not answer";
}
