/** The colours of the page for what is drawn on a canvas. */
import { look } from "../charts/palette";

export interface Colours {
  text: string;
  dim: string;
  line: string;
  grid: string;
  surface: string;
  accent: string;
  good: string;
  bad: string;
  warn: string;
  dark: boolean;
  font: string;
}

export function readColours(host: Element): Colours {
  const style = getComputedStyle(host);
  const of = (name: string) => style.getPropertyValue(name).trim() || "#888888";
  return {
    text: of("--text"),
    dim: of("--dim"),
    line: of("--line-strong"),
    grid: of("--grid"),
    surface: of("--surface"),
    accent: of("--accent"),
    good: of("--good"),
    bad: of("--bad"),
    warn: of("--warn"),
    dark: document.documentElement.dataset.mantineColorScheme === "dark",
    font: style.fontFamily,
  };
}

// One hue from hardly there to strong, so that only brightness has to be told apart.
const LIGHT = [
  [214, 222, 226],
  [150, 190, 205],
  [72, 140, 172],
  [10, 78, 124],
  [5, 38, 76],
] as const;
const DARK = [
  [48, 62, 68],
  [62, 104, 112],
  [88, 160, 146],
  [186, 214, 120],
  [255, 240, 120],
] as const;

/** From the worst, 0, to the best, 1: the better, the more it stands out from the page. */
export function merit(share: number, dark: boolean): string {
  const stops = dark ? DARK : LIGHT;
  const place = Math.min(Math.max(share, 0), 1) * (stops.length - 1);
  const at = Math.min(Math.floor(place), stops.length - 2);
  const [from, to] = [stops[at] ?? stops[0], stops[at + 1] ?? stops[0]];
  const mix = (channel: 0 | 1 | 2) => Math.round(from[channel] + (place - at) * (to[channel] - from[channel]));
  return `rgb(${mix(0)}, ${mix(1)}, ${mix(2)})`;
}

export const hue = (index: number, dark: boolean): string => look(index, dark).colour;
