/** Pictures of a sweep with what is chosen for them, and what their marks mean. */
import { SegmentedControl, Select, useComputedColorScheme } from "@mantine/core";
import { merit } from "../../echarts/colours";
import { useSearchState } from "../../state/search";
import { Panel } from "../run/parts";
import { Contour } from "./Contour";
import type { Dim } from "./dims";
import { Front } from "./Front";
import { Progress } from "./Progress";
import { better } from "./parts";
import styles from "./SweepPage.module.css";
import type { Choice } from "./scatter";
import type { Goal, SweepDetail, Trials } from "./types";

export type Shared = { trials: Trials["trials"]; dims: readonly Dim[]; choice: Choice };

interface ProgressProps extends Shared {
  sweep: SweepDetail;
  metrics: readonly Dim[];
  metric: Dim;
  goal: Goal;
}

export function ProgressPanel({ sweep, metrics, metric, goal, ...shared }: ProgressProps) {
  const [search, setSearch] = useSearchState();
  const over = search.over === "time" ? "time" : "trial";
  const isFirst = (name: string | null) => name === null || name === metrics[0]?.name;
  return (
    <Panel
      title={`Best so far: ${goal.name}`}
      note={better(goal.goal)}
      actions={
        <>
          {metrics.length > 1 && (
            <Select
              aria-label="Metric"
              data={metrics.map((one) => one.name)}
              value={metric.name}
              allowDeselect={false}
              onChange={(name) => setSearch({ metric: name === null || isFirst(name) ? undefined : name })}
            />
          )}
          <SegmentedControl
            size="xs"
            aria-label="Over"
            data={["trial", "time"]}
            value={over}
            onChange={(next) => setSearch({ over: next === "time" ? next : undefined })}
          />
        </>
      }
    >
      <Progress {...shared} metric={metric} goal={goal} over={over} createdUs={sweep.created_us} />
      <Key states={sweep.states} predicted={shared.trials.some((trial) => trial.prediction)} />
    </Panel>
  );
}

export function FrontPanel({
  metrics,
  front,
  ...shared
}: Shared & { metrics: readonly Dim[]; front: readonly number[] }) {
  const [search, setSearch] = useSearchState();
  const [x, y] = twoOf(metrics, search.fx, search.fy);
  if (!x || !y) return null;
  return (
    <Panel
      title="Pareto front"
      note={`${front.length} trials that none is better than`}
      actions={
        metrics.length > 2 && (
          <Axes all={metrics} x={x} y={y} onX={(fx) => setSearch({ fx })} onY={(fy) => setSearch({ fy })} />
        )
      }
    >
      <Front {...shared} x={x} y={y} front={front} />
    </Panel>
  );
}

export function ContourPanel({
  parameters,
  metric,
  goal,
  ...shared
}: Shared & { parameters: readonly Dim[]; metric: Dim; goal: SweepDetail["metrics"][number] }) {
  const [search, setSearch] = useSearchState();
  const [x, y] = twoOf(parameters, search.cx, search.cy);
  if (!x || !y) return null;
  return (
    <Panel
      title={`${goal.name} over two`}
      actions={<Axes all={parameters} x={x} y={y} onX={(cx) => setSearch({ cx })} onY={(cy) => setSearch({ cy })} />}
    >
      <Contour {...shared} x={x} y={y} metric={metric} goal={goal} />
      <p className={styles.means}>
        Each point is a trial. The bands between them are a mean by distance, and know no more than the points do.
      </p>
    </Panel>
  );
}

/** Two different ones: those that were chosen, else the first. */
function twoOf(all: readonly Dim[], first: string | undefined, second: string | undefined): [Dim?, Dim?] {
  const x = all.find((one) => one.id === first) ?? all.find((one) => one.id !== second);
  const y = all.find((one) => one.id === second && one !== x) ?? all.find((one) => one !== x);
  return x && y ? [x, y] : [];
}

interface AxesProps {
  all: readonly Dim[];
  x: Dim;
  y: Dim;
  onX: (id: string) => void;
  onY: (id: string) => void;
}

function Axes({ all, x, y, onX, onY }: AxesProps) {
  const data = all.map((one) => ({ value: one.id, label: one.name }));
  return (
    <span className={styles.axes}>
      <Select aria-label="Across" data={data} value={x.id} allowDeselect={false} onChange={(id) => id && onX(id)} />
      <span aria-hidden="true">×</span>
      <Select aria-label="Upwards" data={data} value={y.id} allowDeselect={false} onChange={(id) => id && onY(id)} />
    </span>
  );
}

export function Ramp({ name }: { name: string }) {
  const dark = useComputedColorScheme("light") === "dark";
  return (
    <span className={styles.ramp} title={`Colour is the rank of ${name}`}>
      worst
      {Array.from({ length: 8 }, (_, at) => merit(at / 7, dark)).map((colour) => (
        <span key={colour} style={{ background: colour }} />
      ))}
      best
    </span>
  );
}

const SHAPES = { finished: "●", stopped: "▲", running: "○", failed: "✕", cancelled: "□" } as const;

function Key({ states, predicted }: { states: SweepDetail["states"]; predicted: boolean }) {
  const names = (Object.keys(SHAPES) as (keyof typeof SHAPES)[]).filter((state) => states[state]);
  return (
    <ul className={styles.key} aria-label="Shapes">
      {names.map((state) => (
        <li key={state}>
          <span data-state={state} aria-hidden="true">
            {SHAPES[state]}
          </span>{" "}
          {state}
        </li>
      ))}
      {predicted && (
        <li>
          <span data-state="stopped" aria-hidden="true">
            ┼
          </span>{" "}
          predicted end, nine of ten within the bar
        </li>
      )}
    </ul>
  );
}
