import { expect, it } from "vitest";
import { ConsoleLines, PAGE } from "./lines";

const line = (number: number, text = `line ${number}`) => ({ number, text, source: "stdout", time_us: 0 });

it("knows which page is missing", () => {
  const lines = new ConsoleLines();
  lines.take(
    Array.from({ length: 10 }, (_, at) => line(2490 + at)),
    2490,
    2500,
  );
  expect(lines.total).toBe(2500);
  expect(lines.missing(2492, 2600)).toBeNull();
  expect(lines.missing(2400, 2500)).toBe(2 * PAGE);
  expect(lines.missing(5, 10)).toBe(0);
  expect(lines.complete).toBe(false);
});

it("takes news: new lines, and lines that change", () => {
  const lines = new ConsoleLines();
  lines.take([line(0), line(1, "50 %")], 0, 2);
  lines.add([
    { row: 7, text: "100 %", line: 1 },
    { row: 8, text: "done", line: 2 },
  ]);
  expect(lines.all().map((one) => one.text)).toEqual(["line 0", "100 %", "done"]);
  expect(lines.total).toBe(3);
});
