import { expect, it } from "vitest";
import { type Entry, groups, literal, suits } from "./match";

const entry = (group: string, label: string, words = ""): Entry => ({ id: label, group, label, words, run: () => {} });
const ALL = [
  entry("Pages", "Runs"),
  entry("Pages", "Artifacts", "models data"),
  entry("Commands", "Show it dark", "theme"),
  entry("Metrics", "train/loss"),
  entry("Metrics", "val/loss"),
  entry("Metrics", "lossless"),
];
const found = (typed: string) => groups(ALL, typed).map((one) => [one.title, one.entries.map((entry) => entry.label)]);

it("shows everything in order when nothing was typed", () => {
  expect(found(" ").map(([title]) => title)).toEqual(["Pages", "Commands", "Metrics"]);
});

it("puts beginnings before the middle of words", () => {
  expect(found("loss")).toEqual([["Metrics", ["lossless", "val/loss", "train/loss"]]]);
  expect(found("LOSS tr")).toEqual([["Metrics", ["train/loss"]]]);
});

it("finds by other words, after those that are called so", () => {
  expect(found("theme")).toEqual([["Commands", ["Show it dark"]]]);
  expect(found("a").map(([title]) => title)[0]).toBe("Pages");
  expect(found("nothing like it")).toEqual([]);
});

it("fits word by word", () => {
  expect(suits("train/loss", "x")).toBeNull();
  expect(suits("loss", "loss")).toBeGreaterThan(suits("val/loss", "loss") ?? 0);
});

it("quotes what a filter could take for its own", () => {
  expect(literal("it's \\ so")).toBe("'it\\'s \\\\ so'");
});
