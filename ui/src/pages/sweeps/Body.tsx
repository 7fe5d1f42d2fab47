/** The pictures of a sweep and its table; ranges and the chosen trial are the same in all of them. */
import { useMemo } from "react";
import { useSearchState } from "../../state/search";
import { Panel } from "../run/parts";
import { type Brushes, readBrushes, within, writeBrushes } from "./brush";
import { metricDims, parameterDims } from "./dims";
import { EarlyStop } from "./EarlyStop";
import { Filters } from "./Filters";
import { Importance, WAYS } from "./Importance";
import { ContourPanel, FrontPanel, ProgressPanel, Ramp } from "./Panels";
import { Parallel } from "./Parallel";
import { Slices } from "./Slices";
import styles from "./SweepPage.module.css";
import type { Choice } from "./scatter";
import { Timeline } from "./Timeline";
import { TrialsTable } from "./TrialsTable";
import { standing } from "./trials";
import type { SweepDetail, Trials } from "./types";
import { useNow } from "./useSweep";

export function Body({ sweep, found }: { sweep: SweepDetail; found: Trials }) {
  const [search, setSearch] = useSearchState();
  const { trials } = found;
  const parameters = useMemo(() => parameterDims(sweep.axes, trials), [sweep.axes, trials]);
  const metrics = useMemo(() => metricDims(sweep.metrics, trials), [sweep.metrics, trials]);
  const dims = useMemo(() => [...parameters, ...metrics], [parameters, metrics]);
  const brushes = useMemo(() => readBrushes(search.brush, dims), [search.brush, dims]);
  const shown = useMemo(() => within(trials, brushes, dims), [trials, brushes, dims]);
  const chosen = search.trial === undefined ? null : Number(search.trial);
  const choice = useMemo<Choice>(
    () => ({
      inside: new Set(shown.map((trial) => trial.number)),
      chosen,
      onChoose: (trial) => setSearch({ trial: String(trial) }),
    }),
    [shown, chosen, setSearch],
  );
  const metric = metrics.find((one) => one.name === search.metric) ?? metrics[0];
  const goal = sweep.metrics[metric?.metric ?? -1];
  const ranks = useMemo(
    () => (goal && metric ? standing(trials, goal.goal, metric.metric) : new Map()),
    [trials, goal, metric],
  );
  const nowUs = useNow(trials.some((trial) => trial.state === "running"));
  const front = useMemo(() => new Set(found.front), [found.front]);
  const onBrush = (next: Brushes) => setSearch({ brush: writeBrushes(next, dims) || undefined });
  const by = search.sort ?? "";
  const shared = { trials, dims, choice };
  return (
    <>
      {metric && goal && (
        <div className={styles.row}>
          <ProgressPanel {...shared} sweep={sweep} metrics={metrics} metric={metric} goal={goal} />
          <Importance
            id={sweep.id}
            goal={goal}
            ended={sweep.states.finished ?? 0}
            way={WAYS.find((one) => one.value === search.by)?.value ?? "fanova"}
            onWay={(way) => setSearch({ by: way === "fanova" ? undefined : way })}
          />
        </div>
      )}
      <Panel
        title="Parallel coordinates"
        note="draw over an axis to choose trials, click it to let go"
        actions={goal && <Ramp name={goal.name} />}
      >
        <Parallel
          trials={trials}
          dims={dims}
          standing={ranks}
          brushes={brushes}
          onBrush={onBrush}
          chosen={chosen}
          onChoose={choice.onChoose}
        />
        <Filters dims={dims} brushes={brushes} onBrush={onBrush} shown={shown.length} all={trials.length} />
      </Panel>
      <Panel title="Trials" note={`${shown.length} shown`} flush>
        <TrialsTable
          project={sweep.project}
          trials={shown}
          dims={dims}
          front={front}
          stops={trials.some((trial) => trial.prediction)}
          nowUs={nowUs}
          sorting={{ by: by.replace(/^-/, "") || "number", descending: by ? by.startsWith("-") : true }}
          onSort={(next) => setSearch({ sort: `${next.descending ? "-" : ""}${next.by}` })}
          chosen={chosen}
          onChoose={(trial) => setSearch({ trial: trial === null ? undefined : String(trial) })}
        />
      </Panel>
      {metrics.length > 1 && metrics[0] && metrics[1] && (
        <FrontPanel metrics={metrics} front={found.front} {...shared} />
      )}
      {metric && goal && parameters.length > 0 && (
        <div className={styles.row}>
          <Panel title={`${goal.name} over each parameter`}>
            <Slices {...shared} parameters={parameters} metric={metric} />
          </Panel>
          {parameters.length > 1 && <ContourPanel {...shared} parameters={parameters} metric={metric} goal={goal} />}
        </div>
      )}
      {sweep.early_stop !== null && <EarlyStop sweep={sweep} found={found} />}
      <Panel title="Agents" note="who ran which trial, when">
        <Timeline trials={trials} agents={sweep.agents} dims={dims} nowUs={nowUs} choice={choice} />
      </Panel>
    </>
  );
}
