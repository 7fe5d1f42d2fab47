/** Returns as points, one for each episode, and their rolling means as lines. Environments differ in colour and in shape. */
import { useComputedColorScheme } from "@mantine/core";
import { useElementSize } from "@mantine/hooks";
import { useEffect, useLayoutEffect, useRef, useState } from "react";
import uPlot from "uplot";
import { look } from "../../../charts/palette";
import { axes } from "../../../charts/ticks";
import { short } from "../../../format/numbers";
import styles from "./Episodes.module.css";
import { asFloats, type Episodes, nearest, shape } from "./episodes";

export type What = "return" | "length" | "success";

interface Props {
  episodes: Episodes;
  what: What;
  byEnv: boolean;
  height: number;
  video: number | null;
  onVideo: (at: number) => void;
}

export function EpisodeChart(props: Props) {
  const { episodes, what, height } = props;
  const { ref, width } = useElementSize<HTMLDivElement>();
  const host = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const latest = useRef(props);
  latest.current = props;
  const [over, setOver] = useState<number | null>(null);
  const dark = useComputedColorScheme("light") === "dark";

  useLayoutEffect(() => {
    if (!host.current) return;
    const made = create(host.current, latest, dark);
    plot.current = made;
    made.over.addEventListener("mousemove", (event) => {
      const { episodes: now, what: shown } = latest.current;
      const found = nearest(now.x, asFloats(now.points[shown]), (x, y) => {
        return Math.hypot(made.valToPos(x, "x") - event.offsetX, made.valToPos(y, "y") - event.offsetY);
      });
      setOver(found);
    });
    made.over.addEventListener("mouseleave", () => setOver(null));
    made.over.addEventListener("click", (event) => {
      const videos = latest.current.episodes.videos;
      const at = videos.findIndex((one) => Math.abs(made.valToPos(Number(one.x), "x") - event.offsetX) < 8);
      if (at >= 0) latest.current.onVideo(at);
    });
    return () => {
      made.destroy();
      plot.current = null;
    };
  }, [dark]);
  useEffect(() => {
    if (width > 0) plot.current?.setSize({ width: Math.floor(width), height });
  }, [width, height]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: whatever is drawn differently
  useEffect(() => {
    plot.current?.setData([reachX(episodes), reachY(latest.current)]);
  }, [episodes, what, props.byEnv, props.video]);
  return (
    <div ref={ref} className={styles.chart}>
      <div ref={host} style={{ height }} role="img" aria-label={`${what} of ${episodes.total} episodes`} />
      <p className={styles.told} role="status">
        {over === null ? <Hint episodes={episodes} /> : <Told episodes={episodes} at={over} />}
      </p>
    </div>
  );
}

function Hint({ episodes }: { episodes: Episodes }) {
  const { total, window, x, videos } = episodes;
  const words = [
    `${total.toLocaleString("en")} episodes${x.length < total ? `, ${x.length.toLocaleString("en")} drawn with every extreme` : ""}`,
    `line: mean of the last ${window}`,
    ...(videos.length ? ["▲ at the bottom: a video"] : []),
  ];
  return words.join(" · ");
}

function Told({ episodes, at }: { episodes: Episodes; at: number }) {
  const value = (name: string) => episodes.points[name]?.[at];
  const [total, length, env, id, success] = ["return", "length", "env", "id", "success"].map(value);
  const words = [
    `step ${short(episodes.x[at] ?? 0, 9)}`,
    total != null && `return ${typeof total === "number" ? short(total, 6) : "NaN"}`,
    typeof length === "number" && `${short(length)} steps long`,
    typeof env === "number" && `environment ${env}`,
    typeof id === "number" && `its episode ${id}`,
    typeof success === "number" && (success ? "success" : "no success"),
  ];
  return words.filter((word) => typeof word === "string").join(" · ");
}

function reachX({ x }: Episodes): number[] {
  const [first, last] = [x[0] ?? 0, x.at(-1) ?? 1];
  const room = 0.012 * (last - first);
  return first < last ? [first - room, last + room] : [first - 1, first + 1];
}

function reachY({ episodes, what }: Props): number[] {
  if (what === "success") return [-0.04, 1.04];
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const value of asFloats(episodes.points[what])) {
    if (!Number.isFinite(value)) continue;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  if (!(low <= high)) return [0, 1];
  const room = 0.06 * (high - low) || Math.abs(high) * 0.1 || 0.5;
  return [low - room, high + room];
}

function create(host: HTMLDivElement, latest: { readonly current: Props }, dark: boolean): uPlot {
  const now = latest.current;
  return new uPlot(
    {
      width: Math.max(200, host.clientWidth),
      height: now.height,
      legend: { show: false },
      padding: [8, 12, 0, 0],
      scales: {
        x: { time: false, range: () => reachX(latest.current.episodes) as [number, number] },
        y: { range: () => reachY(latest.current) as [number, number] },
      },
      axes: axes(host, { xKind: "number", logX: false, logY: false }),
      series: [{}, { show: true, paths: () => null, points: { show: false } }],
      cursor: { x: true, y: false, points: { show: false }, drag: { x: false, y: false } },
      hooks: { draw: [(self: uPlot) => paint(self, latest.current, dark)] },
    },
    [reachX(now.episodes), reachY(now)] as uPlot.AlignedData,
    host,
  );
}

function paint(plot: uPlot, { episodes, what, byEnv, video }: Props, dark: boolean): void {
  const { ctx: context, bbox } = plot;
  const ratio = uPlot.pxRatio;
  context.save();
  context.beginPath();
  context.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  context.clip();
  // A success is one or none: as points they tell less than their share.
  if (what !== "success") points(plot, episodes, what, byEnv, dark);
  const rolling = { return: episodes.returns, length: [episodes.lengths], success: [episodes.success] }[what];
  const shown = byEnv && rolling.length > 1 ? rolling.slice(1) : rolling.slice(0, 1);
  for (const one of shown) {
    if (!one) continue;
    const { colour, dash } =
      one.env === null ? { colour: dark ? "#ffffff" : "#16201f", dash: [] } : look(one.env, dark);
    trace(plot, one.x, asFloats(one.values));
    context.setLineDash([]);
    context.strokeStyle = dark ? "#161d1e" : "#ffffff";
    context.lineWidth = 5 * ratio;
    context.stroke();
    context.setLineDash(dash.map((part) => part * ratio));
    context.strokeStyle = colour;
    context.lineWidth = 2.2 * ratio;
    context.stroke();
  }
  context.setLineDash([]);
  episodes.videos.forEach((one, at) => {
    const x = plot.valToPos(Number(one.x), "x", true);
    const [base, size] = [bbox.top + bbox.height - 2 * ratio, (at === video ? 9 : 6) * ratio];
    context.fillStyle = at === video ? "#c2185b" : dark ? "#4fc4bb" : "#0a6e69";
    context.beginPath();
    context.moveTo(x - size * 0.7, base);
    context.lineTo(x + size * 0.7, base);
    context.lineTo(x, base - size * 1.4);
    context.fill();
  });
  context.restore();
}

function points(plot: uPlot, episodes: Episodes, what: What, byEnv: boolean, dark: boolean): void {
  const { ctx: context } = plot;
  const ratio = uPlot.pxRatio;
  const { x } = episodes;
  const env = byEnv ? episodes.points.env : undefined;
  context.globalAlpha = x.length > 1500 ? 0.35 : x.length > 400 ? 0.5 : 0.7;
  asFloats(episodes.points[what]).forEach((value, at) => {
    if (!Number.isFinite(value)) return;
    const number = env?.[at];
    const place = typeof number === "number" ? number : 0;
    context.fillStyle = look(place, dark).colour;
    shape(context, place, plot.valToPos(x[at] as number, "x", true), plot.valToPos(value, "y", true), 2.6 * ratio);
  });
  context.globalAlpha = 1;
}

function trace(plot: uPlot, x: readonly number[], values: readonly number[]): void {
  const { ctx: context } = plot;
  context.lineJoin = "round";
  context.beginPath();
  x.forEach((place, at) => {
    context.lineTo(plot.valToPos(place, "x", true), plot.valToPos(values[at] as number, "y", true));
  });
}
