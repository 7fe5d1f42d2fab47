/** The text of a report as it is read. */
import { memo, useMemo } from "react";
import styles from "./Article.module.css";
import { Block } from "./Blocks";
import { markdown } from "./markdown";

interface Props {
  project: string;
  text: string;
  /** Elements tell which line of the text they begin in. */
  lines?: boolean;
}

export const Article = memo(function Article({ project, text, lines = false }: Props) {
  const made = useMemo(() => {
    const block = (kind: string, inside: string, line: number) =>
      kind === "chart" || kind === "runs" ? (
        <Block project={project} kind={kind} text={inside} line={lines ? line : undefined} />
      ) : undefined;
    return markdown(text, block, lines);
  }, [project, text, lines]);
  return <div className={styles.article}>{made}</div>;
});
