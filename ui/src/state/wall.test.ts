import { expect, it } from "vitest";
import { arranged, moved, readOwn, readPlaces, writeOwn, writePlaces } from "./wall";

const same = (name: string) => name;

it("what was moved has its place, the rest its order", () => {
  const order = ["a", "b", "c", "d"];
  const places = moved(order, "d", 1, new Map());
  expect(arranged(order, same, places)).toEqual(["a", "d", "b", "c"]);
  const twice = moved(["a", "d", "b", "c"], "a", 3, places);
  expect(arranged(order, same, twice)).toEqual(["d", "b", "c", "a"]);
  expect(arranged(["a", "new", "b", "c", "d"], same, twice)).toEqual(["d", "new", "b", "a", "c"]);
  expect(arranged(order, same, moved(order, "a", 99, new Map()))).toEqual(["b", "c", "d", "a"]);
  expect(readPlaces(writePlaces(twice))).toEqual(twice);
  expect(readPlaces(["@", "a@-1", "b", "c@1.5", "@2"])).toEqual(new Map([["", 2]]));
});

it("what charts have of their own comes back, and nonsense does not", () => {
  const own = new Map([
    [
      "train/loss",
      { w: 2, h: 300, y: [null, 5] as [null, number], logY: false, smooth: { kind: "ema" as const, strength: 40 } },
    ],
  ]);
  expect(readOwn(writeOwn(own))).toEqual(own);
  expect(readOwn('{"a": {"w": 99, "h": 1, "y": [5, 1], "logY": "x", "many": "?", "more": 1}}')).toEqual(
    new Map([["a", { w: 6, h: 120 }]]),
  );
  for (const text of ["", "[", "[]", "3", '{"a": null}']) expect(readOwn(text)).toEqual(new Map());
});
