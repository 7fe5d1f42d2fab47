/** Axes: their colours, and how places on them are written. */
import type uPlot from "uplot";
import { count, short } from "../format/numbers";
import { duration } from "../format/time";

const FONT = "11px system-ui, sans-serif";

const MINUTE = 60;
const HOUR = 3600;
const DAY = 86_400;
// Both ends go far: where none fits, uPlot would count in steps of nothing.
const SPANS = [
  ...[-4, -3, -2, -1].flatMap((power) => [1, 2, 5].map((front) => front * 10 ** power)),
  ...[1, 2, 5, 10, 15, 30],
  ...[1, 2, 5, 10, 15, 30].map((count) => count * MINUTE),
  ...[1, 2, 3, 6, 12].map((count) => count * HOUR),
  ...[1, 2, 5, 10, 20, 50, 100, 500, 1000, 5000, 10_000, 100_000].map((count) => count * DAY),
];

interface Kind {
  xKind: "number" | "time" | "seconds";
  logX: boolean;
  logY: boolean;
}

export function axes(host: HTMLElement, { xKind, logX, logY }: Kind): uPlot.Axis[] {
  const style = getComputedStyle(host);
  const colour = (name: string) => style.getPropertyValue(name).trim() || "#888888";
  const shared: uPlot.Axis = {
    stroke: colour("--dim"),
    font: FONT,
    grid: { stroke: colour("--grid"), width: 1 },
    ticks: { show: false },
    // Left to itself, uPlot takes from logarithmic axes what is no power of ten.
    filter: (_self, splits) => splits,
  };
  return [
    {
      ...shared,
      size: 24,
      gap: 4,
      space: xKind === "time" ? 80 : 55,
      splits: (self, _axis, low, high) =>
        places(low, high, self.bbox.width / devicePixelRatio / (xKind === "time" ? 90 : 65), {
          log: logX,
          spans: xKind !== "number",
        }),
      values: (_self, splits) => labels(splits, xKind),
    },
    {
      ...shared,
      size: (_self, values) => 12 + 6.2 * Math.max(3, ...(values ?? []).map((text) => (text ?? "").length)),
      gap: 4,
      space: 32,
      splits: (self, _axis, low, high) =>
        places(low, high, self.bbox.height / devicePixelRatio / 36, { log: logY, spans: false }),
      values: (_self, splits) => splits.map((value) => (value === null ? "" : tick(value))),
    },
  ];
}

/** Where the ticks are: about as many as there is room for, and never more than an axis can hold. */
export function places(low: number, high: number, room: number, kind: { log: boolean; spans: boolean }): number[] {
  const most = Math.min(Math.max(Math.floor(room), 2), 40);
  if (!(high > low)) return [low];
  if (kind.log && low > 0) {
    const first = Math.floor(Math.log10(low));
    const decades = Math.min(Math.ceil(Math.log10(high)) - first, 700);
    const skip = Math.ceil(decades / most);
    const found = Array.from({ length: decades + 1 }, (_, i) => i)
      .filter((i) => i % skip === 0)
      .flatMap((i) => (decades < most / 2 ? [1, 2, 5] : [1]).map((front) => front * 10 ** (first + i)))
      .filter((place) => place >= low && place <= high);
    // One tick alone tells no scale: a narrow range is written as a straight axis is.
    if (found.length > 1) return found;
  }
  const least = (high - low) / most;
  const power = 10 ** Math.floor(Math.log10(least));
  const plain = [1, 2, 2.5, 5, 10].map((front) => front * power).find((step) => step >= least * 0.999) ?? least;
  const step = kind.spans ? (SPANS.find((span) => span >= least) ?? plain) : plain;
  const first = Math.ceil(low / step - 1e-9);
  const count = Math.min(Math.floor(high / step + 1e-9) - first + 1, 100);
  return Array.from({ length: Math.max(count, 0) }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}

function tick(value: number): string {
  return Math.abs(value) >= 10_000 ? count(Math.abs(value)).replace(/^/, value < 0 ? "−" : "") : short(value, 6);
}

/** What is written at places of an axis. */
export function labels(splits: readonly (number | null)[], xKind: "number" | "time" | "seconds"): string[] {
  if (xKind === "seconds") return splits.map((value) => (value === null ? "" : value === 0 ? "0" : duration(value)));
  if (xKind === "time") return times(splits);
  return splits.map((value) => (value === null ? "" : tick(value)));
}

function times(splits: readonly (number | null)[]): string[] {
  const known = splits.filter((value) => value !== null);
  const step = known.length > 1 ? (known[1] as number) - (known[0] as number) : 0;
  return splits.map((value) => {
    if (value === null) return "";
    const time = new Date(value * 1000);
    if (step >= 86_400) return time.toLocaleDateString("en-CA").slice(5);
    return time.toLocaleTimeString("en-GB", {
      hour: "2-digit",
      minute: "2-digit",
      ...(step < 60 ? { second: "2-digit" } : {}),
    });
  });
}

/** A place on the axis, in full. */
export function placeText(value: number, xKind: "number" | "time" | "seconds"): string {
  if (xKind === "seconds") return duration(value);
  if (xKind === "time") return new Date(value * 1000).toLocaleString("en-GB");
  return short(value, 8);
}
