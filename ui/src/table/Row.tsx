/** A run in the table. */
import { Menu } from "@mantine/core";
import { type MouseEvent, memo } from "react";
import { ROOT } from "../api/client";
import type { RunRow } from "../api/types";
import { hover, useIsHovered } from "../charts/hover";
import type { Look } from "../charts/palette";
import { percent } from "../format/numbers";
import { Icon } from "../shell/Icons";
import { LateMenu } from "../shell/LateMenu";
import { segment } from "../shell/links";
import { Swatch } from "../shell/Swatch";
import type { Task } from "./BulkBar";
import { ColourItems } from "./ColourItems";
import { type Column, cellOf, condition } from "./columns";
import { placed } from "./placed";
import styles from "./RunsTable.module.css";
import { Tick } from "./Tick";

/** What can be done with a run. It is the same object for good, so that rows are drawn anew by what they show alone. */
export interface RowActs {
  draw: (id: string) => void;
  select: (id: string) => void;
  pin: (id: string) => void;
  compare: (id: string) => void;
  open: (id: string) => void;
  filter: (condition: string) => void;
  change: (run: RunRow, what: Task) => void;
}

interface Props {
  project: string;
  run: RunRow | undefined;
  columns: readonly Column[];
  template: string;
  top?: number;
  index?: number;
  /** How deep in groups. */
  level?: number;
  look: Look | undefined;
  isHidden: boolean;
  isChosen: boolean;
  isPinned: boolean;
  /** Whether it stands above the others. */
  isOnTop?: boolean;
  baseline: RunRow | undefined;
  acts: RowActs;
}

export const Row = memo(function Row(props: Props) {
  const { run, template, top, index, columns, isChosen, acts } = props;
  const hovered = useIsHovered(run?.id);
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
  return (
    <div
      className={`${styles.row} ${placed} ${hovered ? styles.hovered : ""} ${isChosen ? styles.chosen : ""}`}
      style={style}
      role="row"
      aria-rowindex={(index ?? 0) + 2}
      data-run={run.id}
      onMouseEnter={() => hover({ run: run.id })}
      onMouseLeave={() => hover({ run: null })}
    >
      <NameCell {...props} run={run} />
      {columns.map((column) => (
        <ValueCell key={column.field} run={run} column={column} baseline={props.baseline} onFilter={acts.filter} />
      ))}
    </div>
  );
});

type RunProps = Props & { run: RunRow };

function NameCell(props: RunProps) {
  const { run, look, isHidden, isChosen, project, acts } = props;
  return (
    <div
      className={`${styles.cell} ${styles.name}`}
      role="cell"
      style={props.level ? { paddingLeft: 8 + 14 * props.level } : undefined}
    >
      <Tick label={`Select ${run.name}`} checked={isChosen} onChange={() => acts.select(run.id)} />
      <button
        type="button"
        className={styles.swatch}
        onClick={() => acts.draw(run.id)}
        aria-pressed={!isHidden}
        aria-label={isHidden ? `Draw ${run.name}` : `Do not draw ${run.name}`}
        title={
          look || isHidden
            ? isHidden
              ? "Not drawn; click to draw"
              : "Drawn; click to hide"
            : "Further down than the runs that are drawn"
        }
      >
        {isHidden ? <Icon name="eyeOff" size={13} className={styles.faint} /> : <Swatch look={look} />}
      </button>
      <a
        href={`${ROOT}/${encodeURIComponent(segment(project))}/runs/${encodeURIComponent(segment(run.id))}`}
        className={styles.link}
        title={`${run.name} (${run.id})`}
        onClick={(event) => {
          if (!isPlain(event)) return;
          event.preventDefault();
          acts.open(run.id);
        }}
      >
        {run.name}
      </a>
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
      {props.baseline?.id === run.id && (
        <span className={styles.baseline} role="img" aria-label="baseline" title="The others are compared with it">
          <Icon name="compare" size={13} />
        </span>
      )}
      {props.isOnTop && <Icon name="pin" size={12} className={styles.faint} />}
      <LateMenu
        // Another run comes to this place when the table is sorted; the menu is of the one that it was opened for.
        key={run.id}
        label={`More for ${run.name}`}
        position="bottom-start"
        button={(given) => (
          <button type="button" className={styles.more} {...given}>
            <Icon name="dots" size={14} />
          </button>
        )}
        content={() => <RowItems {...props} />}
      />
    </div>
  );
}

/** A click that a browser would not open elsewhere. */
function isPlain(event: MouseEvent): boolean {
  return event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
}

function RowItems({ run, baseline, isPinned, project, acts }: RunProps) {
  return (
    <Menu.Dropdown>
      <Menu.Item leftSection={<Icon name="pin" size={13} />} onClick={() => acts.pin(run.id)}>
        {isPinned ? "Unpin" : "Pin to the top"}
      </Menu.Item>
      <Menu.Item leftSection={<Icon name="compare" size={13} />} onClick={() => acts.compare(run.id)}>
        {baseline?.id === run.id ? "No baseline" : "Compare all with it"}
      </Menu.Item>
      <Menu.Divider />
      <Menu.Item leftSection={<Icon name="tag" size={13} />} onClick={() => acts.change(run, "tags")}>
        Tags …
      </Menu.Item>
      <Menu.Item leftSection={<Icon name="edit" size={13} />} onClick={() => acts.change(run, "edit")}>
        Name and notes …
      </Menu.Item>
      <Menu.Item leftSection={<Icon name="trash" size={13} />} onClick={() => acts.change(run, "delete")}>
        Delete …
      </Menu.Item>
      <Menu.Divider />
      <ColourItems run={run} project={project} />
    </Menu.Dropdown>
  );
}

const STATES: Record<string, string | undefined> = styles;

const ValueCell = memo(function ValueCell({
  run,
  column,
  baseline,
  onFilter,
}: {
  run: RunRow;
  column: Column;
  baseline: RunRow | undefined;
  onFilter: RowActs["filter"];
}) {
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
});

function Difference({ of, to }: { of: number | undefined; to: number | undefined }) {
  if (of === undefined || to === undefined || to === 0 || of === to) return null;
  return <span className={styles.difference}>{percent((100 * (of - to)) / Math.abs(to))}</span>;
}
