/** What happened in a registry: who linked, moved, named or deleted what, and why. It only grows. */
import { ago, exact } from "../../format/time";
import type { PartProps } from "./ArtifactPage";
import styles from "./Artifacts.module.css";

export function HistoryPart({ page }: PartProps) {
  return (
    <ol className={styles.events}>
      {page.events.map((event) => (
        <li key={`${event.time_us} ${event.text}`}>
          <span className={styles.eventText}>{event.text}</span>
          <span className={styles.dim}>
            {event.who} · <time title={exact(event.time_us)}>{ago(event.time_us)}</time>
          </span>
        </li>
      ))}
    </ol>
  );
}
