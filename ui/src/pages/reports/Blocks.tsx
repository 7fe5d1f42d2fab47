/** Charts and tables of runs inside of a report. */
import { useComputedColorScheme } from "@mantine/core";
import { useIntersection } from "@mantine/hooks";
import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { useCallback, useMemo, useState } from "react";
import { send } from "../../api/client";
import type { RunRow } from "../../api/types";
import { type CardSettings, ChartCard } from "../../charts/ChartCard";
import { look } from "../../charts/palette";
import { segment } from "../../shell/links";
import { Swatch } from "../../shell/Swatch";
import { cellOf } from "../../table/columns";
import { StateBadge } from "../run/parts";
import type { FoundBlock } from "./api";
import styles from "./Blocks.module.css";
import { useCurves } from "./useCurves";

interface Props {
  project: string;
  kind: "chart" | "runs";
  text: string;
  line?: number | undefined;
}

/** A block, as soon as it comes near the screen. What was found stays until the next is, while somebody writes. */
export function Block({ project, kind, text, line }: Props) {
  const { ref, entry } = useIntersection<HTMLDivElement>({ rootMargin: "400px 0px" });
  const [seen, setSeen] = useState(false);
  if (entry?.isIntersecting && !seen) setSeen(true);
  const { data, error } = useQuery({
    queryKey: ["report-block", project, kind, text],
    queryFn: ({ signal: _signal }) => send<FoundBlock>("POST", "/report-blocks", { project, kind, text }),
    enabled: seen,
    placeholderData: (before) => before,
  });
  const trouble = error?.message ?? data?.error;
  return (
    <div ref={ref} className={styles.block} data-block={kind} data-line={line}>
      {trouble ? (
        <p className={styles.trouble} role="alert">
          {trouble}
        </p>
      ) : (
        data && (data.kind === "chart" ? <Charts found={data} /> : <Runs found={data} />)
      )}
      {!data && !trouble && <div className={styles.waiting} style={{ height: kind === "chart" ? 300 : 120 }} />}
    </div>
  );
}

const MOST_NAMED = 30;

function Charts({ found }: { found: FoundBlock }) {
  const dark = useComputedColorScheme("light") === "dark";
  const navigate = useNavigate();
  const [zoom, setZoom] = useState<[number, number] | null>(null);
  const { keys, smoothing, log } = found;
  const scale = keys[0]?.x === "_time" ? 1e6 : 1;
  const [from, to] = found.range ?? [];
  const asked = useMemo<[number, number] | null>(
    () => (from === undefined || to === undefined ? null : [from * scale, to * scale]),
    [from, to, scale],
  );
  const range = zoom ?? asked;
  const drawn = useMemo(
    () => found.runs.map((run, at) => ({ id: run.id, label: run.name, look: look(at, dark), group: null })),
    [found.runs, dark],
  );
  const ids = useMemo(() => found.runs.map((run) => run.id), [found.runs]);
  const running = useMemo(() => found.runs.filter((run) => run.state === "running").map((run) => run.id), [found.runs]);
  const store = useCurves({ runs: ids, running, keys, range, logX: log.includes("x") });
  const [kind, strength] = smoothing;
  const settings = useMemo<Omit<CardSettings, "x">>(
    () => ({
      smoothing: { kind, strength },
      logX: log.includes("x"),
      logY: log.includes("y"),
      clip: false,
      start: range?.[0],
      stop: range?.[1],
      middle: "mean",
      band: "none",
    }),
    [kind, strength, log, range],
  );
  const byId = useMemo(() => new Map(found.runs.map((run) => [run.id, run])), [found.runs]);
  const open = useCallback(
    (id: string) => {
      const run = byId.get(id);
      if (run) void navigate({ to: "/$project/runs/$run", params: paramsOfRun(run) });
    },
    [byId, navigate],
  );
  if (!found.runs.length) return <Nothing title={found.title} text="No run matches." />;
  return (
    <section aria-label={found.title || keys.map(({ key }) => key).join(", ") || "Chart"}>
      {found.title && <h3 className={styles.title}>{found.title}</h3>}
      <div className={keys.length > 1 ? styles.several : styles.one}>
        {keys.map(({ key, x }) => (
          <Card
            key={key}
            metric={key}
            x={x}
            store={store}
            runs={drawn}
            settings={settings}
            onZoom={setZoom}
            onOpen={open}
            height={found.height}
          />
        ))}
      </div>
      {found.missing.length > 0 && <p className={styles.note}>No run here has {found.missing.join(", ")}.</p>}
      <ul className={styles.legend} aria-label="Runs">
        {found.runs.slice(0, MOST_NAMED).map((run, at) => (
          <li key={run.id}>
            <Swatch look={look(at, dark)} />
            <Link to="/$project/runs/$run" params={paramsOfRun(run)} className={styles.run}>
              {run.name}
            </Link>
          </li>
        ))}
        {(found.more || found.runs.length > MOST_NAMED) && (
          <li className={styles.note}>
            {found.more ? `the first ${found.runs.length} runs; there are more` : `${found.runs.length} runs in all`}
          </li>
        )}
      </ul>
    </section>
  );
}

