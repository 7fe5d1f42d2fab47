/** A column's head: a click sorts, its menu filters, groups, moves and hides. */
import { Menu } from "@mantine/core";
import { type DragEvent, memo, type RefObject, useRef, useState } from "react";
import type { RunRow } from "../api/types";
import { Icon } from "../shell/Icons";
import { OpenMenu } from "../shell/LateMenu";
import { clampWidth, type SetView, type View } from "../state/view";
import { type Cell, type Column, cellOf, condition, isGroupable, MOST_GROUPED, movedTo, quotedField } from "./columns";
import { placed } from "./placed";
import styles from "./RunsTable.module.css";

/** What heads know of the table, as it is when somebody asks. */
export interface Heads {
  columns: readonly Column[];
  view: View;
  setView: SetView;
  loaded: readonly RunRow[];
  sortBy: (field: string, descending: boolean | null, more: boolean) => void;
  onFilter: (condition: string) => void;
}

interface Props {
  column: Column;
  /** Whether runs are sorted by it: ascending (false), descending (true), not (null). */
  now: boolean | null;
  /** Its place among several columns that they are sorted by; 0 for none, or the only one. */
  place: number;
  heads: RefObject<Heads>;
}

const MOST_VALUES = 6;
const DRAGGED = "application/x-treering-column";

export const HeaderCell = memo(function HeaderCell({ column, now, place, heads }: Props) {
  const [open, setOpen] = useState(false);
  const button = useRef<HTMLButtonElement>(null);
  const { field, title, numeric, scope } = column;
  const sortable = field !== "tag";
  const close = () => {
    setOpen(false);
    button.current?.focus({ preventScroll: true });
  };
  return (
    <div
      role="columnheader"
      {...placed(column, styles.headBox)}
      data-column={field}
      aria-sort={sortWord(now)}
      onContextMenu={(event) => {
        event.preventDefault();
        setOpen(true);
      }}
    >
      <Resizer column={column} heads={heads} />
      <button
        ref={button}
        type="button"
        {...dragging(field, heads)}
        className={`${styles.header} ${numeric ? styles.numeric : ""} ${scope === "config" ? styles.config : ""}`}
        title={scope === "run" ? title : `${scope}.${title} (Shift-click sorts by it, too; right-click for more)`}
        aria-haspopup="menu"
        aria-expanded={open}
        onClick={(event) => {
          if (sortable) heads.current.sortBy(field, nextOrder(now), event.shiftKey);
          else setOpen(true);
        }}
        onKeyDown={(event) => {
          if (event.key !== "ArrowDown") return;
          // A menu hears the keys of the whole window, and would take the one that opened it for its own.
          event.preventDefault();
          event.stopPropagation();
          setOpen(true);
        }}
      >
        <span className={styles.text}>{title}</span>
        <SortMark now={now} place={place} />
      </button>
      {open && (
        <OpenMenu label={title} position="bottom-start" onClose={close}>
          <HeadMenu column={column} heads={heads.current} />
        </OpenMenu>
      )}
    </div>
  );
});

/** A click goes round: smallest first, largest first, as before. */
export function nextOrder(now: boolean | null): boolean | null {
  return now === null ? false : now ? null : true;
}

export function sortWord(now: boolean | null) {
  return now === null ? "none" : now ? "descending" : "ascending";
}

/** Which way runs are sorted by a column, and as the how-manieth of several. */
export function SortMark({ now, place }: Pick<Props, "now" | "place">) {
  if (now === null) return null;
  return (
    <>
      <Icon name={now ? "down" : "up"} size={11} />
      {place > 0 && <sub>{place}</sub>}
    </>
  );
}

/** What lets a head be dragged to where another one is. */
function dragging(field: string, heads: RefObject<Heads>) {
  return {
    draggable: true,
    onDragStart: (event: DragEvent) => {
      event.dataTransfer.setData(DRAGGED, field);
      event.dataTransfer.effectAllowed = "move";
    },
    onDragOver: (event: DragEvent) => {
      if (event.dataTransfer.types.includes(DRAGGED)) event.preventDefault();
    },
    onDrop: (event: DragEvent) => {
      const dropped = event.dataTransfer.getData(DRAGGED);
      const shown = heads.current.columns.map((one) => one.field);
      if (dropped) heads.current.setView({ columns: movedTo(shown, dropped, field) });
    },
  };
}

