import { expect, it } from "vitest";
import { fileLines, openAtFirst } from "./files";
import type { FileRow } from "./types";

const file = (path: string, size = 1): FileRow => ({ path, size, digest: "", uri: null });
const FILES = [file("a/b/one.bin", 10), file("a/b/two.bin", 20), file("a/c.txt", 1), file("z.txt", 2)];

it("shows folders with their sizes, and what is in open ones", () => {
  const shown = (open: string[]) =>
    fileLines(FILES, new Set(open)).map(({ path, name, depth, size, files }) => [path, name, depth, size, files]);
  expect(shown([])).toEqual([
    ["a/", "a", 0, 31, 3],
    ["z.txt", "z.txt", 0, 2, null],
  ]);
  expect(shown(["a/", "a/b/"]).map(([path]) => path)).toEqual([
    "a/",
    "a/b/",
    "a/b/one.bin",
    "a/b/two.bin",
    "a/c.txt",
    "z.txt",
  ]);
});

it("finds files wherever they are", () => {
  expect(fileLines(FILES, new Set(), "TWO").map((line) => [line.name, line.depth])).toEqual([["a/b/two.bin", 0]]);
});

it("opens what is small, and what has nothing else in it", () => {
  expect([...openAtFirst(FILES)].sort()).toEqual(["a/", "a/b/"]);
  const many = Array.from({ length: 50 }, (_, at) => file(`x/y/${at % 2}/${at}.bin`));
  expect([...openAtFirst(many)]).toEqual(["x/", "x/y/"]);
});
