/** A group in the table: what its runs have in common, how many there are, and how far their values are apart. */
import { Checkbox } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { get } from "../api/client";
import type { RunsPage } from "../api/types";
import { Icon } from "../shell/Icons";
import { Swatch } from "../shell/Swatch";
import { cellOfGroup, titleOfGroup } from "./columns";
import { within } from "./grouped";
import { placed } from "./placed";
import type { TableProps } from "./RunsTable";
import styles from "./RunsTable.module.css";
import type { TableItem } from "./useGroups";

type GroupItem = Extract<TableItem, { kind: "group" }>;

interface Props extends Omit<TableProps, "at" | "pinned" | "total" | "onRange"> {
  item: GroupItem;
  template: string;
  top: number;
  index: number;
}

/** More runs than this are chosen with a filter. */
const MOST_SELECTED = 1000;

export function GroupLine(props: Props) {
  const { item, template, top, index, columns, view, setView } = props;
  const { group, path, level, isOpen, isInnermost } = item;
  const title = titleOfGroup(group);
  const toggle = () => {
    const open = new Set(view.open);
    if (!open.delete(path)) open.add(path);
    setView({ open });
  };
  return (
    <div
      className={`${styles.row} ${styles.placed} ${styles.groupLine}`}
      style={{ gridTemplateColumns: template, transform: `translateY(${top}px)` }}
      role="row"
      aria-rowindex={index + 2}
      data-group={path}
    >
      <div className={`${styles.cell} ${styles.name}`} role="cell" style={{ paddingLeft: 8 + 14 * level }}>
        <SelectGroup {...props} title={title} />
        <button
          type="button"
          className={styles.fold}
          aria-expanded={isOpen}
          aria-label={`Runs with ${title}`}
          title={title}
          onClick={toggle}
        >
          <Icon name={isOpen ? "chevronDown" : "chevronRight"} size={13} />
          <span className={styles.text}>{title}</span>
        </button>
        {isInnermost && <DrawGroup {...props} title={title} />}
        <span className={styles.total}>{group.runs.toLocaleString("en")}</span>
      </div>
      {columns.map((column) => {
        const cell = cellOfGroup(group, column.field, view.statistic);
        return (
          <div
            key={column.field}
            {...placed(column, styles.cell, column.numeric && styles.numeric)}
            role="cell"
            title={cell.full}
          >
            <span className={styles.text}>{cell.text}</span>
          </div>
        );
      })}
    </div>
  );
}

function DrawGroup({ item, groupLooks, view, setView, title }: Props & { title: string }) {
  const name = `=${item.path}`;
  const hidden = view.hidden.has(name);
  const toggle = () => {
    const next = new Set(view.hidden);
    if (!next.delete(name)) next.add(name);
    setView({ hidden: next });
  };
  return (
    <button
      type="button"
      className={styles.swatch}
      onClick={toggle}
      aria-pressed={!hidden}
      aria-label={hidden ? `Draw runs with ${title}` : `Do not draw runs with ${title}`}
    >
      {hidden ? <Icon name="eyeOff" size={13} className={styles.faint} /> : <Swatch look={groupLooks.get(item.path)} />}
    </button>
  );
}

/** Selects all runs of a group, wherever the table is scrolled to. */
function SelectGroup({ item, project, filter, view, selected, onSelect, onSeen, title }: Props & { title: string }) {
  const found = useMutation({
    mutationFn: () =>
      get<RunsPage>("/runs", {
        project,
        filter: within(filter, item.path),
        search: view.find || undefined,
        limit: MOST_SELECTED,
      }),
    onSuccess: ({ runs }) => {
      onSeen(runs);
      const next = new Set(selected);
      const all = runs.every((run) => next.has(run.id));
      for (const run of runs) {
        if (all) next.delete(run.id);
        else next.add(run.id);
      }
      onSelect(next);
    },
  });
  const known = found.data?.runs ?? [];
  const chosen = known.filter((run) => selected.has(run.id)).length;
  return (
    <Checkbox
      size="xs"
      aria-label={`Select runs with ${title}`}
      checked={chosen > 0 && chosen === known.length}
      indeterminate={chosen > 0 && chosen < known.length}
      disabled={found.isPending}
      onChange={() => found.mutate()}
    />
  );
}
