import { expect, it } from "vitest";
import { type Saved, svg } from "./export";
import type { Line, Picture } from "./lines";

const X = Float64Array.from([0, 1, 2]);
const line = (id: string, more: Partial<Line> = {}): Line => ({
  id,
  label: `<${id}>`,
  look: { colour: "#0a7", dash: [] },
  x: X,
  y: Float64Array.from([1, 2, 3]),
  raw: null,
  low: null,
  high: null,
  total: 3,
  runs: 1,
  ...more,
});
const draw = (picture: Partial<Picture>, more: Partial<Saved> = {}) =>
  svg({
    title: "loss",
    picture: {
      lines: [line("a")],
      marks: [],
      x: [0, 2],
      y: [0, 4],
      total: 3,
      drawn: 3,
      clipped: { count: 0, high: null, low: null },
      spread: null,
      ...picture,
    },
    logX: false,
    logY: false,
    xName: "_step",
    xKind: "number",
    ...more,
  });

it("saves the bands of groups, and the raw line behind a smoothed one", () => {
  const low = Float64Array.from([0, 1, 2]);
  const high = Float64Array.from([2, 3, Number.NaN]);
  const banded = draw({ lines: [line("a", { low, high })] });
  // Two points have a band: along the top, and back along the bottom.
  expect(banded).toMatch(/<path d="M[\d. ]+L[\d. ]+L[\d. ]+L[\d. ]+Z" fill="#0a7" fill-opacity="0.18"\/>/);
  expect(draw({})).not.toContain("fill-opacity");
  expect(draw({ lines: [line("a", { raw: X })] })).toContain('stroke-opacity="0.28"');
});

it("saves many lines as what the page shows: how they are spread", () => {
  const spread = { x: X, middle: X, bands: [1, 2, 3].map(() => ({ low: X, high: Float64Array.from([2, 3, 4]) })) };
  const found = draw({ lines: Array.from({ length: 70 }, (_, i) => line(`run${i}`)), spread });
  expect(found.match(/fill-opacity="0.2"/g)).toHaveLength(3);
  expect(found).toContain("70 lines as bands");
  expect(found).not.toContain("run7");
});

it("marks what is not finite, says how many lines have no name, and names are text", () => {
  const marks = (["NaN", "+Inf", "-Inf"] as const).map((kind) => ({ kind, x: 1, colour: "#c00", label: "a" }));
  const found = draw({ lines: Array.from({ length: 30 }, (_, i) => line(`run${i}`)), marks });
  expect(found.match(/#c00/g)).toHaveLength(3);
  expect(found).toContain("and 5 more");
  expect(found).not.toContain("<run");
  expect(found).toContain(">step<");
});

it("writes round numbers beside the axes, and times as times", () => {
  const written = [...draw({ x: [0.3, 9.7] }).matchAll(/anchor="middle">([^<]+)</g)].map(([, text]) => text);
  expect(written).toEqual(["step", "1", "2", "3", "4", "5", "6", "7", "8", "9"]);
  expect(draw({ x: [1.7e9, 1.7e9 + 7200] }, { xKind: "time", xName: "_time" })).toMatch(/>\d\d:\d\d</);
});
