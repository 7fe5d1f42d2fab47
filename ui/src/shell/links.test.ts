import { describe, expect, it } from "vitest";
import { nameOf, segment } from "./links";

const NAMES = [
  "digits",
  "alerts",
  "api",
  "assets",
  "login",
  "healthz",
  "~",
  "~61",
  "",
  ".",
  "..",
  "a/b",
  "a\\b",
  "50%",
  "x?y#z",
  "über 日本 🌲",
  "\u0000\n",
];

describe("parts of addresses", () => {
  it.each(NAMES)("%j comes back", (name) => {
    expect(nameOf(segment(name))).toBe(name);
  });

  it("never names a route of the server", () => {
    expect(NAMES.map(segment).filter((part) => /^(alerts|api|assets|login|healthz|\.+)$|[/\\%?#]/.test(part))).toEqual(
      [],
    );
  });
});
