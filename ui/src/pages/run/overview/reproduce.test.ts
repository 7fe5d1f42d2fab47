import { expect, it } from "vitest";
import { commands, quoted } from "./reproduce";

it("keeps whatever is in a word one word", () => {
  expect(quoted("train.py")).toBe("train.py");
  expect(quoted("a b; rm -rf ~ $(x) `y`")).toBe("'a b; rm -rf ~ $(x) `y`'");
  expect(quoted("it's")).toBe(`'it'\\''s'`);
  expect(quoted("")).toBe("''");
});

it("goes to the code, to the folder, and starts the program", () => {
  const git = { commit: "abc123", remote: "git@host:me/code.git", root: "/home/me/code", diff: "diff --git a/x b/x" };
  expect(commands(git, { cwd: "/home/me/code/train", command: ["python", "run.py", "--name", "a b"] })).toEqual([
    "git clone git@host:me/code.git code && cd code",
    "git checkout abc123",
    "git apply diff.patch   # what was not committed: see Code",
    "cd train",
    "python run.py --name 'a b'",
  ]);
  expect(commands(undefined, undefined)).toEqual([]);
});
