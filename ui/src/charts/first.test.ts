import { expect, test } from "vitest";
import { firstCurves } from "./first";

const metric = (key: string, x: string | null = null) => ({
  key,
  numeric: true,
  kinds: ["float64"],
  runs: 1,
  points: 10,
  x,
  hidden: false,
});

test("the first curves are those of the first charts, over the axis of the first", () => {
  const metrics = [metric("time/step"), metric("train/loss", "epoch"), metric("val/loss", "epoch"), metric("val/acc")];
  const found = firstCurves([{ id: "a", state: "finished" }], [...metrics, { ...metric("train/x"), hidden: true }]);
  expect(found).toEqual({ x: "epoch", runs: ["a"], keys: ["train/loss", "val/loss"], width: 500 });
});

test("no curves are asked for early of a run that goes on, nor where nothing is a number", () => {
  expect(firstCurves([{ id: "a", state: "running" }], [metric("loss")])).toBeNull();
  expect(firstCurves([{ id: "a", state: "failed" }], [{ ...metric("text"), numeric: false }])).toBeNull();
});
