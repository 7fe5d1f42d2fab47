import { expect, it } from "vitest";
import { places } from "./ticks";

it.each<[number, number, boolean, boolean, number[]]>([
  [0, 10, false, false, [0, 2, 4, 6, 8, 10]],
  [0.0155, 1.3, true, false, [0.1, 1]],
  [1, 5, true, false, [1, 2, 5]],
  [0.3, 0.9, true, false, [0.4, 0.6, 0.8]],
  [0, 399, false, true, [0, 120, 240, 360]],
  [3, 3, false, false, [3]],
])("%d to %d", (low, high, log, spans, found) => {
  expect(places(low, high, 5, { log, spans })).toEqual(found);
});

it("ends, whatever the range", () => {
  for (const [low, high] of [
    [1e-300, 1e300],
    [0, 5e-324],
    [-1e308, 1e308],
    [1e15, 1e15 + 1],
  ] as const) {
    for (const log of [true, false]) expect(places(low, high, 8, { log, spans: true }).length).toBeLessThan(120);
  }
});
