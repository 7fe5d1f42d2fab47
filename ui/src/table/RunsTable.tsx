/** The runs table. Rows are asked for where it is scrolled to, columns are drawn where they are seen. */
import { Checkbox } from "@mantine/core";
import { useNavigate } from "@tanstack/react-router";
import { useVirtualizer } from "@tanstack/react-virtual";
import { type RefObject, useEffect, useMemo, useRef, useState } from "react";
import type { RunRow } from "../api/types";
import type { Look } from "../charts/palette";
import { segment } from "../shell/links";
import type { SetView, SortKey, View } from "../state/view";
import { type Column, nameWidth, seen } from "./columns";
import { GroupLine } from "./GroupLine";
import { HeaderCell, type Heads, nextOrder, SortMark, sortWord } from "./HeaderCell";
import { Row, type RowActs } from "./Row";
import styles from "./RunsTable.module.css";
import type { TableItem } from "./useGroups";

export const ROW = 30;

export interface TableProps {
  project: string;
  columns: readonly Column[];
  /** Of runs; `rows` of the table, groups among them. */
  total: number;
  rows: number;
  at: (index: number) => TableItem | undefined;
  pinned: readonly RunRow[];
  looks: ReadonlyMap<string, Look>;
  groupLooks: ReadonlyMap<string, Look>;
  baseline: RunRow | undefined;
  selected: ReadonlySet<string>;
  onSelect: (ids: ReadonlySet<string>) => void;
  /** Runs that have come otherwise than as rows. */
  onSeen: (runs: readonly RunRow[]) => void;
  /** What the shown runs fit, states included. */
  filter: string;
  view: View;
  setView: SetView;
  onRange: (from: number, to: number) => void;
  onFilter: (condition: string) => void;
  onChange: RowActs["change"];
}

export function RunsTable(props: TableProps) {
  const { columns, total, at, onRange, pinned, view, setView, selected, onSelect } = props;
  const scroller = useRef<HTMLDivElement>(null);
  const rows = useVirtualizer({
    count: props.rows,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW,
    overscan: 6,
  });
  const items = rows.getVirtualItems();
  const [top, bottom] = [items[0]?.index ?? 0, items.at(-1)?.index ?? 0];
  useEffect(() => onRange(top, bottom), [top, bottom, onRange]);
  // Another order begins at its beginning.
  const order = `${props.filter}\n${view.find}\n${view.group}\n${JSON.stringify(view.sort)}`;
  const lastOrder = useRef(order);
  useEffect(() => {
    if (lastOrder.current !== order) scroller.current?.scrollTo({ top: 0 });
    lastOrder.current = order;
  }, [order]);
  const first = nameWidth(view);
  const template = useMemo(
    () => [first, ...columns.map((column) => column.width)].map((width) => `${width}px`).join(" "),
    [first, columns],
  );
  const width = columns.reduce((sum, column) => sum + column.width, first);
  const loaded = items.flatMap((item) => {
    const found = at(item.index);
    return found?.kind === "run" && found.run ? [found.run] : [];
  });
  const all = loaded.length > 0 && loaded.every((run) => selected.has(run.id));
  const sortBy = (field: string, descending: boolean | null, more: boolean) => {
    const others: SortKey[] = more ? view.sort.filter((key) => key.field !== field) : [];
    setView({ sort: descending === null ? others : [...others, { field, descending }] });
  };
  const byName = sortedBy(view, "name");
  const [from, to] = useScrolled(scroller);
  const cells = useMemo(() => seen(columns, from, to), [columns, from, to]);
  const shared = { ...props, template, columns: cells };
  const acts = useActs(props);
  const heads = useRef<Heads>(null as never);
  heads.current = { ...props, loaded, sortBy };
  const look = (run: RunRow | undefined) => ({
    project: props.project,
    run,
    columns: cells,
    template,
    look: run && props.looks.get(run.id),
    isHidden: run !== undefined && view.hidden.has(run.id),
    isChosen: run !== undefined && selected.has(run.id),
    isPinned: run !== undefined && view.pinned.includes(run.id),
    baseline: props.baseline,
    acts,
  });
  return (
    <div
      ref={scroller}
      className={styles.scroller}
      role="table"
      aria-rowcount={props.rows + 1}
      aria-label="Runs"
      tabIndex={0}
    >
      <div className={styles.inner} style={{ width: `max(100%, ${width}px)` }}>
        <div role="rowgroup" className={styles.top}>
          <div className={`${styles.row} ${styles.head}`} style={{ gridTemplateColumns: template }} role="row">
            <div
              className={`${styles.cell} ${styles.name} ${styles.headCell}`}
              role="columnheader"
              aria-sort={sortWord(byName)}
            >
              <Checkbox
                size="xs"
                aria-label="Select the runs on the screen"
                checked={all}
                indeterminate={!all && loaded.some((run) => selected.has(run.id))}
                onChange={() => onSelect(all ? new Set() : new Set([...selected, ...loaded.map((run) => run.id)]))}
              />
              <button
                type="button"
                className={styles.sortName}
                title="Shift-click sorts by it, too"
                onClick={(event) => sortBy("name", nextOrder(byName), event.shiftKey)}
              >
                Run
                <SortMark now={byName} place={placeOf(view, "name")} />
              </button>
              <span className={styles.total}>{total.toLocaleString("en")}</span>
            </div>
            {columns.map((column) => (
              <HeaderCell
                key={column.field}
                column={column}
                now={sortedBy(view, column.field)}
                place={placeOf(view, column.field)}
                heads={heads}
              />
            ))}
          </div>
          {pinned.map((run) => (
            <Row key={run.id} {...look(run)} isOnTop />
          ))}
        </div>
        <div role="rowgroup" className={styles.rows} style={{ height: rows.getTotalSize() }}>
          {items.map((item) => {
            const found = at(item.index);
            const place = { top: item.start, index: item.index };
            if (found?.kind === "group") return <GroupLine key={found.path} item={found} {...shared} {...place} />;
            if (found?.kind === "note") return <Note key={`note ${item.index}`} item={found} {...place} />;
            // By their places, not by what is there: another order writes other texts and makes no new elements.
            return <Row key={item.index} {...look(found?.run)} level={found?.level ?? 0} {...place} />;
          })}
        </div>
      </div>
    </div>
  );
}

