/** The table's rows when runs are grouped: groups, groups in them, and the runs of those that are open. */
import type { GroupRow, GroupsPage } from "../api/types";

export interface GroupItem {
  kind: "group";
  group: GroupRow;
  /** Conditions from the outermost group to this one: a filter for its runs, and its name in addresses. */
  path: string;
  level: number;
  isOpen: boolean;
  /** Runs are in it, no further groups. */
  isInnermost: boolean;
}

export interface RunsItem {
  kind: "runs";
  path: string;
  level: number;
  count: number;
}

export interface NoteItem {
  kind: "note";
  text: string;
  level: number;
}

/** Rows that follow each other: one for a group or a note, as many as there are runs for runs. */
export type Stretch = (GroupItem | RunsItem | NoteItem) & { start: number };

export function joined(path: string, condition: string): string {
  return path ? `${path} and ${condition}` : condition;
}

/** A filter for the runs of a group, among those of another filter. */
export function within(filter: string, path: string): string {
  if (!filter) return path;
  return path ? `(${filter}) and ${path}` : filter;
}

/** The condition that a group's runs share, and those of outer groups, as `joined` puts them together. */
export function conditionOf(group: GroupRow): string {
  return group.keys.map((key) => key.condition).join(" and ");
}

/**
 * All rows in order.
 *
 * @param pages of the groups in each group that is open, by its path; "" for the outermost.
 * @param depth how many fields runs are grouped by.
 */
export function stretches(
  pages: ReadonlyMap<string, GroupsPage>,
  depth: number,
  open: ReadonlySet<string>,
): { rows: Stretch[]; total: number } {
  const rows: Stretch[] = [];
  let start = 0;
  const add = (item: GroupItem | RunsItem | NoteItem, length: number) => {
    rows.push({ ...item, start });
    start += length;
  };
  const walk = (outer: string, level: number) => {
    const page = pages.get(outer);
    if (!page) return add({ kind: "note", text: "…", level }, 1);
    for (const group of page.groups) {
      const path = joined(outer, conditionOf(group));
      const isOpen = open.has(path);
      const isInnermost = level + 1 === depth;
      add({ kind: "group", group, path, level, isOpen, isInnermost }, 1);
      if (isOpen && isInnermost) add({ kind: "runs", path, level: level + 1, count: group.runs }, group.runs);
      else if (isOpen) walk(path, level + 1);
    }
    const more = page.total - page.groups.length;
    if (more > 0)
      add({ kind: "note", text: `and ${more.toLocaleString("en")} more groups; a filter finds them`, level }, 1);
  };
  walk("", 0);
  return { rows, total: start };
}

/** The stretch that a row is in. */
export function stretchAt(rows: readonly Stretch[], index: number): Stretch | undefined {
  let low = 0;
  let high = rows.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((rows[middle] as Stretch).start <= index) low = middle;
    else high = middle - 1;
  }
  return rows[low];
}

/** How deep the groups in a group lie: as many groups lead to them as there are beginnings of its path that are open. */
export function levelIn(path: string, open: ReadonlySet<string>): number {
  if (!path) return 0;
  let level = 1;
  for (const other of open) if (other !== path && path.startsWith(`${other} and `)) level++;
  return level;
}
