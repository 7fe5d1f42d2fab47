import { expect, it } from "vitest";
import { matching, sections } from "./sections";

it("puts what matters first", () => {
  const found = sections([
    "time/fps",
    "val/acc",
    "train/lr",
    "train/loss",
    "lr",
    "train/acc",
    "z",
    "gradients/a/b",
    "custom/x",
  ]);
  expect(found.map((section) => section.title)).toEqual(["train", "val", "metrics", "custom", "gradients/a", "time"]);
  expect(found[0]?.keys).toEqual(["train/loss", "train/acc", "train/lr"]);
  expect(found[0]?.short("train/loss")).toBe("loss");
  expect(sections(["train/x", "loss"])[0]?.title).toBe("metrics");
  expect(sections(["/odd"])[0]?.short("/odd")).toBe("/odd");
});

it("finds by pattern, and by text where it is no pattern", () => {
  const keys = ["train/loss", "val/loss", "acc(x"];
  expect(keys.filter(matching("^val|acc"))).toEqual(["val/loss", "acc(x"]);
  expect(keys.filter(matching("acc("))).toEqual(["acc(x"]);
  expect(keys.filter(matching(" "))).toEqual(keys);
});
