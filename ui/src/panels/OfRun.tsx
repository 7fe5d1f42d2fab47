/** What one run logged as a whole: histograms over time, and tables that are confusion matrices or curves. */
import { Select } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useCallback, useState } from "react";
import { get } from "../api/client";
import type { Value } from "../api/types";
import { asNumber, asText } from "../api/values";
import { table } from "../charts/export";
import { short } from "../format/numbers";
import { OverTime } from "../pages/run/heat/OverTime";
import { Matrix } from "./Matrix";
import styles from "./Panel.module.css";
import { type BodyProps, Nothing } from "./PanelCard";
import { Rates } from "./Rates";
import { placesOf, type TablePage } from "./tables";

const PICKER_PX = 34;
const STEP_PX = 18;
const LEGEND_OF_HEAT_MAP_PX = 64;

export function OfRun({ panel, height, scope, saving }: BodyProps) {
  const [chosen, setChosen] = useState<string | null>(null);
  const run = scope.drawn.find(({ id }) => id === chosen) ?? scope.drawn[0];
  const [step, setStep] = useState<number>();
  const onStep = useCallback((next: number | undefined) => setStep(next), []);
  if (!run) return <Nothing>No run is drawn.</Nothing>;
  const key = panel.key ?? "";
  const several = scope.drawn.length > 1;
  const left = height - (several ? PICKER_PX : STEP_PX);
  return (
    <>
      <div className={several ? styles.picker : styles.alone}>
        {several && (
          <Select
            aria-label={`Run of ${key}`}
            data={scope.drawn.map(({ id, label }) => ({ value: id, label: label || id }))}
            searchable={scope.drawn.length > 12}
            value={run.id}
            allowDeselect={false}
            onChange={setChosen}
          />
        )}
        {step !== undefined && panel.kind !== "histogram" && (
          <span className={styles.small}>step {short(step, 9)}</span>
        )}
      </div>
      {panel.kind === "histogram" ? (
        <div className={styles.scroll} style={{ height: left }}>
          <OverTime run={run.id} name={key} height={Math.max(60, left - LEGEND_OF_HEAT_MAP_PX)} />
        </div>
      ) : (
        <Logged key={run.id} panel={panel} run={run.id} height={left} saving={saving} onStep={onStep} />
      )}
    </>
  );
}

interface MediaPage {
  rows: { row: number; x: Value; value: Value }[];
  total: number;
}

interface LoggedProps {
  panel: BodyProps["panel"];
  run: string;
  height: number;
  saving: BodyProps["saving"];
  onStep: (step: number | undefined) => void;
}

/** The newest table under a name. */
function Logged({ panel, run, height, saving, onStep }: LoggedProps) {
  const key = panel.key ?? "";
  const path = `/runs/${encodeURIComponent(run)}`;
  const { data, error } = useQuery({
    queryKey: ["of-run", run, "newest-table", key],
    queryFn: async ({ signal }) => {
      const { total } = await get<MediaPage>(`${path}/media`, { key, start: 0, limit: 1 }, signal);
      const { rows } = await get<MediaPage>(`${path}/media`, { key, start: Math.max(0, total - 1), limit: 1 }, signal);
      const [newest] = rows;
      if (!newest) return null;
      const page = await get<TablePage>(`${path}/table`, { key, row: newest.row, limit: 10_000 }, signal);
      onStep(asNumber(newest.x));
      return page;
    },
    retry: false,
  });
  if (error) return <Nothing>{error.message}</Nothing>;
  if (data === undefined) return null;
  const kind = panel.kind as "confusion" | "roc" | "pr";
  if (data === null || !placesOf(kind, data.columns)) {
    return <Nothing>This run has no table of this kind under {key}.</Nothing>;
  }
  saving.current.csv = () => table([data.columns, ...data.rows.map((row) => row.map(asText))]);
  return kind === "confusion" ? (
    <Matrix page={data} height={height} label={key} />
  ) : (
    <Rates kind={kind} page={data} height={height} label={key} saving={saving} />
  );
}
