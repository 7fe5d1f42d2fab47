import { describe, expect, it } from "vitest";
import { colourOnly, pieces, plainText } from "./ansi";

const ESC = "\u001b";

describe("what a program prints", () => {
  it("has colours", () => {
    const found = pieces(
      `a ${ESC}[31mred ${ESC}[1mbold${ESC}[0m ${ESC}[38;5;208morange${ESC}[0m ${ESC}[38;2;1;2;3mexact`,
    );
    expect(found.map(({ text, colour, bold }) => [text, colour, bold])).toEqual([
      ["a ", null, false],
      ["red ", "red", false],
      ["bold", "red", true],
      [" ", null, false],
      ["orange", "rgb(255, 135, 0)", false],
      [" ", null, false],
      ["exact", "rgb(1, 2, 3)", false],
    ]);
  });

  it("has bright and background colours, and swaps them", () => {
    expect(pieces(`${ESC}[92;44mx`)[0]).toMatchObject({ colour: "bright-green", background: "blue" });
    expect(pieces(`${ESC}[31;7mx`)[0]).toMatchObject({ colour: "black", background: "red" });
  });

  it.each([
    [`${ESC}]8;;javascript:alert(1)\u0007click${ESC}]8;;\u0007`, "click"],
    [`${ESC}]8;;https://evil.example${ESC}\\click${ESC}]8;;${ESC}\\`, "click"],
    [`${ESC}]0;title\u0007text`, "text"],
    [`${ESC}]52;c;aGFjaw==\u0007text`, "text"],
    [`${ESC}]never ended`, ""],
    [`${ESC}P1;2|dcs${ESC}\\text`, "text"],
    [`\u009d0;title\u009ctext\u009b2J`, "text"],
    [`${ESC}[2J${ESC}[10;10H${ESC}[?25ltext${ESC}[K`, "text"],
    [`${ESC}cte\u0000x\u0008t${ESC}(B`, "text"],
    [`${ESC}[99999mtext`, "text"],
    [`text${ESC}[`, "text"],
    [`<b onclick="x()">&amp;</b>`, `<b onclick="x()">&amp;</b>`],
  ])("%j is the text %j", (line, text) => {
    expect(plainText(line)).toBe(text);
    expect(plainText(`${ESC}[1m${line}`)).toBe(text);
    expect(colourOnly(line)).not.toMatch(/javascript|evil|title/);
  });
});
