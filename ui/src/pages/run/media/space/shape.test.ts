import { expect, it } from "vitest";
import { edges, elements, moveOf, square } from "./shape";

const bytes = (text: string, rest: number[] = []) =>
  new Uint8Array([...new TextEncoder().encode(text), ...rest]).buffer;
const TINT = "property uchar red\nproperty uchar green\nproperty uchar blue\n";
const OURS = `ply\nformat binary_little_endian 1.0\nelement vertex 0\nelement edge 2\nproperty int vertex1\nproperty int vertex2\n${TINT}end_header\n`;

it("reads the edges at the end of a file", () => {
  const found = edges(bytes(OURS, [1, 0, 0, 0, 2, 1, 0, 0, 9, 8, 7, 3, 0, 0, 0, 4, 0, 0, 0, 6, 5, 4]));
  expect([...(found?.ends ?? [])]).toEqual([1, 258, 3, 4]);
  expect([...(found?.colours ?? [])]).toEqual([9, 8, 7, 6, 5, 4]);
  expect(edges(bytes("ply\nformat ascii 1.0\nend_header\n"))).toBeNull();
  expect(edges(bytes(OURS.replace("edge 2", "edge 2000")))).toBeNull();
});

it("believes no head that says more than the file can hold", () => {
  expect([...elements(bytes("ply\r\nelement vertex 3\r\nelement face 0\r\nend_header\r\n"))]).toEqual([
    ["vertex", 3],
    ["face", 0],
  ]);
  expect(() => elements(bytes("ply\nelement vertex 3\n"))).toThrow("without an end");
  expect(() => elements(bytes("ply\nelement vertex 999999999999\nend_header\n"))).toThrow("more elements");
});

it("has round squares, about ten of them", () => {
  expect([10, 11, 25, 60, 0.3].map(square).map((one) => Number(one.toPrecision(6)))).toEqual([1, 2, 5, 10, 0.05]);
  expect([0, Number.NaN, Number.POSITIVE_INFINITY].map(square)).toEqual([1, 1, 1]);
});

it("turns by arrows, and leaves all other keys to the page", () => {
  expect(moveOf("ArrowLeft")?.around).toBe(-(moveOf("ArrowRight")?.around ?? 0));
  expect((moveOf("+")?.zoom ?? 0) * (moveOf("-")?.zoom ?? 0)).toBe(1);
  expect(moveOf("Tab")).toBeNull();
});
