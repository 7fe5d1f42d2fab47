/** ROC, and precision over recall: a line for each class. */
import type { EChartsCoreOption } from "echarts/core";
import { useCallback } from "react";
import { look } from "../charts/palette";
import { short } from "../format/numbers";
import { EChart } from "./EChart";
import type { Colours } from "./options";
import type { Saving } from "./PanelCard";
import { curvesOf, type RateCurve, type TablePage } from "./tables";

interface Props {
  kind: "roc" | "pr";
  page: TablePage;
  height: number;
  label: string;
  saving: Saving;
}

const AXES = { roc: ["False positive rate", "True positive rate"], pr: ["Recall", "Precision"] } as const;

export function Rates({ kind, page, height, label, saving }: Props) {
  const option = useCallback((colours: Colours) => rates(kind, curvesOf(kind, page), colours), [kind, page]);
  return (
    <EChart
      label={`${kind === "roc" ? "ROC" : "Precision over recall"}: ${label}`}
      height={height}
      option={option}
      saving={saving}
    />
  );
}

export function rates(kind: "roc" | "pr", curves: readonly RateCurve[], colours: Colours): EChartsCoreOption {
  const [xName, yName] = AXES[kind];
  const word = kind === "roc" ? "AUC" : "AP";
  const axis = (name: string, across: boolean) => ({
    type: "value",
    min: 0,
    max: 1,
    name,
    nameLocation: "middle",
    nameGap: across ? 24 : 34,
    nameTextStyle: { color: colours.dim, fontSize: 11 },
    axisLabel: { color: colours.dim, fontSize: 11 },
    splitLine: { lineStyle: { color: colours.grid } },
  });
  const chance = {
    type: "line",
    name: "chance",
    data: [
      [0, 0],
      [1, 1],
    ],
    silent: true,
    symbol: "none",
    lineStyle: { color: colours.dim, type: "dotted", width: 1 },
  };
  return {
    animation: false,
    textStyle: { color: colours.text },
    grid: { left: 50, right: 16, top: 36, bottom: 40 },
    legend: {
      type: "scroll",
      top: 4,
      textStyle: { color: colours.text, fontSize: 11 },
      data: curves.map((curve) => nameOf(curve, word)),
    },
    tooltip: {
      renderMode: "richText",
      confine: true,
      trigger: "item",
      backgroundColor: colours.surface,
      borderColor: colours.line,
      textStyle: { color: colours.text, fontSize: 12 },
      formatter: ({ seriesName, value }: { seriesName: string; value: number[] }) =>
        `${seriesName}\n${xName}: ${short(value[0] ?? 0, 4)}\n${yName}: ${short(value[1] ?? 0, 4)}`,
    },
    xAxis: axis(xName, true),
    yAxis: axis(yName, false),
    series: [
      ...curves.map((curve, at) => {
        const { colour, dash } = look(at, colours.dark);
        return {
          type: "line",
          name: nameOf(curve, word),
          data: curve.x.map((x, i) => [x, curve.y[i]]),
          // Precision holds until the next recall: between two corners there is nothing.
          ...(kind === "pr" ? { step: "end" } : {}),
          showSymbol: false,
          symbolSize: 6,
          lineStyle: { color: colour, width: 2, type: dash.length ? [...dash] : "solid" },
          itemStyle: { color: colour },
        };
      }),
      ...(kind === "roc" ? [chance] : []),
    ],
  };
}

const nameOf = ({ name, area }: RateCurve, word: string) =>
  area === null ? name : `${name} (${word} ${short(area, 4)})`;
