import { expect, it } from "vitest";
import { binNames, gridOfHistograms, type HistogramSeries, most, scaleOf } from "./OverTime";

const SERIES: HistogramSeries = {
  key: "grad/histogram/w",
  total: 3,
  edges: [-0.5, -0.25, 0.25, 0.5],
  powers: true,
  columns: [
    { x: 0, last: 4, merged: 2, counts: [1, 2, 1], nan: 0, inf: 0 },
    { x: 5, last: 5, merged: 1, counts: [0, 3, 0], nan: 1, inf: 0 },
  ],
  error: null,
};

it("names bins by powers of two, the highest on top", () => {
  expect(binNames(SERIES)).toEqual(["2⁻¹", "0", "−2⁻¹"]);
  expect(binNames({ ...SERIES, powers: false })).toEqual(["0.375", "0", "−0.375"]);
});

it("shows shares of all values, and says where some were no numbers", () => {
  const grid = gridOfHistograms(SERIES);
  expect([...grid.values]).toEqual([0.25, Number.NaN, 0.5, 0.75, 0.25, Number.NaN]);
  expect([most(grid, -1), most(grid, 1)]).toEqual([0.75, 0.25]);
  expect([...grid.bad]).toEqual([0, 1, 0, 0, 0, 0]);
  expect([...grid.places]).toEqual([-0.5, 4.5, 5.5]);
});

it("writes round numbers beside bins, where they lie, also between bins of unlike widths", () => {
  expect(scaleOf([0, 1, 4], 68)).toEqual([
    { share: 1, text: "0" },
    { share: 1 - (1 + 1 / 3) / 2, text: "2" },
    { share: 0, text: "4" },
  ]);
});
