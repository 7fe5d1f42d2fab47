/** A metric over two parameters: trials as points, and what lies between them as bands. */
import { contours } from "d3-contour";
import { useCallback, useMemo } from "react";
import { type Colours, merit } from "../../echarts/colours";
import { EChart, type Option } from "../../echarts/EChart";
import type { Dim } from "./dims";
import { axisOf, type Choice, dots, pointing } from "./scatter";
import { type Surface, spotsOf, surfaceOf } from "./surface";
import type { Goal, TrialRow } from "./types";

const BANDS = 10;

interface Props {
  trials: readonly TrialRow[];
  dims: readonly Dim[];
  x: Dim;
  y: Dim;
  metric: Dim;
  goal: Goal;
  choice: Choice;
}

interface Box {
  x: number;
  y: number;
  width: number;
  height: number;
}

export function Contour({ trials, dims, x, y, metric, goal, choice }: Props) {
  const spots = useMemo(() => spotsOf(trials, x, y, metric.metric), [trials, x, y, metric]);
  const surface = useMemo(() => {
    const ended = spots.filter((spot) => spot.trial.state === "finished" || spot.trial.state === "stopped");
    return ended.length >= 3 ? surfaceOf(ended, x, y) : null;
  }, [spots, x, y]);
  const draw = useCallback(
    (colours: Colours, width: number) => {
      const place = (dim: Dim, at: number) => dim.low + at * (dim.high - dim.low);
      const found = spots.map((spot) => ({ trial: spot.trial, x: place(x, spot.x), y: place(y, spot.y) }));
      const points = dots("trials", found, choice, colours, 7);
      // On bands of any brightness a point needs an edge.
      const edged = points.data.map((one) => ({
        ...one,
        itemStyle: {
          borderColor: colours.surface,
          borderWidth: 1,
          ...one.itemStyle,
          color: colours.dark ? "#ff8a3d" : "#d55e00",
        },
      }));
      return {
        grid: { left: 64, right: 12, top: 8, bottom: 44 },
        xAxis: { ...axisOf(x, Math.max(2, width / 70), colours, 80), nameGap: 26, splitLine: { show: false } },
        yAxis: { ...axisOf(y, 6, colours, 56), name: "", splitLine: { show: false } },
        series: [...(surface ? [bands(surface, goal, colours)] : []), { ...points, data: edged }],
      } as Option;
    },
    [spots, surface, x, y, goal, choice],
  );
  return (
    <EChart
      label={`${metric.name} over ${x.name} and ${y.name}: ${spots.length} trials`}
      height={300}
      draw={draw}
      {...pointing(spots, dims, choice)}
    />
  );
}

function bands(surface: Surface, goal: Goal, colours: Colours) {
  const { columns, rows } = surface;
  // Bands lie on each other from the worst to the best.
  const values = goal.goal === "minimize" ? surface.values.map((value) => 1 - value) : surface.values;
  const thresholds = Array.from({ length: BANDS }, (_, at) => at / BANDS);
  const shapes = contours().size([columns, rows]).thresholds(thresholds)(values);
  return {
    id: "bands",
    type: "custom",
    silent: true,
    clip: true,
    z: 0,
    encode: { x: 0, y: 1 },
    data: [[0, 0]],
    renderItem: (params: { coordSys: Box }) => {
      const { x, y, width, height } = params.coordSys;
      const at = ([column = 0, row = 0]: number[]) =>
        `${(x + (column / columns) * width).toFixed(1)} ${(y + height - (row / rows) * height).toFixed(1)}`;
      return {
        type: "group",
        children: shapes.map((shape) => ({
          type: "path",
          shape: {
            pathData: shape.coordinates
              .flatMap((polygon) => polygon.map((ring) => `M${ring.map(at).join("L")}Z`))
              .join(""),
          },
          style: { fill: merit(0.06 + 0.8 * shape.value, colours.dark), stroke: colours.surface, lineWidth: 0.4 },
        })),
      };
    },
  };
}
