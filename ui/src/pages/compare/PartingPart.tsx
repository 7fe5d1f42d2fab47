/** For two runs the first place at which their curves are not the same, metric by metric; the server looks at every value. */
import { Progress, Select } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useEffect, useState } from "react";
import { send } from "../../api/client";
import type { RunDetail, Value } from "../../api/types";
import { asNumber, asText } from "../../api/values";
import { short } from "../../format/numbers";
import { duration, exact } from "../../format/time";
import { segment } from "../../shell/links";
import { Trouble } from "../../shell/Trouble";
import { useSearchState } from "../../state/search";
import styles from "./Compare.module.css";
import type { PartProps } from "./ComparePage";
import { Pair, usePair } from "./Pair";

export interface Parting {
  key: string;
  x_key: string;
  state: "same" | "parted" | "apart" | "unread";
  compared: number;
  only: [number, number];
  differing: number;
  at: Value;
  values: Value[];
  last_same: Value;
  widest_at: Value;
  widest: Value;
  error: string | null;
}

const TOLERANCES = [
  { value: "0", label: "exactly the same" },
  { value: "1e-9", label: "same to 9 digits (1e-9)" },
  { value: "1e-6", label: "same to 6 digits (1e-6)" },
  { value: "1e-3", label: "same within 0.1 %" },
  { value: "1e-2", label: "same within 1 %" },
  { value: "1e-1", label: "same within 10 %" },
];

const AT_ONCE = 25;

export function PartingPart({ project, compared }: PartProps) {
  const [search, setSearch] = useSearchState();
  const [two] = usePair(compared);
  const pair = [compared.runs[two.one], compared.runs[two.other]] as [RunDetail, RunDetail];
  const tolerance = TOLERANCES.some((one) => one.value === search.tol) ? (search.tol as string) : "0";
  const { rows, total, error } = usePartings(pair, tolerance);
  return (
    <div className={styles.part}>
      <div className={styles.bar}>
        <Pair compared={compared} />
        <Select
          size="xs"
          aria-label="What counts as the same"
          className={styles.pick ?? ""}
          allowDeselect={false}
          data={TOLERANCES}
          value={tolerance}
          onChange={(value) => setSearch({ tol: value === "0" || value === null ? undefined : value })}
        />
      </div>
      {error ? <Trouble error={error} /> : null}
      {rows.length < total && (
        <Progress
          aria-label="Compared so far"
          value={(100 * rows.length) / total}
          size="xs"
          className={styles.progress ?? ""}
        />
      )}
      <Found rows={rows} total={total} pair={pair} project={project} />
    </div>
  );
}

/** What has been compared so far: some metrics at a time, so that the first are there at once. */
function usePartings(pair: [RunDetail, RunDetail], tolerance: string) {
  const keys = sharedKeys(pair);
  const [done, setDone] = useState(AT_ONCE);
  const name = `${pair.map((run) => run.id).join()} ${tolerance}`;
  // biome-ignore lint/correctness/useExhaustiveDependencies: another question begins anew
  useEffect(() => setDone(AT_ONCE), [name]);
  const updated = pair.map((run) => run.updated_us).join();
  const { data, error } = useQuery({
    queryKey: ["parting", name, updated, keys.slice(0, done).join("\n")],
    queryFn: async ({ signal: _signal, client }) => {
      const before = client.getQueryData<Parting[]>([
        "parting",
        name,
        updated,
        keys.slice(0, done - AT_ONCE).join("\n"),
      ]);
      const known = before ?? [];
      const fresh = await send<Parting[]>("POST", "/parting", {
        runs: pair.map((run) => run.id),
        keys: keys.slice(known.length, done),
        relative: Number(tolerance),
      });
      return [...known, ...fresh];
    },
    enabled: keys.length > 0,
    placeholderData: (before, query) => (query?.queryKey[1] === name ? before : undefined),
  });
  const rows = data ?? [];
  useEffect(() => {
    if (rows.length >= done && done < keys.length) setDone(done + AT_ONCE);
  }, [rows.length, done, keys.length]);
  return { rows, total: keys.length, error: rows.length ? null : error };
}

function sharedKeys([one, other]: [RunDetail, RunDetail]): string[] {
  const there = new Set(other.metrics.map((metric) => metric.key));
  return one.metrics
    .filter((metric) => there.has(metric.key) && !metric.key.startsWith("_") && KINDS.has(metric.kind))
    .map((metric) => metric.key);
}

