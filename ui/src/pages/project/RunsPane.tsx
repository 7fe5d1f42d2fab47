/** The left side: filter, columns, what to do with selected runs, the table. */
import { useCallback, useMemo, useRef, useState } from "react";
import type { GroupRow, RunRow } from "../../api/types";
import type { Look } from "../../charts/palette";
import { Later } from "../../shell/Later";
import type { SetView, View } from "../../state/view";
import { BulkBar, Change, type Task } from "../../table/BulkBar";
import { ColumnPicker } from "../../table/ColumnPicker";
import type { Column } from "../../table/columns";
import type { ValueColumn } from "../../table/defaults";
import { FilterBar } from "../../table/FilterBar";
import { GroupPicker } from "../../table/GroupPicker";
import { QuickBar } from "../../table/QuickBar";
import { RunsTable } from "../../table/RunsTable";
import type { GroupedRuns } from "../../table/useGroups";
import type { FoundRuns } from "../../table/useRuns";
import styles from "./ProjectPage.module.css";

interface Props {
  project: string;
  runs: FoundRuns;
  /** The same runs in groups; null where they are not grouped. */
  groups: GroupedRuns | null;
  groupLooks: ReadonlyMap<string, Look>;
  /** What the shown runs fit, states included. */
  filter: string;
  /** Runs by their states. */
  states: readonly GroupRow[];
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
  const { project, runs, groups, special, columns, known, view, setView, selected, onSelect } = props;
  const tags = useMemo(() => [...new Set(runs.first.flatMap((run) => run.tags))].sort(), [runs.first]);
  const [asked, setAsked] = useState<readonly RunRow[]>([]);
  const seen = useSeen([asked, special.pinned, runs.loaded, groups?.runs]);
  const chosen = [...selected].flatMap((id) => seen.get(id) ?? []);
  const at = useCallback((index: number) => ({ kind: "run" as const, run: runs.at(index), level: 0 }), [runs.at]);
  const states = Object.fromEntries(props.states.map((group) => [String(group.keys[0]?.value), group.runs]));
  const [changing, setChanging] = useState<{ run: RunRow; what: Task } | null>(null);
  const change = useCallback((run: RunRow, what: Task) => setChanging({ run, what }), []);
  const only = () =>
    setView({ hidden: new Set(runs.first.filter((run) => !selected.has(run.id)).map((run) => run.id)) });
  return (
    <section className={styles.pane} aria-label="Runs">
      <div className={styles.bar}>
        <Later room={<BarRoom />}>
          {() => (
            <>
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
              <GroupPicker known={known} view={view} setView={setView} />
            </>
          )}
        </Later>
      </div>
      <QuickBar view={view} setView={setView} states={states} baseline={special.baseline} />
      <BulkBar runs={chosen} project={project} onDone={() => onSelect(new Set())} onOnly={only} />
      {runs.total === 0 && !runs.isLoading ? (
        <p className={styles.nothing}>No run of this project fits the filter.</p>
      ) : (
        <RunsTable
          project={project}
          columns={columns}
          total={runs.total}
          rows={groups ? groups.total : runs.total}
          at={groups ? groups.at : at}
          pinned={special.pinned}
          baseline={special.baseline}
          looks={props.looks}
          groupLooks={props.groupLooks}
          filter={props.filter}
          onSeen={setAsked}
          selected={selected}
          onSelect={onSelect}
          view={view}
          setView={setView}
          onRange={props.onRange}
          onFilter={props.onFilter}
          onChange={change}
        />
      )}
      {changing && (
        <Change
          key={changing.run.id}
          dialog={changing.what}
          runs={[changing.run]}
          project={project}
          onClose={() => setChanging(null)}
          onDone={() => onSelect(new Set([...selected].filter((id) => id !== changing.run.id)))}
        />
      )}
    </section>
  );
}

function BarRoom() {
  return (
    <>
      <span className={`field-room ${styles.filter}`} />
      <span className={`field-room ${styles.square}`} />
      <span className={`field-room ${styles.square}`} />
    </>
  );
}

/** Runs that have been here, by id, as they were last: a selection outlives what is scrolled to. */
function useSeen(lists: readonly (readonly RunRow[] | undefined)[]): ReadonlyMap<string, RunRow> {
  const seen = useRef(new Map<string, RunRow>());
  for (const list of lists) for (const run of list ?? []) seen.current.set(run.id, run);
  return seen.current;
}
