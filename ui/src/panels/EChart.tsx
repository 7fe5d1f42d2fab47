/** ECharts, with what our panels need of it. */
import { useComputedColorScheme } from "@mantine/core";
import { BarChart, BoxplotChart, CustomChart, LineChart, ParallelChart, ScatterChart } from "echarts/charts";
import {
  GridComponent,
  LegendComponent,
  LegendScrollComponent,
  ParallelComponent,
  TooltipComponent,
  VisualMapContinuousComponent,
} from "echarts/components";
import { type EChartsCoreOption, type EChartsType, init, use } from "echarts/core";
import { CanvasRenderer } from "echarts/renderers";
import { useEffect, useRef } from "react";
import type { Colours } from "./options";
import styles from "./Panel.module.css";
import type { Saving } from "./PanelCard";

use([
  BarChart,
  BoxplotChart,
  CustomChart,
  LineChart,
  ParallelChart,
  ScatterChart,
  GridComponent,
  LegendComponent,
  LegendScrollComponent,
  ParallelComponent,
  TooltipComponent,
  VisualMapContinuousComponent,
  CanvasRenderer,
]);

interface Props {
  label: string;
  height: number;
  option: (colours: Colours) => EChartsCoreOption;
  saving?: Saving | undefined;
  /** A run's point was clicked. */
  onOpen?: ((id: string) => void) | undefined;
  /** Lines were chosen along parallel axes; null for all. */
  onChoose?: ((indices: number[] | null) => void) | undefined;
}

export function EChart({ label, height, option, saving, onOpen, onChoose }: Props) {
  const host = useRef<HTMLDivElement>(null);
  const chart = useRef<EChartsType | null>(null);
  const ears = useRef({ onOpen, onChoose });
  ears.current = { onOpen, onChoose };
  const dark = useComputedColorScheme("light") === "dark";
  useEffect(() => {
    if (!host.current) return;
    const made = init(host.current, null, { renderer: "canvas" });
    chart.current = made;
    made.on("click", ({ data }) => {
      const { id } = (data ?? {}) as { id?: string };
      if (id) ears.current.onOpen?.(id);
    });
    made.on("axisareaselected", () => ears.current.onChoose?.(chosen(made)));
    const observer = new ResizeObserver(() => made.resize());
    observer.observe(host.current);
    return () => {
      observer.disconnect();
      made.dispose();
      chart.current = null;
    };
  }, []);
  useEffect(() => {
    if (!host.current || !chart.current) return;
    const now = coloursOf(host.current, dark);
    chart.current.setOption(option(now), { notMerge: true });
    if (saving) {
      saving.current = {
        ...saving.current,
        png: () => chart.current?.getDataURL({ pixelRatio: 2, backgroundColor: now.surface }) ?? "",
      };
    }
  }, [option, dark, saving]);
  return (
    <div ref={host} className={styles.echart} style={{ height }} role="img" aria-label={label} data-drawn="true" />
  );
}

/** Which lines fit what was chosen along the axes; null when nothing was. */
function chosen(chart: EChartsType): number[] | null {
  // ECharts tells it nowhere else.
  const { getModel } = chart as unknown as { getModel: () => Model };
  const series = getModel.call(chart).getSeries()[0];
  if (!series?.getRawIndicesByActiveState) return null;
  const active = series.getRawIndicesByActiveState("active");
  return series.getRawIndicesByActiveState("normal").length ? null : active;
}

interface Model {
  getSeries(): { getRawIndicesByActiveState?: (state: string) => number[] }[];
}

function coloursOf(element: HTMLElement, dark: boolean): Colours {
  const style = getComputedStyle(element);
  const of = (name: string) => style.getPropertyValue(name).trim() || "#888888";
  return {
    text: of("--text"),
    dim: of("--dim"),
    line: of("--line-strong"),
    grid: of("--grid"),
    surface: of("--surface"),
    accent: of("--accent"),
    dark,
  };
}
