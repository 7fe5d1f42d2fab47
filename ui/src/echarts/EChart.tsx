/**
 * A picture by ECharts: parallel coordinates, scatter, whatever has no lines over steps (those are uPlot's).
 *
 * Only the parts named here get into its file, which is loaded when a page first needs it. The box beside the pointer is
 * ours: ECharts would write it as HTML with styles in attributes, which the server's policy refuses.
 */
import { useComputedColorScheme } from "@mantine/core";
import { CustomChart, LineChart, ParallelChart, ScatterChart } from "echarts/charts";
import { GridComponent, ParallelComponent } from "echarts/components";
import { type ECharts, init, use } from "echarts/core";
import { CanvasRenderer } from "echarts/renderers";
import { useEffect, useRef } from "react";
import { hideTip } from "../charts/tip";
import { type Colours, readColours } from "./colours";
import styles from "./EChart.module.css";
import { showText, type TipText } from "./tip";

use([ScatterChart, LineChart, ParallelChart, CustomChart, GridComponent, ParallelComponent, CanvasRenderer]);

export type Option = Parameters<ECharts["setOption"]>[0];

export interface EChartProps {
  /** What a screen reader says of it. */
  label: string;
  height: number;
  /** Kept the same from one drawing to the next where nothing has changed. */
  draw: (colours: Colours, width: number) => Option;
  /** What is at the pointer: the id of a series and the number of the point in it. */
  tip?: ((series: string, index: number) => TipText | null) | undefined;
  onPick?: ((series: string, index: number) => void) | undefined;
  /** After each drawing, to say what options cannot. */
  after?: ((chart: ECharts) => void) | undefined;
  /** Parts that are not in the next option go, unless this says otherwise. */
  merge?: boolean;
}

interface Pointed {
  seriesId?: string;
  dataIndex?: number;
  event?: { event?: unknown };
}

export function EChart(props: EChartProps) {
  const host = useRef<HTMLDivElement>(null);
  const chart = useRef<ECharts | null>(null);
  const latest = useRef(props);
  latest.current = props;
  const scheme = useComputedColorScheme("light");
  const { label, height, draw } = props;

  useEffect(() => {
    if (!host.current) return;
    const made = init(host.current, null, { renderer: "canvas" });
    chart.current = made;
    const at = (told: unknown) => told as Pointed;
    made.on("mousemove", (told) => point(at(told), latest.current));
    made.on("mouseout", hideTip);
    made.on("globalout", hideTip);
    made.on("click", (told) => {
      const { seriesId, dataIndex } = at(told);
      if (seriesId !== undefined && dataIndex !== undefined) latest.current.onPick?.(seriesId, dataIndex);
    });
    const watcher = new ResizeObserver(() => {
      made.resize();
      if (host.current) drawn(made, host.current, latest.current);
    });
    watcher.observe(host.current);
    return () => {
      watcher.disconnect();
      hideTip();
      made.dispose();
      chart.current = null;
    };
  }, []);

  // biome-ignore lint/correctness/useExhaustiveDependencies: the colours are read from the page, which has changed with the scheme
  useEffect(() => {
    if (chart.current && host.current) drawn(chart.current, host.current, latest.current);
  }, [draw, scheme, props.after]);

  return <div ref={host} className={styles.chart} style={{ height }} role="img" aria-label={label} />;
}

function drawn(chart: ECharts, host: HTMLElement, { draw, merge, after }: EChartProps): void {
  const option = draw(readColours(host), host.clientWidth);
  chart.setOption({ animation: false, ...(option as object) } as Option, { notMerge: !merge });
  host.dataset.drawn = String(Number(host.dataset.drawn ?? 0) + 1);
  after?.(chart);
}

function point({ seriesId, dataIndex, event }: Pointed, { tip }: EChartProps): void {
  const text = seriesId !== undefined && dataIndex !== undefined ? tip?.(seriesId, dataIndex) : null;
  if (text && event?.event instanceof MouseEvent) showText(event.event, text);
  else hideTip();
}
