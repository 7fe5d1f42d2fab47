/** Trials as rows. Only those that are seen are drawn. */
import { UnstyledButton } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { useVirtualizer } from "@tanstack/react-virtual";
import { type ReactNode, useEffect, useRef } from "react";
import { asNumber, asText } from "../../api/values";
import { short } from "../../format/numbers";
import { duration } from "../../format/time";
import { segment } from "../../shell/links";
import type { Dim } from "./dims";
import { Badge } from "./parts";
import styles from "./TrialsTable.module.css";
import { predicted } from "./tip";
import { metricOf, numberOf, type Sorting, seconds, sorted } from "./trials";
import type { TrialRow } from "./types";

const ROW = 28;

interface Props {
  project: string;
  trials: readonly TrialRow[];
  dims: readonly Dim[];
  front: ReadonlySet<number>;
  stops: boolean;
  nowUs: number;
  sorting: Sorting;
  onSort: (sorting: Sorting) => void;
  chosen: number | null;
  onChoose: (trial: number | null) => void;
}

interface Column {
  id: string;
  label: string;
  width: number;
  right?: boolean;
  key: (trial: TrialRow) => number | string | undefined;
  cell: (trial: TrialRow) => ReactNode;
}

export function TrialsTable(props: Props) {
  const { trials, sorting, onSort, chosen, onChoose, front } = props;
  const columns = columnsOf(props);
  const column = columns.find((one) => one.id === sorting.by) ?? columns[0];
  const rows = sorted(trials, sorting.descending, column?.key ?? ((trial) => trial.number));
  const scroller = useRef<HTMLDivElement>(null);
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW,
    overscan: 10,
  });
  const at = chosen === null ? -1 : rows.findIndex((trial) => trial.number === chosen);
  // biome-ignore lint/correctness/useExhaustiveDependencies: it goes there when another is chosen, not with each news
  useEffect(() => {
    if (at >= 0) virtual.scrollToIndex(at, { align: "auto" });
  }, [chosen]);
  const template = { gridTemplateColumns: columns.map((one) => `minmax(${one.width}px, ${one.width}fr)`).join(" ") };
  return (
    <div
      ref={scroller}
      className={styles.scroller}
      role="table"
      aria-label="Trials"
      aria-rowcount={rows.length + 1}
      tabIndex={0}
    >
      <div className={styles.head} role="row" style={template}>
        {columns.map((one) => {
          const now = one.id === sorting.by;
          return (
            <div
              key={one.id}
              role="columnheader"
              aria-sort={now ? (sorting.descending ? "descending" : "ascending") : "none"}
              className={styles.th}
              data-right={one.right || undefined}
            >
              <UnstyledButton
                className="cut"
                title={one.label}
                onClick={() => onSort({ by: one.id, descending: now ? !sorting.descending : false })}
              >
                {one.label}
                {now && <span aria-hidden="true">{sorting.descending ? " ↓" : " ↑"}</span>}
              </UnstyledButton>
            </div>
          );
        })}
      </div>
      <div className={styles.body} style={{ height: virtual.getTotalSize() }} role="rowgroup">
        {virtual.getVirtualItems().map((item) => {
          const trial = rows[item.index];
          if (!trial) return null;
          return (
            <div
              key={trial.number}
              role="row"
              aria-rowindex={item.index + 2}
              className={styles.row}
              data-trial={trial.number}
              data-chosen={trial.number === chosen || undefined}
              data-best={front.has(trial.number) || undefined}
              style={{ ...template, height: ROW, transform: `translateY(${item.start}px)` }}
              onClick={() => onChoose(trial.number === chosen ? null : trial.number)}
              onKeyDown={() => {}}
            >
              {columns.map((one) => (
                <div key={one.id} role="cell" className={styles.td} data-right={one.right || undefined}>
                  {one.cell(trial)}
                </div>
              ))}
            </div>
          );
        })}
      </div>
    </div>
  );
}

const shown = (text: string) => (
  <span className="cut" title={text}>
    {text}
  </span>
);

function columnsOf({ project, dims, front, stops, nowUs }: Props): Column[] {
  const number: Column = {
    id: "number",
    label: "#",
    width: 74,
    key: (trial) => trial.number,
    cell: (trial) => <RunLink project={project} trial={trial} best={front.has(trial.number)} />,
  };
  const state: Column = {
    id: "state",
    label: "State",
    width: 92,
    key: (trial) => trial.state,
    cell: (trial) => (
      <span title={trial.failure ?? undefined}>
        <Badge state={trial.state} />
      </span>
    ),
  };
  const end: Column = {
    id: "predicted",
    label: "Predicted end",
    width: 168,
    key: (trial) => asNumber(trial.prediction?.value),
    cell: (trial) => trial.prediction && <Predicted trial={trial} />,
  };
  const time: Column = {
    id: "seconds",
    label: "Time",
    width: 72,
    right: true,
    key: (trial) => seconds(trial, nowUs),
    cell: (trial) => {
      const taken = seconds(trial, nowUs);
      return taken === undefined ? "" : duration(taken);
    },
  };
  const origin: Column = {
    id: "origin",
    label: "Chosen by",
    width: 84,
    key: (trial) => trial.origin,
    cell: (trial) => shown(trial.origin),
  };
  const metrics = dims.filter((dim) => dim.metric >= 0).map(metricColumn);
  const parameters = dims.filter((dim) => dim.metric < 0).map(parameterColumn);
  return [number, state, ...metrics, ...(stops ? [end] : []), ...parameters, time, origin];
}

function metricColumn(dim: Dim): Column {
  return {
    id: dim.id,
    label: dim.name,
    width: 96,
    right: true,
    key: (trial) => numberOf(trial, dim.metric),
    cell: (trial) => {
      const value = metricOf(trial, dim.metric);
      const number = asNumber(value);
      return value === undefined ? "" : number === undefined ? shown(asText(value)) : short(number, 5);
    },
  };
}

function parameterColumn(dim: Dim): Column {
  const isChoice = dim.options.length > 0;
  return {
    id: dim.id,
    label: dim.name,
    width: 92,
    right: !isChoice,
    key: (trial) => (isChoice ? asText(trial.point[dim.id]) || undefined : asNumber(trial.point[dim.id])),
    cell: (trial) => {
      const value = trial.point[dim.id];
      const number = asNumber(value);
      return number === undefined ? shown(asText(value)) : short(number);
    },
  };
}

function Predicted({ trial }: { trial: TrialRow }) {
  if (!trial.prediction) return null;
  const { wrong, reason } = trial.prediction;
  const told = trial.audited ? (wrong === null ? ", runs on" : wrong ? ", wrongly" : ", rightly") : "";
  return (
    <span className="cut" title={`${reason}${trial.audited ? "; let run on, to see whether the rule is right" : ""}`}>
      {predicted(trial.prediction)}
      {told}
    </span>
  );
}

/** A function that returns its value needs no run; a trial that nobody has begun has none yet. */
function RunLink({ project, trial, best }: { project: string; trial: TrialRow; best: boolean }) {
  const text = `${best ? "★ " : ""}${trial.number}`;
  const hasRun = trial.count > 0 || trial.state === "running" || trial.state === "failed";
  if (!hasRun) return <span>{text}</span>;
  return (
    <Link
      to="/$project/runs/$run"
      params={{ project: segment(project), run: segment(trial.run_id) }}
      aria-label={`Run of trial ${trial.number}${best ? ", none is better" : ""}`}
      onClick={(event) => event.stopPropagation()}
    >
      {text}
    </Link>
  );
}
