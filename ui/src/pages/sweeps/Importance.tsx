/** Which parameters matter, and how they go with a metric. */
import { SegmentedControl } from "@mantine/core";
import type { Value } from "../../api/types";
import { asText } from "../../api/values";
import { percent } from "../../format/numbers";
import { Panel } from "../run/parts";
import styles from "./SweepPage.module.css";
import type { Goal, ImportanceAnswer } from "./types";
import { useImportance } from "./useSweep";

export const WAYS = [
  { value: "fanova", label: "fANOVA" },
  { value: "ped_anova", label: "PED-ANOVA" },
  { value: "correlation", label: "Correlation" },
] as const;

const MEANS: Record<string, string> = {
  fanova: "share of what moves the metric over the whole space",
  ped_anova: "share of what sets the best tenth of the trials apart",
  correlation: "of ranks, from −1 to 1; of a choice, of each of its options",
};

interface Props {
  id: string;
  goal: Goal;
  ended: number;
  way: string;
  onWay: (way: string) => void;
}

export function Importance({ id, goal, ended, way, onWay }: Props) {
  const evaluator = way === "correlation" ? "fanova" : way;
  const { data, error, isFetching } = useImportance(id, evaluator, goal.name, ended);
  return (
    <Panel
      title="What matters"
      note={data?.trials ? `${data.trials} trials` : undefined}
      actions={
        <SegmentedControl size="xs" aria-label="How importance is told" data={[...WAYS]} value={way} onChange={onWay} />
      }
    >
      <p className={styles.means}>{MEANS[way]}</p>
      {error && !data && <p className={styles.wrong}>{error.message}</p>}
      {data && <Bars data={data} way={way} />}
      {!data && isFetching && <p className={styles.means}>Being worked out …</p>}
    </Panel>
  );
}

function Bars({ data, way }: { data: ImportanceAnswer; way: string }) {
  if (way === "correlation") {
    const rows = data.correlations.filter((row) => row.spearman !== null);
    if (!rows.length) return <p className={styles.means}>Too few trials have ended to say.</p>;
    rows.sort((a, b) => Math.abs(b.spearman ?? 0) - Math.abs(a.spearman ?? 0));
    return (
      <ul className={styles.bars} tabIndex={0} aria-label="Correlation of parameters with the metric">
        {rows.map((row) => (
          <li key={`${row.parameter}\n${JSON.stringify(row.value)}`}>
            <span className="cut" title={nameOf(row.parameter, row.value)}>
              {nameOf(row.parameter, row.value)}
            </span>
            <span className={styles.both} aria-hidden="true">
              <span
                className={styles.bar}
                data-negative={(row.spearman ?? 0) < 0 || undefined}
                style={{ width: `${50 * Math.abs(row.spearman ?? 0)}%` }}
              />
            </span>
            <span className={styles.number} title={`Pearson ${signed(row.pearson)}, ${row.trials} trials`}>
              {signed(row.spearman)}
            </span>
          </li>
        ))}
      </ul>
    );
  }
  if (data.reason) return <p className={styles.means}>{data.reason}</p>;
  return (
    <ul className={styles.bars} tabIndex={0} aria-label="Importance of parameters">
      {data.importances.map((row) => (
        <li key={row.parameter}>
          <span className="cut" title={row.parameter}>
            {row.parameter}
          </span>
          <span className={styles.one} aria-hidden="true">
            <span className={styles.bar} style={{ width: `${100 * row.importance}%` }} />
          </span>
          <span className={styles.number}>{percent(100 * row.importance).replace("+", "")}</span>
        </li>
      ))}
    </ul>
  );
}

const nameOf = (parameter: string, value: Value) => (value === null ? parameter : `${parameter} = ${asText(value)}`);
const signed = (value: number | null) =>
  value === null ? "–" : `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(2)}`;
