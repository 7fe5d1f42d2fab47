/** Saving a chart: as PNG, as SVG, as CSV. */
import type { Mark, Picture } from "./lines";
import { type Area, arrow, type Frame, outline, type Pen, type Scales, scales, strength, trace } from "./paint";
import { labels, places } from "./ticks";

export type Format = "png" | "svg" | "csv";

export interface Saved {
  title: string;
  picture: Picture;
  logX: boolean;
  logY: boolean;
  xName: string;
  /** What the x axis is: decides how its places are written. */
  xKind: "number" | "time" | "seconds";
}

export async function save(format: Format, chart: Saved): Promise<void> {
  const name = chart.title.replace(/[^\w.-]+/g, "_");
  if (format === "csv") return download(`${name}.csv`, new Blob([csv(chart)], { type: "text/csv" }));
  const drawing = new Blob([svg(chart)], { type: "image/svg+xml" });
  if (format === "svg") return download(`${name}.svg`, drawing);
  download(`${name}.png`, await raster(drawing));
}

/** A chart as the address of a picture, for a link that saves it. */
export async function pictureOf(chart: Saved): Promise<string> {
  const address = URL.createObjectURL(await raster(new Blob([svg(chart)], { type: "image/svg+xml" })));
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
  return address;
}

/** A cell that no spreadsheet takes for a formula. */
function cell(text: string): string {
  const safe = /^[=+\-@\t\r]/.test(text) && !Number.isFinite(Number(text)) ? `'${text}` : text;
  return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

export function csv({ picture, title, xName }: Saved): string {
  const rows = [["run", xName, title]];
  for (const line of picture.lines) {
    const values = line.raw ?? line.y;
    line.x.forEach((place, i) => {
      rows.push([line.label, String(place), String(values[i])]);
    });
  }
  return table(rows);
}

/** Rows of texts as CSV. */
export function table(rows: readonly (readonly string[])[]): string {
  return rows.map((row) => `${row.map(cell).join(",")}\r\n`).join("");
}

const WIDTH = 960;
const HEIGHT = 540;

function escaped(text: string): string {
  return text.replace(/[<>&"']/g, (letter) => `&#${letter.charCodeAt(0)};`);
}

const MOST_NAMED = 25;
const AXES: Readonly<Record<string, string>> = { _step: "step", _time: "time", _runtime: "time since the start" };

export function svg({ picture, title, logX, logY, xName, xKind }: Saved): string {
  const frame = { left: 70, top: 40, width: WIDTH - 280, height: HEIGHT - 90 };
  const place = scales(frame, picture.x, picture.y, logX, logY);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${HEIGHT}" font-family="sans-serif" font-size="12">`,
    `<rect width="100%" height="100%" fill="#fff"/><text x="70" y="24" font-size="16">${escaped(title)}</text>`,
    `<text x="${frame.left + frame.width / 2}" y="${HEIGHT - 12}" text-anchor="middle">${escaped(AXES[xName] ?? xName)}</text>`,
    `<clipPath id="c"><rect x="70" y="40" width="${frame.width}" height="${frame.height}"/></clipPath>`,
    ...grid(picture, frame, place, { logX, logY, xKind }),
    `<g clip-path="url(#c)" stroke-linejoin="round">`,
    ...(picture.spread ? spreadShapes(picture, place) : lineShapes(picture, place)),
    ...picture.marks.map((mark) => markShape(mark, frame, place)),
    "</g>",
    ...names(picture, frame.left + frame.width + 16),
    "</svg>\n",
  ].join("\n");
}

const colourOf = (look: { colour: string }) => escaped(look.colour);

/** A band, as light as on the page; nothing where there is none. */
function bandShape(band: Area, place: Scales, opacity: number): string[] {
  const pen = new TextPen();
  outline(pen, band, place);
  return pen.text ? [`<path d="${pen.text}Z" fill="${colourOf(band.look)}" fill-opacity="${opacity}"/>`] : [];
}

function lineShapes({ lines }: Picture, place: Scales): string[] {
  const { width, alpha } = strength(lines.length);
  const stroke = ({ x, look }: Picture["lines"][number], y: Float64Array, thick: number, opacity: number) => {
    const pen = new TextPen();
    trace(pen, x, y, place);
    const dash = look.dash.length ? ` stroke-dasharray="${look.dash.join(" ")}"` : "";
    return `<path d="${pen.text}" fill="none" stroke="${colourOf(look)}" stroke-width="${thick}" stroke-opacity="${opacity}"${dash}/>`;
  };
  return [
    ...lines.flatMap((line) => bandShape(line, place, 0.18)),
    ...lines.flatMap((line) => (line.raw ? [stroke(line, line.raw, 1, 0.28)] : [])),
    ...lines.map((line) => stroke(line, line.y, width, alpha)),
  ];
}

/** Many lines as how they are spread. */
function spreadShapes({ spread, lines }: Picture, place: Scales): string[] {
  if (!spread) return [];
  const look = { colour: lines[0]?.look.colour ?? "#888888" };
  const pen = new TextPen();
  trace(pen, spread.x, spread.middle, place);
  return [
    ...spread.bands.flatMap(({ low, high }) => bandShape({ x: spread.x, low, high, look }, place, 0.2)),
    `<path d="${pen.text}" fill="none" stroke="${colourOf(look)}" stroke-width="2"/>`,
  ];
}

/** As on the page: a cross on the bottom for NaN, an arrow where an infinity left. */
function markShape(mark: Mark, frame: Frame, place: Scales): string {
  const x = place.x(mark.x);
  const colour = escaped(mark.colour);
  if (mark.kind !== "NaN") {
    const pen = new TextPen();
    arrow(pen, x, frame, mark.kind === "+Inf", 1);
    return `<path d="${pen.text}Z" fill="${colour}"/>`;
  }
  const y = frame.top + frame.height - 6;
  return `<path d="M${x - 4} ${y - 4}l8 8m-8 0l8 -8" stroke="${colour}" stroke-width="1.6"/>`;
}

function names({ lines, spread }: Picture, x: number): string[] {
  const text = (at: number, shown: string) => `<text x="${x + 26}" y="${54 + 18 * at}">${escaped(shown)}</text>`;
  if (spread) {
    return [`${lines.length} lines as bands:`, "median, middle half,", "eight tenths, extremes"].map((line, at) =>
      text(at, line),
    );
  }
  const shown = lines.slice(0, MOST_NAMED).map((line, at) => {
    const dash = line.look.dash.length ? ` stroke-dasharray="${line.look.dash.join(" ")}"` : "";
    return `<path d="M${x} ${50 + 18 * at}h20" fill="none" stroke="${colourOf(line.look)}" stroke-width="2"${dash}/>${text(at, line.label)}`;
  });
  return lines.length > MOST_NAMED ? [...shown, text(MOST_NAMED, `and ${lines.length - MOST_NAMED} more`)] : shown;
}

function grid(
  { x, y }: Picture,
  { left, top, width, height }: Frame,
  place: Scales,
  { logX, logY, xKind }: Pick<Saved, "logX" | "logY" | "xKind">,
): string[] {
  const across = places(x[0], x[1], xKind === "time" ? 8 : 10, { log: logX, spans: xKind !== "number" });
  const up = places(y[0], y[1], 10, { log: logY, spans: false });
  const below = labels(across, xKind);
  const beside = labels(up, "number");
  return [
    ...across.map((value, i) => {
      const at = place.x(value).toFixed(1);
      return `<path d="M${at} ${top}v${height}" stroke="#ddd"/><text x="${at}" y="${top + height + 18}" text-anchor="middle">${escaped(below[i] ?? "")}</text>`;
    }),
    ...up.map((value, i) => {
      const at = place.y(value);
      return `<path d="M${left} ${at.toFixed(1)}h${width}" stroke="#ddd"/><text x="${left - 8}" y="${(at + 4).toFixed(1)}" text-anchor="end">${escaped(beside[i] ?? "")}</text>`;
    }),
  ];
}

class TextPen implements Pen {
  text = "";
  moveTo(x: number, y: number): void {
    this.text += `M${x.toFixed(1)} ${y.toFixed(1)}`;
  }
  lineTo(x: number, y: number): void {
    this.text += `L${x.toFixed(1)} ${y.toFixed(1)}`;
  }
}

async function raster(drawing: Blob): Promise<Blob> {
  const address = URL.createObjectURL(drawing);
  try {
    const image = new Image();
    image.src = address;
    await image.decode();
    const canvas = document.createElement("canvas");
    canvas.width = 2 * WIDTH;
    canvas.height = 2 * HEIGHT;
    canvas.getContext("2d")?.drawImage(image, 0, 0, canvas.width, canvas.height);
    return await new Promise((done, fail) =>
      canvas.toBlob((blob) => (blob ? done(blob) : fail(new Error("no picture")))),
    );
  } finally {
    URL.revokeObjectURL(address);
  }
}

export function download(name: string, blob: Blob): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
