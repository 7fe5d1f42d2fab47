import { expect, it } from "vitest";
import { changes, uncommitted } from "./code";

const patch = (path: string, line: string) =>
  `diff --git a/${path} b/${path}\n--- a/${path}\n+++ b/${path}\n@@ -1,2 +1,2 @@\n same\n-old\n+${line}\n`;

it("finds the lines that differ, with their numbers", () => {
  const file = changes("train.py", "a\nb\nc\n", "a\nB\nc\nd\n");
  expect([file?.added, file?.removed]).toEqual([2, 1]);
  expect(file?.lines.map(({ kind, text, before, after }) => [kind, text, before, after])).toEqual([
    ["hunk", "@@ -1,3 +1,4 @@", null, null],
    ["same", "a", 1, 1],
    ["del", "b", 2, null],
    ["add", "B", null, 2],
    ["same", "c", 3, 3],
    ["add", "d", null, 4],
  ]);
  expect(changes("x", "same\n", "same\n")?.lines).toEqual([]);
});

it("tells which changes were not committed in which run", () => {
  const first = patch("a.py", "x") + patch("b.py", "x") + patch("c.py", "x");
  const second = patch("b.py", "x") + patch("c.py", "y") + patch("d.py", "x");
  expect(uncommitted(first, second).map(({ path, where }) => [path, where])).toEqual([
    ["a.py", "first"],
    ["b.py", "same"],
    ["c.py", "differs"],
    ["d.py", "second"],
  ]);
  expect(uncommitted("", "")).toEqual([]);
});
