import { expect, it } from "vitest";
import { distance, nearest } from "./near";

it("counts letters that differ", () => {
  expect(distance("", "abc")).toBe(3);
  expect(distance("kitten", "sitting")).toBe(3);
  expect(distance("same", "same")).toBe(0);
});

it("finds who was meant by half a name, or one with slips", () => {
  const runs = [
    { id: "xqzerhk73c", name: "pale-ginkgo-21" },
    { id: "9hgmfue3k6", name: "young-redwood-36" },
    { id: "cjy7pxtgt9", name: "calm-ash-74" },
  ];
  const names = (typed: string) => nearest(typed, runs).map((run) => run.name);
  expect(names("calm-ash")).toEqual(["calm-ash-74"]);
  expect(names("xqzerhk73")).toEqual(["pale-ginkgo-21"]);
  expect(names("yuong-redwod-36")).toEqual(["young-redwood-36"]);
  expect(names("CALM-ASH-74/overview")).toEqual(["calm-ash-74"]);
  expect(names("ginkgo-12")).toEqual(["pale-ginkgo-21"]);
  expect(names("nothing like it")).toEqual([]);
  expect(nearest("a", runs, 2)).toHaveLength(2);
});
