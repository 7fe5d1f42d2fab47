/** Reading what JSON has no word for: {"$number": "NaN"}, {"$integer": "9007199254740993"}, {"$media": ..., "value": ...}. */
import type { Value } from "./types";

/** The number that a value is, NaN and infinities included; undefined for anything else. Large integers are rounded. */
export function asNumber(value: Value | undefined): number | undefined {
  if (typeof value === "number") return value;
  if (value === null || typeof value !== "object" || Array.isArray(value)) return undefined;
  if (typeof value.$number === "string") return Number(value.$number);
  if (typeof value.$integer === "string") return Number(value.$integer);
  return undefined;
}

/** Text for people: exact, on one line. */
export function asText(value: Value | undefined): string {
  if (value === undefined) return "";
  if (typeof value === "string") return value;
  if (value === null || typeof value !== "object" || Array.isArray(value)) return JSON.stringify(value);
  return marked(value) ?? JSON.stringify(value);
}

function marked(value: { [key: string]: Value }): string | undefined {
  const { $number, $integer, $text, $media, $bytes } = value;
  const plain = $number ?? $integer ?? $text;
  if (typeof plain === "string") return plain;
  if (typeof $media === "string") return `[${$media}]`;
  if (typeof $bytes === "string") return `${$bytes.length / 2} bytes`;
  return undefined;
}
