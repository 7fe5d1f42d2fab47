/** A heat map: rows with names, columns over the x axis. What is bad is crossed out, not only coloured. */
import { UnstyledButton } from "@mantine/core";
import { useElementSize } from "@mantine/hooks";
import { type PointerEvent, useEffect, useRef, useState } from "react";
import { short } from "../../../format/numbers";
import styles from "./HeatMap.module.css";
import { type Grid, ramp } from "./scale";

interface Props {
  label: string;
  rows: readonly string[];
  grid: Grid;
  /** What is shown as the darkest and as the lightest. */
  reach: [number, number];
  /** From a value to where it is between those. */
  scaled?: (value: number) => number;
  say: (value: number) => string;
  height: number;
  mark?: { row: number; column: number } | null;
  chosen?: number;
  onChoose?: (row: number) => void;
  xName?: string;
  /** What is written beside the rows, and how far down, where rows are ranges of numbers. */
  scale?: readonly { share: number; text: string }[] | undefined;
}

interface Cell {
  row: number;
  column: number;
}

export function HeatMap(props: Props) {
  const { label, rows, grid, height, mark, say, xName = "step" } = props;
  const { ref, width } = useElementSize<HTMLDivElement>();
  const canvas = useRef<HTMLCanvasElement>(null);
  const [over, setOver] = useState<Cell | null>(null);
  const tall = Math.max(height, 1);
  useEffect(() => {
    if (canvas.current && width > 0) draw(canvas.current, props, width, tall);
  });
  const move = (event: PointerEvent<HTMLCanvasElement>) => {
    const box = event.currentTarget.getBoundingClientRect();
    const column = Math.floor(((event.clientX - box.left) / box.width) * grid.columns);
    const row = Math.floor(((event.clientY - box.top) / box.height) * grid.rows);
    const inside = column >= 0 && row >= 0 && column < grid.columns && row < grid.rows;
    setOver(inside ? { row, column } : null);
  };
  const bad = (cell: Cell) => grid.bad[cell.row * grid.columns + cell.column] === 1;
  const value = (cell: Cell) => grid.values[cell.row * grid.columns + cell.column] as number;
  const told = over ?? mark ?? null;
  return (
    <figure className={styles.figure} aria-label={label}>
      <Names {...props} tall={tall} over={over?.row ?? null} />
      <div ref={ref} className={styles.plot}>
        <canvas
          ref={canvas}
          className={styles.canvas}
          style={{ height: tall }}
          role="img"
          aria-label={`${label}: ${grid.rows} rows, ${grid.columns} columns`}
          onPointerMove={move}
          onPointerLeave={() => setOver(null)}
          onClick={() => over && props.onChoose?.(over.row)}
        />
        <div className={styles.axis} aria-hidden="true">
          {ticks(grid, width).map((tick) => (
            <span key={tick.share} style={{ left: `${100 * tick.share}%` }}>
              {tick.text}
            </span>
          ))}
        </div>
      </div>
      <div className={styles.told} role="status">
        {told ? (
          <>
            <strong>{rows[told.row]}</strong> · {xName} {range(grid, told.column)} ·{" "}
            {bad(told) ? <span className={styles.bad}>NaN or Inf</span> : say(value(told))}
            {!over && mark && <span className={styles.bad}> · the first that was not a number</span>}
          </>
        ) : (
          "Point at a cell to read it"
        )}
        <Ramp {...props} />
      </div>
    </figure>
  );
}

function Names({ rows, chosen, onChoose, tall, over, grid, scale }: Props & { tall: number; over: number | null }) {
  if (scale) {
    return (
      <div
        className={styles.names}
        style={{ height: tall, width: `${Math.max(...scale.map(({ text }) => text.length), 3) + 1}ch` }}
      >
        {scale.map(({ share, text }) => (
          <span key={text} className={styles.name} style={{ top: share * tall - 7, height: 14 }}>
            {text}
          </span>
        ))}
      </div>
    );
  }
  const each = tall / Math.max(grid.rows, 1);
  const every = Math.ceil(14 / each);
  return (
    <div
      className={styles.names}
      style={{ height: tall, width: `${Math.min(32, Math.max(...rows.map((name) => name.length), 3)) + 1}ch` }}
    >
      {rows.map((name, at) => {
        if (at % every && at !== chosen) return null;
        const style = { top: at * each, height: Math.max(each, 14) };
        const classes = `${styles.name} ${at === chosen ? styles.chosen : ""} ${at === over ? styles.over : ""}`;
        return onChoose ? (
          <UnstyledButton
            key={name}
            className={classes}
            style={style}
            title={name}
            aria-pressed={at === chosen}
            onClick={() => onChoose(at)}
          >
            {name}
          </UnstyledButton>
        ) : (
          <span key={name} className={classes} style={style} title={name}>
            {name}
          </span>
        );
      })}
    </div>
  );
}

