/** A run in the table. */
import { ActionIcon, Checkbox, Menu } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { memo } from "react";
import type { RunRow } from "../api/types";
import { hover, useHoveredRun } from "../charts/hover";
import { percent } from "../format/numbers";
import { Icon } from "../shell/Icons";
import { segment } from "../shell/links";
import { Swatch } from "../shell/Swatch";
import { ColourItems } from "./ColourItems";
import { type Column, cellOf, condition } from "./columns";
import { placed } from "./placed";
import type { TableProps } from "./RunsTable";
import styles from "./RunsTable.module.css";

type Props = Omit<TableProps, "at" | "pinned" | "total" | "rows" | "onRange"> & {
  run: RunRow | undefined;
  template: string;
  top?: number;
  index?: number;
  /** How deep in groups. */
  level?: number;
  isPinned?: boolean;
};

export const Row = memo(function Row(props: Props) {
  const { run, template, top, index, columns, selected } = props;
  const hovered = useHoveredRun() === run?.id && run !== undefined;
  const style = { gridTemplateColumns: template, ...(top === undefined ? {} : { transform: `translateY(${top}px)` }) };
  const placed = top === undefined ? "" : styles.placed;
  if (!run) {
    return (
      <div className={`${styles.row} ${placed}`} style={style} role="row" aria-rowindex={(index ?? 0) + 2}>
        <div className={`${styles.cell} ${styles.name}`} role="cell">
          <div className={styles.skeleton} />
        </div>
      </div>
    );
  }
  const chosen = selected.has(run.id);
  return (
    <div
      className={`${styles.row} ${placed} ${hovered ? styles.hovered : ""} ${chosen ? styles.chosen : ""}`}
      style={style}
      role="row"
      aria-rowindex={(index ?? 0) + 2}
      data-run={run.id}
      onMouseEnter={() => hover({ run: run.id })}
      onMouseLeave={() => hover({ run: null })}
    >
      <NameCell {...props} run={run} />
      {columns.map((column) => (
        <ValueCell key={column.field} run={run} column={column} baseline={props.baseline} onFilter={props.onFilter} />
      ))}
    </div>
  );
});

function NameCell(props: Props & { run: RunRow }) {
  const { run, selected, onSelect, looks, view, setView, project, isPinned } = props;
  const look = looks.get(run.id);
  const hidden = view.hidden.has(run.id);
  const toggle = () => {
    const next = new Set(view.hidden);
    if (!next.delete(run.id)) next.add(run.id);
    setView({ hidden: next });
  };
  const select = () => {
    const next = new Set(selected);
    if (!next.delete(run.id)) next.add(run.id);
    onSelect(next);
  };
  return (
    <div
      className={`${styles.cell} ${styles.name}`}
      role="cell"
      style={props.level ? { paddingLeft: 8 + 14 * props.level } : undefined}
    >
      <Checkbox size="xs" aria-label={`Select ${run.name}`} checked={selected.has(run.id)} onChange={select} />
      <button
        type="button"
        className={styles.swatch}
        onClick={toggle}
        aria-pressed={!hidden}
        aria-label={hidden ? `Draw ${run.name}` : `Do not draw ${run.name}`}
        title={
          look || hidden
            ? hidden
              ? "Not drawn; click to draw"
              : "Drawn; click to hide"
            : "Further down than the runs that are drawn"
        }
      >
        {hidden ? <Icon name="eyeOff" size={13} className={styles.faint} /> : <Swatch look={look} />}
      </button>
      <Link
        to="/$project/runs/$run"
        params={{ project: segment(project), run: segment(run.id) }}
        className={styles.link}
        title={`${run.name} (${run.id})`}
        preload={false}
      >
        {run.name}
      </Link>
      {run.state !== "finished" && (
        <span
          className={`${styles.state} ${STATES[run.state] ?? ""}`}
          role="img"
          aria-label={run.state}
          title={run.state}
        >
          <span className={styles.dot} />
        </span>
      )}
      {isPinned && <Icon name="pin" size={12} className={styles.faint} />}
      <RowMenu {...props} run={run} />
    </div>
  );
}

function RowMenu({ run, view, setView, project }: Props & { run: RunRow }) {
  const pinned = view.pinned.includes(run.id);
  const base = view.baseline === run.id;
  return (
    <Menu position="bottom-start" withinPortal>
      <Menu.Target>
        <ActionIcon className={styles.more} variant="subtle" color="gray" size="sm" aria-label={`More for ${run.name}`}>
          <Icon name="dots" size={14} />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Item
          leftSection={<Icon name="pin" size={13} />}
          onClick={() =>
            setView({ pinned: pinned ? view.pinned.filter((id) => id !== run.id) : [...view.pinned, run.id] })
          }
        >
          {pinned ? "Unpin" : "Pin to the top"}
        </Menu.Item>
        <Menu.Item
          leftSection={<Icon name="compare" size={13} />}
          onClick={() => setView({ baseline: base ? null : run.id })}
        >
          {base ? "No baseline" : "Compare all with it"}
        </Menu.Item>
        <ColourItems run={run} project={project} />
      </Menu.Dropdown>
    </Menu>
  );
}

const STATES: Record<string, string | undefined> = styles;

function ValueCell({
  run,
  column,
  baseline,
  onFilter,
}: { run: RunRow; column: Column } & Pick<Props, "baseline" | "onFilter">) {
  const { field, numeric, scope } = column;
  const cell = cellOf(run, field);
  const narrow = cell.text && field !== "created" && field !== "duration";
  return (
    <div
      {...placed(column, styles.cell, numeric && styles.numeric)}
      role="cell"
      title={cell.full}
      onDoubleClick={() => narrow && onFilter(condition(field, cell))}
    >
      {field === "state" ? (
        <span className={`${styles.state} ${STATES[run.state] ?? ""}`}>
          <span className={styles.dot} />
          <span className={styles.text}>{run.state}</span>
        </span>
      ) : field === "tag" ? (
        run.tags.map((tag) => (
          <button
            type="button"
            key={tag}
            className={styles.tag}
            title={`Only runs tagged ${tag}`}
            onClick={() => onFilter(condition("tag", { text: tag, full: tag, number: undefined }))}
            onDoubleClick={(event) => event.stopPropagation()}
          >
            {tag}
          </button>
        ))
      ) : (
        <>
          {scope === "summary" && baseline && baseline.id !== run.id && (
            <Difference of={cell.number} to={cellOf(baseline, field).number} />
          )}
          <span className={styles.text}>{cell.text}</span>
        </>
      )}
    </div>
  );
}

function Difference({ of, to }: { of: number | undefined; to: number | undefined }) {
  if (of === undefined || to === undefined || to === 0 || of === to) return null;
  return <span className={styles.difference}>{percent((100 * (of - to)) / Math.abs(to))}</span>;
}
