import { expect, it } from "vitest";
import { readPatch } from "./diff";

const PATCH = `diff --git a/a dir/x.py b/a dir/x.py
index 34f0596..7d238ca 100644
--- a/a dir/x.py
+++ b/a dir/x.py
@@ -3,3 +3,4 @@ def f():
 same
-old
+new
+--- more
\\ No newline at end of file
diff --git a/old.py b/new.py
similarity index 90%
rename from old.py
rename to new.py
diff --git a/p.png b/p.png
Binary files a/p.png and b/p.png differ
`;

it("reads files, lines and their numbers", () => {
  const files = readPatch(PATCH);
  expect(files.map((file) => [file.path, file.added, file.removed])).toEqual([
    ["a dir/x.py", 2, 1],
    ["new.py", 0, 0],
    ["p.png", 0, 0],
  ]);
  expect(files[0]?.lines.map(({ kind, text, before, after }) => [kind, text, before, after])).toEqual([
    ["hunk", "@@ -3,3 +3,4 @@ def f():", null, null],
    ["same", "same", 3, 3],
    ["del", "old", 4, null],
    ["add", "new", null, 4],
    ["add", "--- more", null, 5],
    ["note", "No newline at end of file", null, null],
  ]);
  expect(files[2]?.lines[0]?.text).toMatch(/^Binary/);
});

it("shows what is there of one that was cut off", () => {
  expect(readPatch("diff --git a/x b/x\n@@ -1 +1 @@\n-ol")[0]?.lines.at(-1)?.text).toBe("ol");
  expect(readPatch("")).toEqual([]);
});
