import { expect, it } from "vitest";
import { byChange, widthOf } from "./tensors";
import type { TensorChange } from "./types";

const tensor = (name: string, relative: number | null): TensorChange => ({
  name,
  change: relative === null ? "added" : "changed",
  kind: "F32",
  shape: [1],
  share: null,
  largest: null,
  relative,
  not_finite: 0,
});

it("puts the most changed first", () => {
  const all = [tensor("a", 0.1), tensor("b", null), tensor("c", 0.5), tensor("d", 0.5)];
  expect(byChange(all).map((one) => one.name)).toEqual(["b", "c", "d", "a"]);
});

it.each([
  [0, 0],
  [1e-9, 0.04],
  [1e-3, 0.5],
  [1, 1],
  [40, 1],
  [Number.POSITIVE_INFINITY, 1],
])("a change of %d is a bar of %d", (relative, width) => {
  expect(widthOf(relative)).toBeCloseTo(width);
});
