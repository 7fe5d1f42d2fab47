/** The curves of the runs, one over the other: one cursor, one zoom for all charts. */
import { useMemo } from "react";
import { useView } from "../../state/view";
import { ChartsPane } from "../project/ChartsPane";
import styles from "./Compare.module.css";
import type { PartProps } from "./ComparePage";

export function CurvesPart({ project, compared, looks }: PartProps) {
  const [view, setView] = useView();
  const { runs } = compared;
  const drawn = useMemo(
    () =>
      runs.map((run, at) => ({
        id: run.id,
        label: run.name,
        look: looks[at] ?? { colour: "#888888", dash: [] },
        group: null,
        running: run.state === "running",
      })),
    [runs, looks],
  );
  const plain = useMemo(() => ({ ...view, group: [], hidden: new Set<string>() }), [view]);
  return (
    <div className={styles.curves}>
      <ChartsPane project={project} drawn={drawn} total={drawn.length} view={plain} setView={setView} />
    </div>
  );
}