function Ramp({ reach, say, scaled }: Props) {
  const ends = scaled ? reach.map((end) => 10 ** end) : reach;
  return (
    <span className={styles.ramp}>
      {scaled && (
        <>
          <span className={styles.none} aria-hidden="true" /> <span className={styles.zero}>0</span>
        </>
      )}
      <span>{say(ends[0] ?? 0)}</span>
      <span className={styles.colours} aria-hidden="true" />
      <span>{say(ends[1] ?? 1)}</span>
    </span>
  );
}

function range(grid: Grid, column: number): string {
  const [from, to] = [grid.places[column] ?? 0, grid.places[column + 1] ?? 0];
  const [low, high] = [Math.ceil(from), Math.ceil(to) - 1];
  return low >= high ? short(Math.round((from + to) / 2), 8) : `${short(low, 8)} to ${short(high, 8)}`;
}

function ticks(grid: Grid, width: number): { share: number; text: string }[] {
  const [from, to] = [grid.places[0] ?? 0, grid.places.at(-1) ?? 1];
  const rough = (to - from) / Math.max(2, width / 110);
  const power = 10 ** Math.floor(Math.log10(Math.max(rough, 1)));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((one) => one >= rough) ?? power;
  const found: { share: number; text: string }[] = [];
  for (let at = Math.ceil(from / step) * step; at <= to; at += step) {
    found.push({ share: (at - from) / (to - from), text: short(at, 6) });
  }
  return found;
}

function draw(canvas: HTMLCanvasElement, props: Props, width: number, tall: number): void {
  const { grid, mark, chosen } = props;
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.max(1, Math.round(width * ratio));
  canvas.height = Math.max(1, Math.round(tall * ratio));
  const context = canvas.getContext("2d");
  if (!context) return;
  const style = getComputedStyle(canvas);
  const [cellX, cellY] = [canvas.width / grid.columns, canvas.height / grid.rows];
  context.fillStyle = style.getPropertyValue("--sunken") || "#eeeeee";
  context.fillRect(0, 0, canvas.width, canvas.height);
  const none = style.getPropertyValue("--line-strong") || "#c3cbce";
  for (let at = 0; at < grid.values.length; at++) {
    const [row, column] = [Math.floor(at / grid.columns), at % grid.columns];
    const [x, y] = [Math.floor(column * cellX), Math.floor(row * cellY)];
    const [across, down] = [Math.floor((column + 1) * cellX) - x, Math.floor((row + 1) * cellY) - y];
    const value = grid.values[at] as number;
    if (grid.bad[at] === 1) cross(context, x, y, across, down, ratio);
    else if (!Number.isNaN(value)) {
      context.fillStyle = colourOf(value, props, none);
      context.fillRect(x, y, across, down);
    }
  }
  context.strokeStyle = style.getPropertyValue("--accent") || "#0a6e69";
  context.lineWidth = 2 * ratio;
  if (chosen !== undefined) context.strokeRect(1, chosen * cellY + 1, canvas.width - 2, cellY - 2);
  if (mark) ring(context, (mark.column + 0.5) * cellX, (mark.row + 0.5) * cellY, ratio);
}

/** Nothing at all is no small amount: it has a colour of its own. */
function colourOf(value: number, { reach: [low, high], scaled }: Props, none: string): string {
  if (scaled && value === 0) return none;
  return `rgb(${ramp(((scaled ? scaled(value) : value) - low) / (high - low)).join()})`;
}

function cross(context: CanvasRenderingContext2D, x: number, y: number, across: number, down: number, ratio: number) {
  context.fillStyle = "#c2185b";
  context.fillRect(x, y, across, down);
  context.strokeStyle = "#ffffff";
  context.lineWidth = ratio;
  context.beginPath();
  context.moveTo(x, y + down);
  context.lineTo(x + across, y);
  context.stroke();
}

function ring(context: CanvasRenderingContext2D, x: number, y: number, ratio: number): void {
  for (const [colour, width] of [
    ["#ffffff", 5],
    ["#c2185b", 2.5],
  ] as const) {
    context.strokeStyle = colour;
    context.lineWidth = width * ratio;
    context.beginPath();
    context.arc(x, y, 9 * ratio, 0, 2 * Math.PI);
    context.stroke();
  }
}