const KINDS = new Set(["float64", "int64", "bool", "text"]);

/** The earliest first; what is the same in every value comes last. */
function ordered(rows: readonly Parting[]): Parting[] {
  const rank = { parted: 0, unread: 1, apart: 2, same: 3 };
  const at = (row: Parting) => asNumber(row.at) ?? 0;
  return [...rows].sort((a, b) => rank[a.state] - rank[b.state] || at(a) - at(b));
}

interface FoundProps {
  rows: readonly Parting[];
  total: number;
  pair: [RunDetail, RunDetail];
  project: string;
}

function Found({ rows, total, pair, project }: FoundProps) {
  if (!total) return <p className={styles.blank}>These two have no metric in common.</p>;
  const parted = rows.filter((row) => row.state === "parted").length;
  const same = rows.filter((row) => row.state === "same").length;
  return (
    <>
      <p className={styles.blank} role="status">
        {parted} of {total} metrics part
        {same > 0 && `, ${same} ${same === 1 ? "is" : "are"} the same in every value`}
      </p>
      <section className={styles.scroll} tabIndex={0} aria-label="Where they part">
        <table className={styles.table}>
          <thead>
            <tr>
              <th scope="col" className={styles.corner}>
                Metric
              </th>
              <th scope="col">First difference</th>
              {pair.map((run) => (
                <th key={run.id} scope="col" className={styles.column}>
                  <span className="cut" title={run.name}>
                    {run.name}
                  </span>
                </th>
              ))}
              <th scope="col">Same up to</th>
              <th scope="col">Different values</th>
              <th scope="col">Farthest apart</th>
            </tr>
          </thead>
          <tbody>
            {ordered(rows).map((row) => (
              <Line key={row.key} row={row} pair={pair} project={project} />
            ))}
          </tbody>
        </table>
      </section>
    </>
  );
}

const WORDS: Record<string, string> = { _step: "step", _time: "", _runtime: "" };

/** A place on the axis, with the axis' name. */
function place(at: Value, axis: string): string {
  const number = asNumber(at);
  if (number === undefined) return asText(at);
  if (axis === "_time") return exact(number);
  if (axis === "_runtime") return duration(number);
  return `${WORDS[axis] ?? axis} ${number.toLocaleString("en", { maximumFractionDigits: 6 })}`;
}

function valueText(value: Value | undefined): string {
  const number = asNumber(value);
  return number === undefined ? asText(value) : String(number);
}

function Line({ row, pair, project }: { row: Parting; pair: [RunDetail, RunDetail]; project: string }) {
  const { state, at, x_key, values, compared, differing, widest, widest_at, last_same, error } = row;
  return (
    <tr data-state={state}>
      <th scope="row" className={styles.key} title={row.key}>
        <Link
          to="/$project/compare"
          params={{ project: segment(project) }}
          search={
            { runs: pair.map((run) => run.id).join(","), part: "curves", charts: `^${escaped(row.key)}$` } as never
          }
        >
          {row.key}
        </Link>
      </th>
      {state === "parted" ? (
        <>
          <td className={styles.number}>{place(at, x_key)}</td>
          <td className={styles.number}>{valueText(values[0])}</td>
          <td className={styles.number}>{valueText(values[1])}</td>
          <td className={styles.number}>{last_same === null ? "–" : place(last_same, x_key)}</td>
          <td className={styles.number}>
            {differing.toLocaleString("en")} of {compared.toLocaleString("en")}
          </td>
          <td className={styles.number}>
            {widest === null ? "–" : `${short(asNumber(widest) ?? 0)} at ${place(widest_at, x_key)}`}
          </td>
        </>
      ) : (
        <td colSpan={6} className={styles.word}>
          {state === "same" && `the same in all ${compared.toLocaleString("en")} values that both have${tails(row)}`}
          {state === "apart" && `no ${WORDS[x_key] || "place"} at which both have a value`}
          {state === "unread" && error}
        </td>
      )}
    </tr>
  );
}

/** Values that only one of them has: one that was logged longer, or more often. */
function tails({ only }: Parting): string {
  const [one, other] = only;
  if (!one && !other) return "";
  return `; ${one.toLocaleString("en")} and ${other.toLocaleString("en")} only one of them has`;
}

const escaped = (key: string) => key.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