type CardProps = Omit<React.ComponentProps<typeof ChartCard>, "title" | "settings"> & {
  x: string;
  settings: Omit<CardSettings, "x">;
};

function Card({ x, settings, ...rest }: CardProps) {
  const own = useMemo(() => ({ ...settings, x }), [settings, x]);
  return <ChartCard {...rest} title={rest.metric} settings={own} />;
}

const paramsOfRun = (run: RunRow) => ({ project: segment(run.project), run: segment(run.id) });

function Nothing({ title, text }: { title: string; text: string }) {
  return (
    <section aria-label={title || "Empty"}>
      {title && <h3 className={styles.title}>{title}</h3>}
      <p className={styles.note}>{text}</p>
    </section>
  );
}

const WORDS: Record<string, string> = { name: "Run", job_type: "Job type", id: "Id" };

const titleOf = (field: string) =>
  /^(config|summary)\./.test(field)
    ? field.slice(field.indexOf(".") + 1)
    : (WORDS[field] ?? field.charAt(0).toUpperCase() + field.slice(1));

function Runs({ found }: { found: FoundBlock }) {
  const { runs, columns } = found;
  const cells = useMemo(() => runs.map((run) => columns.map((field) => cellOf(run, field))), [runs, columns]);
  if (!runs.length) return <Nothing title={found.title} text="No run matches." />;
  const numeric = columns.map((_, at) => cells.some((row) => row[at]?.number !== undefined));
  return (
    <section aria-label={found.title || "Runs"}>
      {found.title && <h3 className={styles.title}>{found.title}</h3>}
      <div className={styles.scroll} tabIndex={0} role="region" aria-label={`Table: ${found.title || "runs"}`}>
        <table className={styles.table}>
          <thead>
            <tr>
              {columns.map((field, at) => (
                <th key={field} className={numeric[at] ? styles.number : undefined} scope="col">
                  {titleOf(field)}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {runs.map((run, row) => (
              <tr key={run.id}>
                {columns.map((field, at) => (
                  <td
                    key={field}
                    className={numeric[at] ? styles.number : undefined}
                    title={cells[row]?.[at]?.full || undefined}
                  >
                    <Cell run={run} field={field} text={cells[row]?.[at]?.text ?? ""} />
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {found.more && <p className={styles.note}>The first {runs.length} runs; there are more.</p>}
    </section>
  );
}

function Cell({ run, field, text }: { run: RunRow; field: string; text: string }) {
  if (field === "state") return <StateBadge state={run.state} />;
  if (field !== "name" && field !== "id") return text;
  return (
    <Link to="/$project/runs/$run" params={paramsOfRun(run)} className={styles.run}>
      {field === "name" ? run.name : run.id}
    </Link>
  );
}
