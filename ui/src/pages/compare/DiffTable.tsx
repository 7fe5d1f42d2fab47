/** One table of everything that runs are: a column for each of them, and what differs first. */
import { Switch, TextInput } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { memo, useMemo, useState } from "react";
import type { RunDetail } from "../../api/types";
import type { Look } from "../../charts/palette";
import { percent } from "../../format/numbers";
import { Icon } from "../../shell/Icons";
import { Swatch } from "../../shell/Swatch";
import { useSearchState } from "../../state/search";
import styles from "./Compare.module.css";
import type { PartProps } from "./ComparePage";
import { type Cell, change, type Part, partsOf, type Row, shown } from "./rows";

const MOST_ROWS = 300;

export function DiffTable({ compared, looks }: PartProps) {
  const [search, setSearch] = useSearchState();
  const [words, setWords] = useState(search.find ?? "");
  const [find] = useDebouncedValue(words, 150);
  const { runs, captures } = compared;
  const all = search.all === "1";
  // biome-ignore lint/correctness/useExhaustiveDependencies: the lists are made anew for each picture, what is in them is not
  const parts = useMemo(() => partsOf(runs, captures), [...runs, ...captures]);
  const chosen = parts.map((part) => ({ ...part, rows: shown(part.rows, !all, find), total: part.rows.length }));
  const base = runs.findIndex((run) => run.id === search.base);
  return (
    <div className={styles.part}>
      <div className={styles.bar}>
        <Switch
          size="xs"
          label="Only what differs"
          checked={!all}
          onChange={(event) => setSearch({ all: event.currentTarget.checked ? undefined : "1" })}
        />
        <TextInput
          size="xs"
          className={styles.find ?? ""}
          aria-label="Find in the comparison"
          placeholder="Find a key or a value"
          leftSection={<Icon name="search" size={12} />}
          value={words}
          onChange={(event) => {
            setWords(event.currentTarget.value);
            setSearch({ find: event.currentTarget.value || undefined });
          }}
        />
      </div>
      <section className={styles.scroll} tabIndex={0} aria-label="Differences">
        <table className={styles.table}>
          <Head runs={runs} looks={looks} base={base} />
          {chosen.map((part) => (
            <Body
              key={part.title}
              part={part}
              total={part.total}
              columns={runs.length}
              base={base}
              all={all}
              find={find}
            />
          ))}
        </table>
      </section>
    </div>
  );
}

function Head({ runs, looks, base }: { runs: readonly RunDetail[]; looks: readonly Look[]; base: number }) {
  return (
    <thead>
      <tr>
        <td className={styles.corner} />
        {runs.map((run, at) => (
          <th key={run.id} scope="col" className={styles.column}>
            <span className={styles.columnName} title={run.name}>
              <Swatch look={looks[at]} />
              <span className="cut">{run.name}</span>
            </span>
            {at === base && <span className={styles.baseline}>baseline</span>}
          </th>
        ))}
      </tr>
    </thead>
  );
}

interface BodyProps {
  part: Part;
  total: number;
  columns: number;
  base: number;
  all: boolean;
  find: string;
}

const Body = memo(function Body({ part, total, columns, base, all, find }: BodyProps) {
  const { title, rows } = part;
  const left = rows.length - MOST_ROWS;
  if (!rows.length && find) return null;
  const note = all || find ? `${rows.length} of ${total}` : `${rows.length} of ${total} differ`;
  return (
    <tbody data-part={title}>
      <tr>
        <th colSpan={columns + 1} scope="rowgroup" className={styles.group}>
          <span>
            {title} <span className={styles.dim}>{rows.length ? note : `${total} the same in all`}</span>
          </span>
        </th>
      </tr>
      {rows.slice(0, MOST_ROWS).map((row) => (
        <Line key={`${row.key} ${row.what}`} row={row} base={base} />
      ))}
      {left > 0 && (
        <tr>
          <td colSpan={columns + 1} className={styles.more}>
            <span>{left.toLocaleString("en")} more: search to see them</span>
          </td>
        </tr>
      )}
    </tbody>
  );
});

function Line({ row, base }: { row: Row; base: number }) {
  return (
    <tr data-differs={row.differs || undefined}>
      <th scope="row" className={styles.key} title={row.key}>
        <span className={styles.keyName}>{row.key}</span> {row.what && <span className={styles.what}>{row.what}</span>}
      </th>
      {row.cells.map((cell, at) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: a cell is named by its column
        <Value key={at} cell={cell} base={at === base ? undefined : row.cells[base]} best={row.best.has(at)} />
      ))}
    </tr>
  );
}

function Value({ cell, base, best }: { cell: Cell | undefined; base: Cell | undefined; best: boolean }) {
  const moved = change(cell, base);
  return (
    <td className={cell?.number === undefined ? styles.word : styles.number} data-best={best || undefined}>
      {cell ? <span title={cell.exact}>{cell.text}</span> : <span className={styles.none}>–</span>}
      {best && (
        <span className={styles.best} role="img" aria-label="best" title="the best of these">
          ★
        </span>
      )}
      {moved !== undefined && moved !== 0 && <span className={styles.moved}>{percent(moved)}</span>}
    </td>
  );
}
