/** The text of a report as it is read. */
import { memo, useMemo } from "react";
import styles from "./Article.module.css";
import { Block } from "./Blocks";
import { markdown } from "./markdown";

export const Article = memo(function Article({ project, text }: { project: string; text: string }) {
  const made = useMemo(
    () =>
      markdown(text, (kind, inside) =>
        kind === "chart" || kind === "runs" ? <Block project={project} kind={kind} text={inside} /> : undefined,
      ),
    [project, text],
  );
  return <div className={styles.article}>{made}</div>;
});
