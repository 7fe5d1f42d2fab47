/** One chart: uPlot draws axes and grid and selects ranges; lines, marks and the shared cursor are ours. */
import { useComputedColorScheme } from "@mantine/core";
import { useEffect, useLayoutEffect, useRef } from "react";
import uPlot from "uplot";
import styles from "./Chart.module.css";
import { hover, onHover, readHover } from "./hover";
import type { Picture } from "./lines";
import { readings } from "./nearest";
import { type Frame, paint, type Scales, scales, stroke } from "./paint";
import { axes } from "./ticks";
import { hideTip, showTip } from "./tip";

export interface ChartProps {
  picture: Picture;
  title: string;
  width: number;
  height: number;
  /** What the x axis is: decides how its places are written. */
  xKind: "number" | "time" | "seconds";
  logX: boolean;
  logY: boolean;
  /** A range of the x axis was drawn; null to see all of it again. */
  onZoom: (range: [number, number] | null) => void;
  onOpen?: ((id: string) => void) | undefined;
}

interface Live {
  plot: uPlot;
  frame: Frame;
  place: Scales;
}

export function Chart(props: ChartProps) {
  const host = useRef<HTMLDivElement>(null);
  const live = useRef<Live | null>(null);
  const latest = useRef(props);
  latest.current = props;
  const scheme = useComputedColorScheme("light");
  const { width, height, xKind, logX, logY, picture } = props;

  // biome-ignore lint/correctness/useExhaustiveDependencies: size and picture are given to the plot below, not by a new one
  useLayoutEffect(() => {
    if (!host.current) return;
    live.current = create(host.current, latest);
    const forget = onHover(() => follow(live.current, latest.current));
    return () => {
      forget();
      hideTip();
      live.current?.plot.destroy();
      live.current = null;
    };
  }, [scheme, xKind, logX, logY]);

  useEffect(() => {
    live.current?.plot.setSize({ width, height });
  }, [width, height]);

  useEffect(() => {
    const now = live.current;
    if (!now) return;
    now.plot.setData([picture.x, picture.y]);
    follow(now, latest.current);
  }, [picture]);

  return <div ref={host} className={styles.chart} style={{ width, height }} data-lines={picture.lines.length} />;
}

type Latest = { readonly current: ChartProps };

function create(host: HTMLDivElement, latest: Latest): Live {
  const { width, height, xKind, logX, logY, picture } = latest.current;
  const made: Partial<Live> = {};
  const plot = new uPlot(
    {
      width,
      height,
      legend: { show: false },
      padding: [8, 10, 0, 0],
      scales: {
        x: { time: false, distr: logX ? 3 : 1, range: () => latest.current.picture.x },
        y: { distr: logY ? 3 : 1, range: () => latest.current.picture.y },
      },
      axes: axes(host, { xKind, logX, logY }),
      series: [{}, { show: true, paths: () => null, points: { show: false } }],
      cursor: { x: false, y: false, points: { show: false }, drag: { x: true, y: false, setScale: false, dist: 5 } },
      hooks: {
        draw: [
          (self: uPlot) => {
            const { left, top, width: across, height: down } = self.bbox;
            const frame = { left, top, width: across, height: down };
            const now = latest.current;
            paint(
              self.ctx,
              now.picture,
              frame,
              scales(frame, now.picture.x, now.picture.y, now.logX, now.logY),
              uPlot.pxRatio,
            );
          },
        ],
        setSelect: [
          (self: uPlot) => {
            const { left, width: across } = self.select;
            if (across < 3) return;
            latest.current.onZoom([self.posToVal(left, "x"), self.posToVal(left + across, "x")]);
            self.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
          },
        ],
      },
    },
    [picture.x, picture.y],
    host,
  );
  const over = document.createElement("canvas");
  over.className = styles.over ?? "";
  const ruler = document.createElement("div");
  ruler.className = styles.ruler ?? "";
  plot.over.append(over, ruler);
  listen(plot, latest);
  return Object.assign(made, {
    plot,
    frame: { left: 0, top: 0, width: 0, height: 0 },
    place: { x: Number, y: Number },
  });
}

function listen(plot: uPlot, latest: Latest): void {
  const { over } = plot;
  over.addEventListener("mousemove", (event) => {
    const { offsetX, offsetY } = event;
    const now = latest.current;
    const place = plot.posToVal(offsetX, "x");
    const found = readings(now.picture, place);
    const near = found.reduce<{ id: string | null; far: number }>(
      (best, { line, y }) => {
        const far = Math.abs(plot.valToPos(y, "y") - offsetY);
        return far < best.far ? { id: line.id, far } : best;
      },
      { id: null, far: 40 },
    );
    hover({ x: place, run: near.id });
    showTip(event, now.title, found, near.id, now.xKind);
  });
  over.addEventListener("mouseleave", () => {
    hover({ x: null, run: null });
    hideTip();
  });
  over.addEventListener("dblclick", () => latest.current.onZoom(null));
  over.addEventListener("click", () => {
    const { run } = readHover();
    if (run && plot.select.width < 3) latest.current.onOpen?.(run);
  });
}

/** Put the shared cursor, and the line of the run under the pointer, over the chart. */
function follow(live: Live | null, props: ChartProps): void {
  if (!live) return;
  const { plot } = live;
  const canvas = plot.over.querySelector("canvas");
  const ruler = plot.over.querySelector<HTMLElement>(`.${styles.ruler}`);
  if (!canvas || !ruler) return;
  const { x, run } = readHover();
  const inside = x !== null && x >= props.picture.x[0] && x <= props.picture.x[1];
  ruler.style.display = inside ? "block" : "none";
  if (inside) ruler.style.transform = `translateX(${plot.valToPos(x, "x")}px)`;
  const line = run === null ? undefined : props.picture.lines.find((one) => one.id === run);
  if (!line || props.picture.lines.length < 2) {
    canvas.style.display = "none";
    return;
  }
  const ratio = uPlot.pxRatio;
  const frame = { left: 0, top: 0, width: plot.over.clientWidth * ratio, height: plot.over.clientHeight * ratio };
  canvas.style.display = "block";
  canvas.width = frame.width;
  canvas.height = frame.height;
  const context = canvas.getContext("2d");
  if (!context) return;
  const place = scales(frame, props.picture.x, props.picture.y, props.logX, props.logY);
  const surface = getComputedStyle(plot.root).getPropertyValue("--surface").trim() || "#ffffff";
  context.lineJoin = "round";
  stroke(context, line, line.y, place, { width: 6 * ratio, alpha: 0.85, ratio, colour: surface });
  stroke(context, line, line.y, place, { width: 2.5 * ratio, alpha: 1, ratio });
}
