import { expect, it } from "vitest";
import { freeName, searchOf, settingsOf, wanted } from "./settings";

const NIGHT = { id: "n", search: "filter=config.lr < 1&x=epoch", is_default: false };
const FIRST = { id: "f", search: "group=config.seed", is_default: true };
const PLAIN = { id: "p", search: "", is_default: false };

it("settings are the same however they came about", () => {
  expect(settingsOf({ x: "epoch", filter: "a = 'b, c' & d", view: "n", side: "runs" })).toBe(
    settingsOf({ filter: "a = 'b, c' & d", x: "epoch", sort: "" }),
  );
  expect(settingsOf({ view: "-", side: "runs" })).toBe("");
});

it("a view's settings come back from it", () => {
  expect(searchOf(NIGHT)).toEqual({ filter: "config.lr < 1", x: "epoch", view: "n" });
  expect(settingsOf(searchOf(FIRST))).toBe("group=config.seed");
});

it("an empty address leads to the default, a view's name to that view, and settings stay", () => {
  const views = [NIGHT, FIRST, PLAIN];
  expect(wanted({}, views, new Set())).toBe(FIRST);
  expect(wanted({ side: "runs" }, views, new Set(["f"]))).toBe(FIRST);
  expect(wanted({ view: "n" }, views, new Set())).toBe(NIGHT);
  expect(wanted({ view: "n" }, views, new Set(["n"]))).toBeUndefined(); // somebody took all settings back
  expect(wanted({ view: "-" }, views, new Set())).toBeUndefined();
  expect(wanted({ view: "gone" }, views, new Set())).toBeUndefined();
  expect(wanted({ view: "p" }, views, new Set())).toBeUndefined();
  expect(wanted({ x: "epoch" }, views, new Set())).toBeUndefined();
  expect(wanted({}, [NIGHT], new Set())).toBeUndefined();
});

it("finds a name that is free", () => {
  expect(freeName("a", [])).toBe("a");
  expect(freeName("a", ["a", "a 2"])).toBe("a 3");
});
