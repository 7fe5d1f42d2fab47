import { expect, it } from "vitest";
import { unpackSeries } from "./series";

it("reads arrays where the head says", () => {
  const heads = [
    { run: "a", key: "loss", kind: "float", total: 9, points: 2, at: 0 },
    { run: "a", key: "none", kind: null, total: 0, error: "there is none", points: 0, at: 4 },
  ];
  let text = JSON.stringify({ series: heads });
  text += " ".repeat((8 - (text.length % 8)) % 8);
  const bytes = new ArrayBuffer(8 + text.length + 32);
  new DataView(bytes).setUint32(0, text.length, true);
  new Uint8Array(bytes, 8).set(new TextEncoder().encode(text));
  new Float64Array(bytes, 8 + text.length).set([0, 5, 1.5, Number.NaN]);
  const [loss, none] = unpackSeries(bytes);
  expect([...(loss?.x ?? [])]).toEqual([0, 5]);
  expect([...(loss?.values ?? [])]).toEqual([1.5, Number.NaN]);
  expect(loss?.total).toBe(9);
  expect(none?.error).toBe("there is none");
});