/** What rows can do; the object stays the same, and acts as the page is when it is asked to. */
function useActs(props: TableProps): RowActs {
  const latest = useRef(props);
  latest.current = props;
  const navigate = useNavigate();
  return useMemo(
    () => ({
      draw: (id) => latest.current.setView({ hidden: toggled(latest.current.view.hidden, id) }),
      select: (id) => latest.current.onSelect(toggled(latest.current.selected, id)),
      pin: (id) => latest.current.setView({ pinned: [...toggled(new Set(latest.current.view.pinned), id)] }),
      compare: (id) => latest.current.setView({ baseline: latest.current.view.baseline === id ? null : id }),
      filter: (condition) => latest.current.onFilter(condition),
      change: (run, what) => latest.current.onChange(run, what),
      open: (id) => {
        const project = segment(latest.current.project);
        void navigate({ to: "/$project/runs/$run", params: { project, run: segment(id) } });
      },
    }),
    [navigate],
  );
}

function toggled(ids: ReadonlySet<string>, id: string): Set<string> {
  const next = new Set(ids);
  if (!next.delete(id)) next.add(id);
  return next;
}

/** Columns are drawn so far beyond what is seen, px; it is moved on in steps as long. */
const AHEAD = 480;

/** What part of the columns is on the screen or near it, px from the left of the first. */
function useScrolled(scroller: RefObject<HTMLDivElement | null>): [number, number] {
  const [part, setPart] = useState<[number, number]>([0, 2 * AHEAD]);
  useEffect(() => {
    const element = scroller.current;
    if (!element) return;
    const look = () => {
      const from = AHEAD * (Math.floor(element.scrollLeft / AHEAD) - 1);
      const to = AHEAD * (Math.ceil((element.scrollLeft + element.clientWidth) / AHEAD) + 1);
      setPart((before) => (before[0] === from && before[1] === to ? before : [from, to]));
    };
    const sizes = new ResizeObserver(look);
    sizes.observe(element);
    element.addEventListener("scroll", look, { passive: true });
    return () => {
      sizes.disconnect();
      element.removeEventListener("scroll", look);
    };
  }, [scroller]);
  return part;
}

function Note({ item, top, index }: { item: Extract<TableItem, { kind: "note" }>; top: number; index: number }) {
  return (
    <div
      className={`${styles.row} ${styles.placed} ${styles.note}`}
      style={{ transform: `translateY(${top}px)` }}
      role="row"
      aria-rowindex={index + 2}
    >
      <div className={styles.cell} role="cell" style={{ paddingLeft: 8 + 14 * item.level }}>
        {item.text}
      </div>
    </div>
  );
}

/** The place of a field among several that a view is sorted by; 0 for none, or the only one. */
function placeOf(view: View, field: string): number {
  return view.sort.length > 1 ? view.sort.findIndex((key) => key.field === field) + 1 : 0;
}

/** Whether a view is sorted by a field: ascending (false), descending (true) or not (null). */
export function sortedBy(view: View, field: string): boolean | null {
  const key = view.sort.find((one) => one.field === field);
  return key ? key.descending : null;
}
