/** Which parameters matter, as a table with bars. */
import { useQuery } from "@tanstack/react-query";
import { get } from "../api/client";
import { table } from "../charts/export";
import { short } from "../format/numbers";
import styles from "./Panel.module.css";
import { type BodyProps, Nothing } from "./PanelCard";
import { runsOf } from "./scope";
import { nameOfField } from "./values";

interface Answer {
  runs: number;
  maximize: boolean;
  rows: { key: string; importance: number; correlation: number | null; values: number }[];
  note: string | null;
}

const FEW = 20;
const LARGER = /acc|reward|return|score|f1|auc|iou|bleu|success/i;

/** Whether larger is better, going by the name. */
export const goalOf = (field: string): "min" | "max" => (LARGER.test(field) ? "max" : "min");

export function Importance({ panel, scope, saving }: BodyProps) {
  const target = panel.y ?? "";
  const goal = panel.goal ?? goalOf(target);
  const runs = runsOf(scope);
  const { data, error } = useQuery({
    queryKey: ["importance", scope.project, runs, target, goal],
    queryFn: ({ signal }) => get<Answer>("/importance", { ...runs, target, goal }, signal),
    placeholderData: (before) => before,
  });
  if (error && !data) return <Nothing>{error.message}</Nothing>;
  if (!data) return <Nothing>Comparing runs ...</Nothing>;
  if (data.note) return <Nothing>Nothing to compare: {data.note}.</Nothing>;
  saving.current.csv = () =>
    table([
      ["parameter", "importance", "correlation"],
      ...data.rows.map(({ key, importance, correlation }) => [key, String(importance), String(correlation ?? "")]),
    ]);
  const most = Math.max(...data.rows.map((row) => row.importance), 1e-9);
  return (
    <section className={styles.scroll} tabIndex={0} aria-label={`Importance for ${target}`}>
      <table className={styles.importance}>
        <thead className={styles.head}>
          <tr>
            <th>Parameter</th>
            <th>Importance</th>
            <th title={`Spearman's rank correlation with ${nameOfField(target)}`}>Correlation</th>
          </tr>
        </thead>
        <tbody>
          {data.rows.map(({ key, importance, correlation }) => (
            <tr key={key}>
              <th scope="row" className="cut" title={key}>
                {key}
              </th>
              <td>
                <span className={styles.bar}>
                  <span className={styles.filled} style={{ width: `${(100 * importance) / most}%` }} />
                </span>
                <span className={styles.figure}>{short(100 * importance, 2)} %</span>
              </td>
              <td>
                <Correlation value={correlation} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      <p className={styles.small}>
        PED-ANOVA over {data.runs} runs, {data.maximize ? "larger" : "smaller"} is better
        {data.runs < FEW && ": few runs, so take it as a hint"}
      </p>
    </section>
  );
}

function Correlation({ value }: { value: number | null }) {
  if (value === null) return <span className={styles.small}>categories</span>;
  const side = value < 0 ? { right: "50%" } : { left: "50%" };
  return (
    <>
      <span className={styles.bar}>
        <span
          className={value < 0 ? styles.negative : styles.positive}
          style={{ ...side, width: `${50 * Math.abs(value)}%` }}
        />
        <span className={styles.middle} />
      </span>
      <span className={styles.figure}>{`${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(2)}`}</span>
    </>
  );
}
