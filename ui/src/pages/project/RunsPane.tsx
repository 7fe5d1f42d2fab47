/** The left side: filter, columns, what to do with selected runs, the table. */
import { useMemo } from "react";
import type { RunRow } from "../../api/types";
import type { Look } from "../../charts/palette";
import type { SetView, View } from "../../state/view";
import { BulkBar } from "../../table/BulkBar";
import { ColumnPicker } from "../../table/ColumnPicker";
import type { Column, ValueColumn } from "../../table/columns";
import { FilterBar } from "../../table/FilterBar";
import { RunsTable } from "../../table/RunsTable";
import type { FoundRuns } from "../../table/useRuns";
import styles from "./ProjectPage.module.css";

interface Props {
  project: string;
  runs: FoundRuns;
  special: { pinned: readonly RunRow[]; baseline: RunRow | undefined };
  columns: readonly Column[];
  known: readonly ValueColumn[];
  looks: ReadonlyMap<string, Look>;
  view: View;
  setView: SetView;
  selected: ReadonlySet<string>;
  onSelect: (ids: ReadonlySet<string>) => void;
  onRange: (from: number, to: number) => void;
  onFilter: (condition: string) => void;
  unreadable: string | null;
}

export function RunsPane(props: Props) {
  const { project, runs, special, columns, known, view, setView, selected, onSelect } = props;
  const tags = useMemo(() => [...new Set(runs.first.flatMap((run) => run.tags))].sort(), [runs.first]);
  const chosen = [...runs.first, ...special.pinned].filter(
    (run, i, all) => selected.has(run.id) && all.findIndex((one) => one.id === run.id) === i,
  );
  const only = () =>
    setView({ hidden: new Set(runs.first.filter((run) => !selected.has(run.id)).map((run) => run.id)) });
  return (
    <section className={styles.pane} aria-label="Runs">
      <div className={styles.bar}>
        <FilterBar
          value={view.filter}
          onChange={(filter) => setView({ filter })}
          columns={known}
          tags={tags}
          error={props.unreadable}
        />
        <ColumnPicker
          known={known}
          shown={columns.map((column) => column.field)}
          onChange={(fields) => setView({ columns: fields })}
        />
      </div>
      <BulkBar runs={chosen} project={project} onDone={() => onSelect(new Set())} onOnly={only} />
      {runs.total === 0 && !runs.isLoading && view.filter ? (
        <p className={styles.nothing}>No run of this project fits the filter.</p>
      ) : (
        <RunsTable
          project={project}
          columns={columns}
          total={runs.total}
          at={runs.at}
          pinned={special.pinned}
          baseline={special.baseline}
          looks={props.looks}
          selected={selected}
          onSelect={onSelect}
          view={view}
          setView={setView}
          onRange={props.onRange}
          onFilter={props.onFilter}
        />
      )}
    </section>
  );
}
