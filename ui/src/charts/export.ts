/** Saving a chart: as PNG, as SVG, as CSV. */
import type { Picture } from "./lines";
import { type Pen, scales, trace } from "./paint";
import { placeText } from "./ticks";

export type Format = "png" | "svg" | "csv";

export interface Saved {
  title: string;
  picture: Picture;
  logX: boolean;
  logY: boolean;
  xName: string;
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

export function svg({ picture, title, logX, logY, xName }: Saved): string {
  const frame = { left: 70, top: 40, width: WIDTH - 280, height: HEIGHT - 90 };
  const place = scales(frame, picture.x, picture.y, logX, logY);
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${HEIGHT}" font-family="sans-serif" font-size="12">`,
    `<rect width="100%" height="100%" fill="#fff"/><text x="70" y="24" font-size="16">${escaped(title)}</text>`,
    `<text x="${frame.left + frame.width / 2}" y="${HEIGHT - 12}" text-anchor="middle">${escaped(xName)}</text>`,
    `<clipPath id="c"><rect x="70" y="40" width="${frame.width}" height="${frame.height}"/></clipPath>`,
  ];
  for (const [range, axis] of [
    [picture.x, "x"],
    [picture.y, "y"],
  ] as const) {
    for (let i = 0; i <= 5; i++) parts.push(gridLine(range, axis, i / 5, frame, axis === "x" ? logX : logY));
  }
  picture.lines.forEach((line, i) => {
    const pen = new TextPen();
    trace(pen, line.x, line.y, place);
    const look = `stroke="${escaped(line.look.colour)}" stroke-dasharray="${line.look.dash.join(" ")}" fill="none"`;
    parts.push(`<path d="${pen.text}" ${look} stroke-width="1.5" clip-path="url(#c)"/>`);
    if (i > 24) return;
    const y = 50 + 18 * i;
    const x = frame.left + frame.width + 16;
    parts.push(
      `<path d="M${x} ${y}h20" ${look} stroke-width="2"/><text x="${x + 26}" y="${y + 4}">${escaped(line.label)}</text>`,
    );
  });
  return `${parts.join("\n")}\n</svg>\n`;
}

function gridLine(
  [low, high]: [number, number],
  axis: "x" | "y",
  part: number,
  frame: { left: number; top: number; width: number; height: number },
  log: boolean,
): string {
  const value = log ? low * (high / low) ** part : low + (high - low) * part;
  const text = escaped(placeText(value, "number"));
  const { left, top, width, height } = frame;
  if (axis === "x") {
    const x = left + width * part;
    return `<path d="M${x} ${top}v${height}" stroke="#ddd"/><text x="${x}" y="${top + height + 18}" text-anchor="middle">${text}</text>`;
  }
  const y = top + height * (1 - part);
  return `<path d="M${left} ${y}h${width}" stroke="#ddd"/><text x="${left - 8}" y="${y + 4}" text-anchor="end">${text}</text>`;
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
