/** Returns over seeds: the mean of the middle half of the runs, with intervals. */
import { useComputedColorScheme } from "@mantine/core";
import { useElementSize } from "@mantine/hooks";
import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { get } from "../api/client";
import { Chart } from "../charts/Chart";
import { table } from "../charts/export";
import { framed, type Line } from "../charts/lines";
import { look } from "../charts/palette";
import { count, short, things } from "../format/numbers";
import { Swatch } from "../shell/Swatch";
import styles from "./Panel.module.css";
import { type BodyProps, Nothing } from "./PanelCard";
import { titleOf } from "./panel";
import { runsOf } from "./scope";
import { isMoving } from "./values";

export interface ReturnsLine {
  name: string;
  runs: number;
  tasks: number;
  episodes: number;
  draws: number;
  values: (number | null)[];
  low: (number | null)[];
  high: (number | null)[];
  counts: number[];
}

interface Answer {
  x: number[];
  window: number;
  lines: ReturnsLine[];
  without: number;
}

const LEGEND_PX = 44;

/** Lines as charts draw them. */
export function linesOf(answer: Pick<Answer, "x" | "lines">, dark: boolean): Line[] {
  const floats = (values: readonly (number | null)[]) => Float64Array.from(values, (one) => one ?? Number.NaN);
  return answer.lines.map((one, at) => ({
    id: one.name,
    label: `${one.name} (${one.runs} runs)`,
    look: look(at, dark),
    x: Float64Array.from(answer.x),
    y: floats(one.values),
    raw: null,
    low: floats(one.low),
    high: floats(one.high),
    total: one.episodes,
    runs: one.runs,
  }));
}

export function Returns({ panel, height, scope, saving }: BodyProps) {
  const { ref, width } = useElementSize<HTMLDivElement>();
  const dark = useComputedColorScheme("light") === "dark";
  const x = scope.view.x && scope.view.x !== "_time" ? scope.view.x : "_step";
  const xKind = x === "_runtime" ? "seconds" : "number";
  const by = panel.by ? [panel.by] : scope.view.group;
  const query = { ...runsOf(scope), key: panel.key, x, by, task: panel.colour };
  const { data, error } = useQuery({
    queryKey: ["returns", JSON.stringify(query)],
    queryFn: ({ signal }) => get<Answer>("/returns", query, signal),
    placeholderData: (before) => before,
    refetchInterval: isMoving(scope) && 10_000,
  });
  const drawing = useMemo(() => data && framed(linesOf(data, dark), { logX: false, logY: false }), [data, dark]);
  if (error && !data) return <Nothing>{error.message}</Nothing>;
  if (!data || !drawing) return <div ref={ref} />;
  if (!data.lines.length) return <Nothing>No run of the table has episodes under {panel.key}.</Nothing>;
  saving.current.csv = () =>
    table([
      ["line", x, "iqm", "low", "high", "runs"],
      ...data.lines.flatMap((one) =>
        data.x.map((place, at) => [
          one.name,
          ...[place, one.values[at], one.low[at], one.high[at], one.counts[at]].map((value) => String(value ?? "")),
        ]),
      ),
    ]);
  saving.current.png = async () => {
    const { pictureOf } = await import("../charts/export");
    return pictureOf({ title: titleOf(panel), picture: drawing, logX: false, logY: false, xName: x, xKind });
  };
  return (
    <div ref={ref} className={styles.echart} style={{ height }}>
      {width > 130 && (
        <Chart
          picture={drawing}
          title={titleOf(panel)}
          width={Math.floor(width)}
          height={height - LEGEND_PX}
          xKind={xKind}
          logX={false}
          logY={false}
          onZoom={() => {}}
        />
      )}
      <div className={styles.legend}>
        {data.lines.map((one, at) => (
          <span key={one.name} title={aboutLine(one)}>
            <Swatch look={look(at, dark)} /> {one.name} <em>{things(one.runs, "run")}</em>
          </span>
        ))}
      </div>
      <div className={styles.foot} title={`Each run is the mean of its episodes of the last ${short(data.window, 3)}`}>
        IQM, 95 % stratified bootstrap
        {data.lines.some((one) => one.tasks > 1) && " within tasks"}
        {data.without > 0 && ` · ${data.without} without episodes`}
      </div>
    </div>
  );
}

function aboutLine({ runs, tasks, episodes, draws }: ReturnsLine): string {
  const parts = [things(runs, "run"), things(tasks, "task"), `${count(episodes)} episodes`];
  return [...parts, draws ? `${draws} resamplings` : "one run: no interval"].join(", ");
}
