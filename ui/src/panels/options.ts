/** What ECharts is told to draw. Nothing here touches the page. */
import type { EChartsCoreOption } from "echarts/core";
import { quantile } from "../charts/aggregate";
import { look } from "../charts/palette";
import { short, things } from "../format/numbers";
import type { Panel } from "./panel";
import { type Column, column, groupsOf, shown, type Values } from "./values";

/** The page's colours now. */
export interface Colours {
  text: string;
  dim: string;
  line: string;
  grid: string;
  surface: string;
  accent: string;
  dark: boolean;
}

/** After cividis: read by everybody, in both schemes. */
export const RAMP_LIGHT = ["#00224e", "#3f4d6d", "#7b7b78", "#b9a94d", "#e0c700"];
export const RAMP_DARK = ["#5b8bd0", "#8295b5", "#a3a095", "#cdb95f", "#fee838"];
// Circles, squares, triangles, diamonds: colour is never alone.
const SYMBOLS = ["circle", "rect", "triangle", "diamond", "roundRect", "pin", "arrow"];
/** More groups than this have no room beside each other: they come page by page. */
export const MOST_GROUPS = 28;

type Point = { name: string; id: string; value: (number | string | null)[] };

const fits = (value: unknown, log: boolean | undefined) =>
  value !== null && (typeof value !== "number" || !log || value > 0);

function base(colours: Colours): EChartsCoreOption {
  return {
    animation: false,
    textStyle: { fontFamily: "system-ui, sans-serif", color: colours.text },
    tooltip: {
      // Drawn like the rest: names of runs never become HTML.
      renderMode: "richText",
      confine: true,
      backgroundColor: colours.surface,
      borderColor: colours.line,
      textStyle: { color: colours.text, fontSize: 12 },
    },
  };
}

function axis(of: Column, colours: Colours, log: boolean | undefined, across: boolean): object {
  const type = of.kind === "number" ? (log ? "log" : "value") : of.kind;
  return {
    type,
    name: of.title,
    nameLocation: "middle",
    nameGap: across ? 26 : 46,
    nameTextStyle: { color: colours.dim, fontSize: 11 },
    scale: true,
    axisLabel: {
      color: colours.dim,
      fontSize: 11,
      hideOverlap: true,
      ...(of.kind === "number" ? { formatter: (value: number) => short(value, 4) } : {}),
      ...(of.kind === "category" ? { width: across ? 90 : 70, overflow: "truncate" } : {}),
    },
    axisLine: { lineStyle: { color: colours.line } },
    axisTick: { show: false },
    splitLine: { show: of.kind !== "category", lineStyle: { color: colours.grid } },
    ...(of.kind === "category" ? { data: [...new Set(of.data.filter((one) => one !== null))] } : {}),
  };
}

const PLOT = { left: 62, right: 18, top: 14, bottom: 42 };

/** A column as text, for a line of a tip. */
const told = (of: Column, value: number | string | null | undefined) =>
  `${of.title}: ${typeof value === "number" && of.kind === "number" ? short(value, 6) : shown(of, value ?? "–")}`;