function HeadMenu({ column, heads }: { column: Column; heads: Heads }) {
  const { columns, view, setView, loaded, sortBy, onFilter } = heads;
  const { field, numeric } = column;
  const shown = columns.map((one) => one.field);
  const move = (by: number) => {
    const to = Math.min(Math.max(shown.indexOf(field) + by, 0), shown.length - 1);
    setView({ columns: movedTo(shown, field, shown[to] ?? field) });
  };
  const isFixed = view.fixed.includes(field);
  const resize = (by: number) => setView({ widths: resized(view.widths, field, column.width + by) });
  return (
    <Menu.Dropdown>
      {field !== "tag" && (
        <>
          <Menu.Item leftSection={<Icon name="up" size={13} />} onClick={() => sortBy(field, false, false)}>
            Smallest first
          </Menu.Item>
          <Menu.Item leftSection={<Icon name="down" size={13} />} onClick={() => sortBy(field, true, false)}>
            Largest first
          </Menu.Item>
          <Menu.Divider />
        </>
      )}
      <Menu.Label>Only runs with</Menu.Label>
      {values(loaded, field).map((cell) => (
        <Menu.Item key={cell.full} onClick={() => onFilter(condition(field, cell))}>
          {cell.text || "no value"}
        </Menu.Item>
      ))}
      {numeric && <Menu.Item onClick={() => onFilter(`${quotedField(field)} exists`)}>any value</Menu.Item>}
      <Menu.Divider />
      {isGroupable(field) && (
        <Menu.Item
          leftSection={<Icon name="group" size={13} />}
          onClick={() => setView({ group: [...new Set([...view.group, field])].slice(0, MOST_GROUPED) })}
        >
          Group by it
        </Menu.Item>
      )}
      <Menu.Item
        leftSection={<Icon name="pin" size={13} />}
        onClick={() => setView({ fixed: isFixed ? view.fixed.filter((one) => one !== field) : [...view.fixed, field] })}
      >
        {isFixed ? "Let it move" : "Keep it on the left"}
      </Menu.Item>
      <Menu.Item closeMenuOnClick={false} onClick={() => resize(24)}>
        Wider
      </Menu.Item>
      <Menu.Item closeMenuOnClick={false} onClick={() => resize(-24)}>
        Narrower
      </Menu.Item>
      <Menu.Item onClick={() => move(-1)}>Move left</Menu.Item>
      <Menu.Item onClick={() => move(1)}>Move right</Menu.Item>
      <Menu.Item
        leftSection={<Icon name="eyeOff" size={13} />}
        onClick={() => setView({ columns: shown.filter((one) => one !== field) })}
      >
        Hide the column
      </Menu.Item>
    </Menu.Dropdown>
  );
}

/** The edge of a column: dragged, or double-clicked for the width that it had; the menu has it for the keyboard. */
function Resizer({ column, heads }: Pick<Props, "column" | "heads">) {
  const begin = useRef<{ x: number; width: number } | null>(null);
  return (
    <span
      className={styles.resizer}
      data-resizes={column.field}
      aria-hidden="true"
      // The head has grown by the first move, and would be dragged by the second.
      onMouseDown={(event) => event.preventDefault()}
      onPointerDown={(event) => {
        event.currentTarget.setPointerCapture(event.pointerId);
        begin.current = { x: event.clientX, width: column.width };
      }}
      onPointerMove={(event) => {
        if (!begin.current) return;
        const width = begin.current.width + event.clientX - begin.current.x;
        heads.current.setView({ widths: resized(heads.current.view.widths, column.field, width) });
      }}
      onPointerUp={() => {
        begin.current = null;
      }}
      onDoubleClick={() => {
        const widths = new Map(heads.current.view.widths);
        widths.delete(column.field);
        heads.current.setView({ widths });
      }}
    />
  );
}

function resized(widths: View["widths"], field: string, width: number): View["widths"] {
  return new Map([...widths, [field, clampWidth(width)]]);
}

function values(loaded: readonly RunRow[], field: string): Cell[] {
  const found = new Map<string, Cell>();
  for (const run of loaded) {
    const cells =
      field === "tag" ? run.tags.map((tag) => ({ text: tag, full: tag, number: undefined })) : [cellOf(run, field)];
    for (const cell of cells) if (found.size < MOST_VALUES) found.set(cell.full, cell);
  }
  return ["created", "duration"].includes(field) ? [] : [...found.values()];
}
