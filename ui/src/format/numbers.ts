/** Numbers for people: short, and never so short that two of them look the same where it matters. */

// Made once: making a format takes longer than writing a hundred numbers with it.
const WHOLE = new Intl.NumberFormat("en");
const FORMATS = new Map<number, Intl.NumberFormat>();

function formatOf(digits: number): Intl.NumberFormat {
  let found = FORMATS.get(digits);
  if (!found) {
    found = new Intl.NumberFormat("en", { maximumSignificantDigits: digits });
    FORMATS.set(digits, found);
  }
  return found;
}

export function short(value: number, digits = 4): string {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (Number.isInteger(value) && size < 1e7) return WHOLE.format(value).replace("-", "−");
  if (size >= 1e7 || size < 1e-4) {
    const [front = "", power = ""] = value.toExponential(digits - 1).split("e");
    const trimmed = front.includes(".") ? front.replace(/\.?0+$/, "") : front;
    return `${trimmed}e${power.replace("+", "")}`.replaceAll("-", "−");
  }
  return formatOf(digits)
    .format(Number(value.toPrecision(digits)))
    .replace("-", "−");
}

/** A number of things: 950, 12.3k, 4M. */
export function count(value: number): string {
  if (value < 10_000) return WHOLE.format(value);
  for (const [size, word] of [
    [1e9, "G"],
    [1e6, "M"],
    [1e3, "k"],
  ] as const) {
    if (value >= size) return `${Number((value / size).toPrecision(3))}${word}`;
  }
  return String(value);
}

/** How many of something there are: 1 run, 2 runs, 12,000 runs. */
export function things(value: number, what: string): string {
  return `${WHOLE.format(value)} ${what}${value === 1 ? "" : "s"}`;
}

export function percent(value: number): string {
  const size = Math.abs(value);
  const digits = size < 1000 ? size.toPrecision(size < 10 ? 2 : 3) : short(Math.round(size), 3);
  const text = `${value > 0 ? "+" : "−"}${digits} %`;
  return Number.isFinite(value) ? text : "";
}
