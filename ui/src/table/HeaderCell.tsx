/** A column's head: a click sorts, its menu filters, groups, moves and hides. */
import { Menu } from "@mantine/core";
import { useState } from "react";
import type { RunRow } from "../api/types";
import { Icon } from "../shell/Icons";
import type { SetView, View } from "../state/view";
import { type Cell, type Column, cellOf, condition, quotedField } from "./columns";
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
      aria-sort={now === null ? "none" : now ? "descending" : "ascending"}
      onContextMenu={(event) => {
        event.preventDefault();
        setOpen(true);
      }}
    >
      <Menu opened={open} onChange={setOpen} position="bottom-start" trigger="click" withinPortal openDelay={0}>
        <Menu.Target>
          <button
            type="button"
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

function HeadMenu({ column, columns, view, setView, loaded, sortBy, onFilter }: Props) {
  const { field, numeric, scope } = column;
  const shown = columns.map((one) => one.field);
  const move = (by: number) => {
    const from = shown.indexOf(field);
    const to = Math.min(Math.max(from + by, 0), shown.length - 1);
    const moved = shown.filter((one) => one !== field);
    moved.splice(to, 0, field);
    setView({ columns: moved });
  };
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
      {scope === "config" && (
        <Menu.Item
          leftSection={<Icon name="group" size={13} />}
          onClick={() => setView({ group: [...new Set([...view.group, field])] })}
        >
          Group by it
        </Menu.Item>
      )}
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

function values(loaded: readonly RunRow[], field: string): Cell[] {
  const found = new Map<string, Cell>();
  for (const run of loaded) {
    const cells =
      field === "tag" ? run.tags.map((tag) => ({ text: tag, full: tag, number: undefined })) : [cellOf(run, field)];
    for (const cell of cells) if (found.size < MOST_VALUES) found.set(cell.full, cell);
  }
  return ["created", "duration"].includes(field) ? [] : [...found.values()];
}
