/** What a page shows when something went wrong: what it was, and what to do. */
import { Button } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { ApiError } from "../api/client";
import { Icon } from "./Icons";
import styles from "./Trouble.module.css";

export function Trouble({ error, title }: { error: unknown; title?: string }) {
  const queries = useQueryClient();
  return (
    <div className={styles.trouble} role="alert">
      <Icon name="warning" size={22} />
      <div>
        <h2 className={styles.title}>{title ?? titleOf(error)}</h2>
        <p className={styles.text}>{error instanceof Error ? error.message : String(error)}</p>
        <Button size="xs" variant="default" onClick={() => queries.refetchQueries({ type: "active" })}>
          Try again
        </Button>
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