export function scatter(panel: Panel, values: Values, colours: Colours): EChartsCoreOption {
  const [x, y] = [column(values, panel.x ?? ""), column(values, panel.y ?? "")];
  const colour = panel.colour ? column(values, panel.colour) : null;
  const all = values.ids
    .map(
      (id, at): Point => ({
        id,
        name: values.names[at] ?? id,
        value: [x.data[at] ?? null, y.data[at] ?? null, colour ? (colour.data[at] ?? null) : 0],
      }),
    )
    .filter(({ value }) => fits(value[0], panel.logX) && fits(value[1], panel.logY));
  const tip = ({ name, value }: { name: string; value: (number | string)[] }) =>
    [name, told(x, value[0]), told(y, value[1]), ...(colour ? [told(colour, value[2])] : [])].join("\n");
  const shared = { type: "scatter", symbolSize: all.length > 300 ? 7 : 10, emphasis: { scale: 1.4 } };
  const continuous = colour?.kind === "number" ? colour : null;
  const numbers = (continuous?.data ?? []).filter((one) => typeof one === "number") as number[];
  return {
    ...base(colours),
    tooltip: { ...(base(colours).tooltip as object), formatter: tip },
    grid: { ...PLOT, right: continuous ? 74 : PLOT.right, top: colour && !continuous ? 34 : PLOT.top },
    xAxis: axis(x, colours, panel.logX, true),
    yAxis: axis(y, colours, panel.logY, false),
    ...(continuous && numbers.length ? { visualMap: ramp(continuous.title, numbers, colours, 2) } : {}),
    ...(colour && !continuous ? { legend: legend(colours) } : {}),
    series:
      colour && !continuous
        ? byName(all, colours).map(([name, data, style]) => ({ ...shared, name, data, ...style }))
        : [{ ...shared, data: all, itemStyle: { color: colours.accent, opacity: 0.85 } }],
  };
}

function legend(colours: Colours): object {
  return {
    type: "scroll",
    top: 4,
    left: 8,
    right: 8,
    textStyle: { color: colours.text, fontSize: 11 },
    itemHeight: 9,
    itemWidth: 12,
  };
}

function ramp(title: string, numbers: readonly number[], colours: Colours, dimension: number): object {
  return {
    type: "continuous",
    min: Math.min(...numbers),
    max: Math.max(...numbers),
    dimension,
    right: 4,
    top: 24,
    itemWidth: 10,
    itemHeight: 110,
    precision: 4,
    calculable: false,
    text: [short(Math.max(...numbers), 3), short(Math.min(...numbers), 3)],
    textStyle: { color: colours.dim, fontSize: 10 },
    name: title,
    inRange: { color: colours.dark ? RAMP_DARK : RAMP_LIGHT },
  };
}

function byName(points: readonly Point[], { dark }: Colours): [string, Point[], object][] {
  const found = new Map<string, Point[]>();
  for (const point of points) {
    const name = String(point.value[2] ?? "–");
    found.set(name, [...(found.get(name) ?? []), point]);
  }
  return [...found]
    .sort(([a], [b]) => a.localeCompare(b, "en", { numeric: true }))
    .map(([name, data], at) => [
      name,
      data,
      { symbol: SYMBOLS[at % SYMBOLS.length], itemStyle: { color: look(at, dark).colour, opacity: 0.9 } },
    ]);
}

type Group = ReturnType<typeof groupsOf>[number];

function named(groups: readonly Group[]): string[] {
  return groups.map(({ name, values }) => `${name}\n${things(values.length, "run")}`);
}

function twoLines(given: object): object {
  const { axisLabel } = given as { axisLabel: object };
  return { ...given, nameGap: 36, axisLabel: { ...axisLabel, lineHeight: 13, hideOverlap: true } };
}

/** Groups across, values upwards. */
function grouped(panel: Panel, values: Values, colours: Colours, from: number) {
  const [y, by] = [column(values, panel.y ?? ""), column(values, panel.by ?? "")];
  const groups = groupsOf(by, y).slice(from, from + MOST_GROUPS);
  const across = { ...by, kind: "category" as const, data: named(groups) };
  const option = {
    ...base(colours),
    grid: { ...PLOT, bottom: 58 },
    xAxis: twoLines(axis(across, colours, false, true)),
    yAxis: axis({ ...y, kind: "number" }, colours, panel.logY, false),
  };
  return { y, groups, option };
}

const mean = (values: readonly number[]) => values.reduce((sum, one) => sum + one, 0) / values.length;

export function statistics(values: readonly number[]): { mean: number; std: number; five: number[] } {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = mean(values);
  const rest = values.length - 1;
  const std = rest > 0 ? Math.sqrt(values.reduce((sum, one) => sum + (one - middle) ** 2, 0) / rest) : 0;
  return { mean: middle, std, five: [0, 0.25, 0.5, 0.75, 1].map((share) => quantile(sorted, share)) };
}

