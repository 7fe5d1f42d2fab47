/** Drawing lines, bands and marks onto a canvas, or into the text of an SVG. */
import type { Spread } from "./aggregate";
import type { Line, Mark, Picture } from "./lines";

export interface Frame {
  left: number;
  top: number;
  width: number;
  height: number;
}

export interface Scales {
  x(value: number): number;
  y(value: number): number;
}

/** Where values lie in a frame, on straight or logarithmic axes. */
export function scales(frame: Frame, x: [number, number], y: [number, number], logX: boolean, logY: boolean): Scales {
  const along = (range: [number, number], log: boolean, from: number, to: number) => {
    const value = log ? Math.log10 : (one: number) => one;
    const low = value(range[0]);
    const factor = (to - from) / (value(range[1]) - low);
    return (one: number) => from + (value(one) - low) * factor;
  };
  const { left, top, width, height } = frame;
  return { x: along(x, logX, left, left + width), y: along(y, logY, top + height, top) };
}

/** What both a canvas and an SVG path understand. */
export interface Pen {
  moveTo(x: number, y: number): void;
  lineTo(x: number, y: number): void;
}

export function trace(pen: Pen, xs: Float64Array, ys: Float64Array, { x, y }: Scales): void {
  let down = false;
  for (let i = 0; i < xs.length; i++) {
    const px = x(xs[i] as number);
    const py = y(ys[i] as number);
    if (!Number.isFinite(px) || !Number.isFinite(py)) {
      down = false;
      continue;
    }
    if (down) pen.lineTo(px, py);
    else {
      pen.moveTo(px, py);
      // A point with nothing beside it would be no line at all: it is a dot.
      const next = y(ys[i + 1] ?? Number.NaN);
      if (!Number.isFinite(next)) dot(pen, px, py);
    }
    down = true;
  }
}

const DOT_PX = 1.5;

function dot(pen: Pen, x: number, y: number): void {
  pen.moveTo(x - DOT_PX, y - DOT_PX);
  for (const [right, down] of [
    [1, -1],
    [1, 1],
    [-1, 1],
    [-1, -1],
  ] as const) {
    pen.lineTo(x + right * DOT_PX, y + down * DOT_PX);
  }
}

export interface Area {
  x: Float64Array;
  low: Float64Array | null;
  high: Float64Array | null;
  look: { colour: string };
}

/** The edge of a band, along its top and back along its bottom; nothing where there is none. */
export function outline(pen: Pen, { x, low, high }: Area, place: Scales): void {
  if (!low || !high) return;
  const at: [number, number, number][] = [];
  for (let i = 0; i < x.length; i++) {
    const point: [number, number, number] = [
      place.x(x[i] as number),
      place.y(low[i] as number),
      place.y(high[i] as number),
    ];
    if (point.every(Number.isFinite)) at.push(point);
  }
  at.forEach(([px, , top], i) => {
    if (i) pen.lineTo(px, top);
    else pen.moveTo(px, top);
  });
  for (const [px, bottom] of at.reverse()) pen.lineTo(px, bottom);
}

function area(context: CanvasRenderingContext2D, band: Area, place: Scales, alpha = 0.18): void {
  context.beginPath();
  outline(context, band, place);
  context.closePath();
  context.globalAlpha = alpha;
  context.fillStyle = band.look.colour;
  context.fill();
  context.globalAlpha = 1;
}

/** A triangle at the side of the frame that a value left by. */
export function arrow(pen: Pen, x: number, frame: Frame, up: boolean, ratio: number): void {
  const size = 4 * ratio;
  const tip = up ? frame.top + ratio : frame.top + frame.height - ratio;
  const base = tip + (up ? 2 : -2) * size;
  pen.moveTo(x, tip);
  pen.lineTo(x - size, base);
  pen.lineTo(x + size, base);
}

/** How strongly one of many lines is drawn. */
export function strength(count: number): { width: number; alpha: number } {
  if (count <= 12) return { width: 1.5, alpha: 1 };
  return count <= 30 ? { width: 1.25, alpha: 0.85 } : { width: 1, alpha: 0.6 };
}

export function paint(context: CanvasRenderingContext2D, picture: Picture, frame: Frame, place: Scales, ratio: number) {
  const { width, alpha } = strength(picture.lines.length);
  context.save();
  context.beginPath();
  context.rect(frame.left, frame.top, frame.width, frame.height);
  context.clip();
  context.lineJoin = "round";
  if (picture.spread) bands(context, picture.spread, place, ratio, picture.lines[0]?.look.colour ?? "#888888");
  else {
    for (const line of picture.lines) area(context, line, place);
    for (const line of picture.lines) {
      if (line.raw) stroke(context, line, line.raw, place, { width: ratio, alpha: 0.28, ratio });
    }
    for (const line of picture.lines) stroke(context, line, line.y, place, { width: width * ratio, alpha, ratio });
  }
  for (const mark of picture.marks) cross(context, mark, frame, place, ratio);
  clipped(context, picture, frame, ratio);
  context.restore();
}

/** Many lines as how they are spread: the lighter, the fewer of them lie there. */
function bands(context: CanvasRenderingContext2D, spread: Spread, place: Scales, ratio: number, colour: string): void {
  const { x, middle } = spread;
  for (const { low, high } of spread.bands) area(context, { x, low, high, look: { colour } }, place, 0.2);
  stroke(context, { x, look: { colour, dash: [] } }, middle, place, { width: 2 * ratio, alpha: 1, ratio });
}

export function stroke(
  context: CanvasRenderingContext2D,
  line: Pick<Line, "x" | "look">,
  values: Float64Array,
  place: Scales,
  pen: { width: number; alpha: number; ratio: number; colour?: string },
): void {
  context.beginPath();
  trace(context, line.x, values, place);
  context.setLineDash(pen.colour ? [] : line.look.dash.map((part) => part * pen.ratio));
  context.strokeStyle = pen.colour ?? line.look.colour;
  context.lineWidth = pen.width;
  context.globalAlpha = pen.alpha;
  context.stroke();
  context.globalAlpha = 1;
  context.setLineDash([]);
}

/** NaN is a cross on the bottom, an infinity an arrow at the side that it left by. */
function cross(context: CanvasRenderingContext2D, mark: Mark, frame: Frame, place: Scales, ratio: number): void {
  const x = place.x(mark.x);
  const size = 4 * ratio;
  context.strokeStyle = mark.colour;
  context.fillStyle = mark.colour;
  context.lineWidth = 1.6 * ratio;
  context.beginPath();
  if (mark.kind === "NaN") {
    const y = frame.top + frame.height - size - 2 * ratio;
    context.moveTo(x - size, y - size);
    context.lineTo(x + size, y + size);
    context.moveTo(x - size, y + size);
    context.lineTo(x + size, y - size);
    context.stroke();
    return;
  }
  arrow(context, x, frame, mark.kind === "+Inf", ratio);
  context.closePath();
  context.fill();
}

/** A stroke along the edge over which something was left out. */
function clipped(context: CanvasRenderingContext2D, picture: Picture, frame: Frame, ratio: number): void {
  context.fillStyle = "#d97706";
  if (picture.clipped.high) context.fillRect(frame.left, frame.top, frame.width, 2 * ratio);
  if (picture.clipped.low) context.fillRect(frame.left, frame.top + frame.height - 2 * ratio, frame.width, 2 * ratio);
}
