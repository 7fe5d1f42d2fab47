/** A logged table: sorted by a click, filtered by words, with pictures in its cells. */
import { Button, TextInput, UnstyledButton } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { get } from "../../../api/client";
import type { Value } from "../../../api/types";
import { asNumber, asText } from "../../../api/values";
import { short } from "../../../format/numbers";
import { Icon } from "../../../shell/Icons";
import styles from "./Media.module.css";
import { Pixels } from "./Medium";
import { arranged, type Sorting } from "./rows";
import { media } from "./values";

interface Page {
  columns: string[];
  types: string[];
  total: number;
  rows: Value[][];
}

const FIRST = 1000;
const ALL = 10_000;
const SHOWN = 50;

export function TableView({ run, name, row, item }: { run: string; name: string; row: number; item: number }) {
  const [limit, setLimit] = useState(FIRST);
  const [search, setSearch] = useState("");
  const [sorting, setSorting] = useState<Sorting | null>(null);
  const [page, setPage] = useState(0);
  const { data, error } = useQuery({
    queryKey: ["table", run, name, row, item, limit],
    queryFn: ({ signal }) =>
      get<Page>(`/runs/${encodeURIComponent(run)}/table`, { key: name, row, item, limit }, signal),
    placeholderData: (before) => before,
    staleTime: Number.POSITIVE_INFINITY,
  });
  const order = useMemo(() => (data ? arranged(data.rows, search, sorting) : []), [data, search, sorting]);
  if (error) return <p className={styles.error}>{error.message}</p>;
  if (!data) return null;
  const pages = Math.max(1, Math.ceil(order.length / SHOWN));
  const at = Math.min(page, pages - 1);
  const sort = (column: number) => {
    if (sorting?.column !== column) setSorting({ column, descending: false });
    else setSorting(sorting.descending ? null : { column, descending: true });
  };
  return (
    <div>
      <div className={styles.tools}>
        <TextInput
          size="xs"
          className={styles.find ?? ""}
          aria-label={`Find in ${name}`}
          placeholder="Find in the table"
          leftSection={<Icon name="search" size={12} />}
          value={search}
          onChange={(event) => {
            setPage(0);
            setSearch(event.currentTarget.value);
          }}
        />
        <span className={styles.place}>
          {order.length.toLocaleString("en")} of {data.total.toLocaleString("en")} rows
        </span>
        {data.rows.length < Math.min(data.total, ALL) && (
          <Button size="compact-xs" variant="default" onClick={() => setLimit(ALL)}>
            Read {data.total > ALL ? `the first ${ALL.toLocaleString("en")}` : "all"}
          </Button>
        )}
      </div>
      <section className={styles.frame} tabIndex={0} aria-label={`Table ${name}`}>
        <table className={styles.table}>
          <thead>
            <tr>
              {data.columns.map((column, index) => (
                <th key={column} aria-sort={sortWord(sorting, index)}>
                  <UnstyledButton className={styles.sort} onClick={() => sort(index)}>
                    {column}
                    {sorting?.column === index && <Icon name={sorting.descending ? "down" : "up"} size={11} />}
                  </UnstyledButton>
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {order.slice(at * SHOWN, (at + 1) * SHOWN).map((number) => (
              <tr key={number}>
                {data.rows[number]?.map((cell, index) => (
                  <Cell key={data.columns[index]} run={run} name={name} cell={cell} />
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </section>
      {pages > 1 && (
        <div className={styles.tools}>
          <Button size="compact-xs" variant="default" disabled={at === 0} onClick={() => setPage(at - 1)}>
            Before
          </Button>
          <span className={styles.place}>
            page {at + 1} of {pages}
          </span>
          <Button size="compact-xs" variant="default" disabled={at >= pages - 1} onClick={() => setPage(at + 1)}>
            Next
          </Button>
        </div>
      )}
    </div>
  );
}

function sortWord(sorting: Sorting | null, column: number): "ascending" | "descending" | "none" {
  if (sorting?.column !== column) return "none";
  return sorting.descending ? "descending" : "ascending";
}

function Cell({ run, name, cell }: { run: string; name: string; cell: Value }) {
  const pixels = media(cell).find((medium) => ["image", "video", "audio"].includes(medium.kind));
  if (pixels) {
    return (
      <td className={styles.pixels}>
        <Pixels run={run} name={name} medium={pixels} />
      </td>
    );
  }
  const number = asNumber(cell);
  if (number !== undefined) {
    return (
      <td className={styles.figureCell} title={String(number)}>
        {short(number, 5)}
      </td>
    );
  }
  return <td>{cell === null ? <span className={styles.place}>–</span> : asText(cell)}</td>;
}