/** Bars of groups, from the one with this number on. */
export function bar(panel: Panel, values: Values, colours: Colours, from = 0): EChartsCoreOption {
  const { y, groups, option } = grouped(panel, values, colours, from);
  const how = panel.how ?? "mean";
  const found = groups.map((group) => statistics(group.values));
  const heights = found.map(({ mean: middle, five }) =>
    how === "mean" ? middle : five[{ median: 2, min: 0, max: 4 }[how]],
  );
  const tip = ({ dataIndex }: { dataIndex: number }) => {
    const { mean: middle, std, five } = found[dataIndex] ?? statistics([]);
    const rest = `mean ${short(middle, 5)} ± ${short(std, 3)}\nmedian ${short(five[2] ?? 0, 5)}\n${short(five[0] ?? 0, 5)} to ${short(five[4] ?? 0, 5)}`;
    return `${groups[dataIndex]?.name}\n${y.title}: ${rest}`;
  };
  const whiskers = found.map(({ mean: middle, std }, at) => [at, middle - std, middle + std]);
  return {
    ...option,
    // A bar tells by its length: its axis begins at nothing.
    yAxis: { ...option.yAxis, scale: false },
    tooltip: { ...(base(colours).tooltip as object), formatter: tip },
    series: [
      {
        type: "bar",
        data: heights,
        barMaxWidth: 46,
        itemStyle: { color: look(0, colours.dark).colour },
        label: {
          show: how !== "mean",
          position: "top",
          color: colours.dim,
          fontSize: 11,
          formatter: ({ value }: { value: number }) => short(value, 4),
        },
        labelLayout: { hideOverlap: true },
      },
      ...(how === "mean" ? [whiskersOf(whiskers, colours)] : []),
    ],
  };
}

interface Drawing {
  value(dimension: number): number;
  coord(place: [number, number]): [number, number];
  size(span: [number, number]): [number, number];
}

const NUMBER_PX = 42;

/** How far each group is spread, with its middle written above. */
function whiskersOf(data: readonly (readonly number[])[], { text, dim }: Colours): object {
  return {
    type: "custom",
    data,
    silent: true,
    z: 5,
    encode: { x: 0, y: [1, 2] },
    renderItem: (_params: unknown, api: Drawing) => {
      const [x, low] = api.coord([api.value(0), api.value(1)]);
      const [, high] = api.coord([api.value(0), api.value(2)]);
      const line = (x1: number, y1: number, x2: number, y2: number) => ({
        type: "line",
        shape: { x1, y1, x2, y2 },
        style: { stroke: text, lineWidth: 1.5 },
      });
      const reach = [line(x, low, x, high), line(x - 5, low, x + 5, low), line(x - 5, high, x + 5, high)];
      // One run has no spread, and a number that is wider than its bar would lie over the next one.
      const roomy = api.size([1, 0])[0] >= NUMBER_PX;
      return {
        type: "group",
        children: [
          ...(high < low ? reach : []),
          ...(roomy
            ? [
                {
                  type: "text",
                  x,
                  y: high - 4,
                  style: {
                    text: short((api.value(1) + api.value(2)) / 2, 4),
                    fill: dim,
                    align: "center",
                    verticalAlign: "bottom",
                    fontSize: 11,
                  },
                },
              ]
            : []),
        ],
      };
    },
  };
}

