import { expect, it } from "vitest";
import { count, percent, short } from "./numbers";
import { ago, duration } from "./time";

it.each<[number, string]>([
  [0, "0"],
  [0.000123456, "0.0001235"],
  [0.0000123456, "1.235e−5"],
  [1e-5, "1e−5"],
  [-1.5, "−1.5"],
  [123_456, "123,456"],
  [1e20, "1e20"],
  [Number.NaN, "NaN"],
  [Number.NEGATIVE_INFINITY, "−∞"],
])("%d is %s", (value, text) => {
  expect(short(value)).toBe(text);
});

it("counts, shares, spans", () => {
  expect([count(950), count(12_345), count(4e6)]).toEqual(["950", "12.3k", "4M"]);
  expect([percent(12.3456), percent(-0.5)]).toEqual(["+12.3 %", "−0.50 %"]);
  expect([0.02, 5, 200, 7500, 86_400 * 3].map(duration)).toEqual(["20 ms", "5 s", "3 m 20 s", "2 h 5 m", "3 d"]);
  expect([-200, -0.02].map(duration)).toEqual(["−3 m 20 s", "−20 ms"]);
  expect([ago(0, 2000), ago(0, 90_000), ago(0, 7.3e6)]).toEqual(["now", "2 min ago", "2 h ago"]);
});

it.each([
  [5190.4, "+5,190 %"],
  [-12.34, "−12.3 %"],
  [0.5, "+0.50 %"],
])("a change of %d in %%", (value, text) => {
  expect(percent(value)).toBe(text);
});
