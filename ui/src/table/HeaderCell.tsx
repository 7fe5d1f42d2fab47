/** A column's head: a click sorts, its menu filters, groups, moves and hides. */
import { Menu } from "@mantine/core";
import { type DragEvent, useRef, useState } from "react";
import type { RunRow } from "../api/types";
import { Icon } from "../shell/Icons";
import { clampWidth, type SetView, type View } from "../state/view";
import { type Cell, type Column, cellOf, condition, isGroupable, MOST_GROUPED, movedTo, quotedField } from "./columns";
import { placed } from "./placed";
import styles from "./RunsTable.module.css";

interface Props {
  column: Column;
  columns: readonly Column[];
  view: View;
  setView: SetView;
  loaded: readonly RunRow[];
  sortBy: (field: string, descending: boolean | null, more: boolean) => void;
  onFilter: (condition: string) => void;
}

const MOST_VALUES = 6;
const DRAGGED = "application/x-treering-column";

export function HeaderCell({ column, columns, view, setView, loaded, sortBy, onFilter }: Props) {
  const [open, setOpen] = useState(false);
  const { field, title, numeric, scope } = column;
  const at = view.sort.findIndex((key) => key.field === field);
  const now = at < 0 ? null : (view.sort[at]?.descending ?? false);
  const sortable = field !== "tag";
  // A click goes round: smallest first, largest first, as before.
  const next = now === null ? false : now ? null : true;
  return (
    <div
      role="columnheader"
      {...placed(column, styles.headBox)}
      data-column={field}
      aria-sort={now === null ? "none" : now ? "descending" : "ascending"}
      onContextMenu={(event) => {
        event.preventDefault();
        setOpen(true);
      }}
    >
      <Resizer column={column} view={view} setView={setView} />
      <Menu opened={open} onChange={setOpen} position="bottom-start" trigger="click" withinPortal openDelay={0}>
        <Menu.Target>
          <button
            type="button"
            {...dragging(field, columns, setView)}
            className={`${styles.header} ${numeric ? styles.numeric : ""} ${scope === "config" ? styles.config : ""}`}
            title={scope === "run" ? title : `${scope}.${title} (Shift-click sorts by it, too; right-click for more)`}
            onClickCapture={(event) => {
              event.stopPropagation();
              if (sortable) sortBy(field, next, event.shiftKey);
              else setOpen(true);
            }}
            onKeyDown={(event) => {
              if (event.key === "ArrowDown") setOpen(true);
            }}
          >
            <span className={styles.text}>{title}</span>
            {now !== null && <Icon name={now ? "down" : "up"} size={11} />}
            {now !== null && view.sort.length > 1 && <sub>{at + 1}</sub>}
          </button>
        </Menu.Target>
        <HeadMenu
          column={column}
          columns={columns}
          view={view}
          setView={setView}
          loaded={loaded}
          sortBy={sortBy}
          onFilter={onFilter}
        />
      </Menu>
    </div>
  );
}

/** What lets a head be dragged to where another one is. */
function dragging(field: string, columns: readonly Column[], setView: SetView) {
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
      const shown = columns.map((one) => one.field);
      if (dropped) setView({ columns: movedTo(shown, dropped, field) });
    },
  };
}

function HeadMenu({ column, columns, view, setView, loaded, sortBy, onFilter }: Props) {
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
function Resizer({ column, view, setView }: Pick<Props, "column" | "view" | "setView">) {
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
        setView({ widths: resized(view.widths, column.field, width) });
      }}
      onPointerUp={() => {
        begin.current = null;
      }}
      onDoubleClick={() => {
        const widths = new Map(view.widths);
        widths.delete(column.field);
        setView({ widths });
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