/** Boxes of groups, from the one with this number on. */
export function box(panel: Panel, values: Values, colours: Colours, from = 0): EChartsCoreOption {
  const { y, groups, option } = grouped(panel, values, colours, from);
  const found = groups.map((group) => statistics(group.values));
  const points = groups.flatMap((group, at) =>
    group.values.map((value, i): Point => {
      const run = group.at[i] as number;
      return { id: values.ids[run] ?? "", name: values.names[run] ?? "", value: [at, value] };
    }),
  );
  const words = ["smallest", "lower quarter", "median", "upper quarter", "largest"];
  const tip = (given: { seriesType: string; dataIndex: number; name: string; value: number[] }) =>
    given.seriesType === "boxplot"
      ? [
          groups[given.dataIndex]?.name,
          ...words.map((word, i) => `${word} ${short(found[given.dataIndex]?.five[i] ?? 0, 5)}`),
        ].join("\n")
      : `${given.name}\n${y.title}: ${short(given.value[1] ?? 0, 6)}`;
  const { colour } = look(0, colours.dark);
  return {
    ...option,
    tooltip: { ...(base(colours).tooltip as object), formatter: tip },
    series: [
      {
        type: "boxplot",
        data: found.map(({ five }) => five),
        boxWidth: [10, 50],
        itemStyle: { color: "transparent", borderColor: colour, borderWidth: 1.8 },
      },
      { type: "scatter", data: points, symbolSize: 6, itemStyle: { color: colours.text, opacity: 0.55 }, z: 4 },
    ],
  };
}

const LOG_SPAN = 100;

export function parallel(panel: Panel, values: Values, colours: Colours): EChartsCoreOption {
  const columns = (panel.columns ?? []).map((field) => column(values, field));
  const colour = panel.colour ? column(values, panel.colour) : null;
  const numbers = (colour?.data ?? []).filter((one) => typeof one === "number") as number[];
  const data = values.ids.map((id, at) => ({
    id,
    name: values.names[at] ?? id,
    value: [...columns.map((each) => each.data[at] ?? "-"), ...(colour ? [colour.data[at] ?? "-"] : [])],
  }));
  return {
    ...base(colours),
    parallel: {
      left: 46,
      right: numbers.length ? 96 : 60,
      top: 34,
      bottom: 34,
      parallelAxisDefault: {
        nameGap: 14,
        nameTruncate: { maxWidth: columns.length > 7 ? 60 : columns.length > 5 ? 84 : 110 },
        nameTextStyle: { color: colours.text, fontSize: 11 },
        axisLine: { lineStyle: { color: colours.dim } },
        // Over the lines, and readable there.
        z: 20,
        axisLabel: {
          color: colours.text,
          fontSize: 10,
          width: 64,
          overflow: "truncate",
          textBorderColor: colours.surface,
          textBorderWidth: 3,
        },
        areaSelectStyle: { width: 18, borderColor: colours.accent, color: colours.accent, opacity: 0.25 },
      },
    },
    parallelAxis: columns.map((each, dim) => parallelAxis(each, dim)),
    ...(numbers.length && colour ? { visualMap: ramp(colour.title, numbers, colours, columns.length) } : {}),
    series: [
      {
        type: "parallel",
        data,
        smooth: false,
        lineStyle: {
          width: data.length > 100 ? 1 : 1.6,
          opacity: data.length > 300 ? 0.35 : 0.7,
          color: look(0, colours.dark).colour,
        },
        inactiveOpacity: 0.04,
        activeOpacity: 0.9,
        progressive: 0,
      },
    ],
  };
}

function parallelAxis(of: Column, dim: number): object {
  // In turns above and below: beside each other long names would lie over each other.
  const named = { dim, name: of.title, nameLocation: dim % 2 ? "start" : "end" };
  if (of.kind !== "number") {
    return {
      ...named,
      type: of.kind,
      ...(of.kind === "category" ? { data: [...new Set(of.data.filter((one) => one !== null))].sort() } : {}),
    };
  }
  const numbers = of.data.filter((one) => typeof one === "number") as number[];
  const [low, high] = [Math.min(...numbers), Math.max(...numbers)];
  const log = low > 0 && high / low >= LOG_SPAN;
  return {
    ...named,
    type: log ? "log" : "value",
    scale: true,
    axisLabel: { formatter: (value: number) => short(value, 3) },
  };
}
