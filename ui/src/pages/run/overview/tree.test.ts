import { describe, expect, it } from "vitest";
import { lines } from "./tree";

const CONFIG = {
  lr: 0.1,
  optimizer: { name: "adam", betas: [0.9, 0.999] },
  layers: [{ size: 3 }],
  bad: { $number: "NaN" },
};

describe("config as lines", () => {
  it("shows short lists on one line and objects below their name", () => {
    expect(lines(CONFIG).map(({ path, value, depth }) => [path, value, depth])).toEqual([
      ["lr", "0.1", 0],
      ["optimizer", null, 0],
      ["optimizer.name", "adam", 1],
      ["optimizer.betas", "[0.9, 0.999]", 1],
      ["layers", null, 0],
      ["layers.0", null, 1],
      ["layers.0.size", "3", 2],
      ["bad", "NaN", 0],
    ]);
  });

  it("finds names and values, with what leads there", () => {
    expect(lines(CONFIG, "ADAM").map((line) => line.path)).toEqual(["optimizer", "optimizer.name"]);
    expect(lines(CONFIG, "betas").map((line) => line.path)).toEqual(["optimizer", "optimizer.betas"]);
    expect(lines(CONFIG, "nowhere")).toEqual([]);
  });

  it("folds", () => {
    expect(lines(CONFIG, "", new Set(["optimizer", "layers"])).map((line) => line.path)).toEqual([
      "lr",
      "optimizer",
      "layers",
      "bad",
    ]);
  });
});
