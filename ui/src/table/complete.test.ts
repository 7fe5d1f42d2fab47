import { expect, it } from "vitest";
import { complete } from "./complete";
import type { ValueColumn } from "./defaults";

const column = (scope: "config" | "summary", key: string, min: number | string, max: number | string): ValueColumn => ({
  scope,
  key,
  runs: 3,
  numbers: typeof min === "number" ? 3 : 0,
  min,
  max,
  differs: true,
});
const COLUMNS = [
  column("config", "lr", 0.001, 0.1),
  column("config", "optim.name", "adam", "it's"),
  column("summary", "val/loss", 0, 1),
  column("config", "odd key", 1, 2),
];
const offer = (text: string) => complete(text, text.length, COLUMNS, ["v1", "it's"]).items.map((item) => item.insert);

it.each<[string, string[]]>([
  ["sta", ["state"]],
  ["lr", ["config.lr"]],
  ["state ", ["=", "!="]],
  ["state = ", ["running", "finished"]],
  ["state = fa", ["failed"]],
  ["config.lr < ", ["0.001", "0.1"]],
  ["config.optim.name = ", ["'adam'", "'it\\'s'"]],
  ["state = 'failed' ", ["and", "or"]],
  ["state = failed and val", ["summary.val/loss"]],
  ["tag in (", ["'v1'", "'it\\'s'"]],
  ["created > ", ["'1 hour ago'"]],
  ["odd", ['config."odd key"']],
  ['config."odd key" > ', ["1", "2"]],
])("%s", (text, first) => {
  expect(offer(text).slice(0, first.length)).toEqual(first);
});

it("replaces the word that is being written", () => {
  expect(complete("state = fa and x", 10, COLUMNS, []).from).toBe(8);
});
