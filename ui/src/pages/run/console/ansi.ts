/** Colours of a terminal as pieces of text. Only colours are taken: no link, no title, no movement, no HTML. */
import Anser from "anser";

export interface Piece {
  text: string;
  /** Name of a colour of the terminal ("red", "bright-red"), or a colour as "rgb(1, 2, 3)". */
  colour: string | null;
  background: string | null;
  bold: boolean;
  dim: boolean;
  italic: boolean;
  underline: boolean;
}

// Operating system commands (links, titles, clipboard), device control strings and the like: until BEL or ST, or the end.
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
const STRINGS = /(?:\u001b[\]PX^_]|[\u0090\u0098\u009d-\u009f])[^\u0007\u001b\u009c]*(?:\u0007|\u001b\\|\u009c|$)?/g;
// biome-ignore lint/suspicious/noControlCharactersInRegex: the same
const MOVES = /(?:\u001b\[|\u009b)[0-?]*[ -/]*(?:[@-ln-~]|$)/g;
// biome-ignore lint/suspicious/noControlCharactersInRegex: the same
const OTHERS = /\u001b(?!\[)[ -/]*[0-~]?|[\u0000-\u0008\u000b-\u001a\u001c-\u001f\u007f-\u009f]/g;

/** A colour's own bytes, however they came. */
const RGB = /^\d{1,3}, \d{1,3}, \d{1,3}$/;
const NAME = /^ansi-((?:bright-)?(?:black|red|green|yellow|blue|magenta|cyan|white))$/;
const PALETTE = /^ansi-palette-(\d{1,3})$/;
const LEVELS = [0, 95, 135, 175, 215, 255];

/** Take out whatever is no colour. */
export function colourOnly(text: string): string {
  return text.replace(STRINGS, "").replace(MOVES, "").replace(OTHERS, "");
}

export function pieces(line: string): Piece[] {
  const text = colourOnly(line);
  if (!text.includes("\u001b")) return text ? [plainPiece(text)] : [];
  return Anser.ansiToJson(text, { json: true, remove_empty: true, use_classes: true }).map((part) => {
    const has = (name: string) => part.decorations.some((one) => one === name);
    const [fg, bg] = [colour(part.fg, part.fg_truecolor), colour(part.bg, part.bg_truecolor)];
    const swapped = has("reverse");
    return {
      text: part.content,
      colour: swapped ? (bg ?? "black") : fg,
      background: swapped ? (fg ?? "white") : bg,
      bold: has("bold"),
      dim: has("dim"),
      italic: has("italic"),
      underline: has("underline"),
    };
  });
}

/** The text without any of it, to search and to copy. */
export function plainText(line: string): string {
  return pieces(line)
    .map((piece) => piece.text)
    .join("");
}

function plainPiece(text: string): Piece {
  return { text, colour: null, background: null, bold: false, dim: false, italic: false, underline: false };
}

function colour(name: string | null, exact: string | null): string | null {
  if (name === null) return null;
  if (name === "ansi-truecolor") return exact && RGB.test(exact) ? `rgb(${exact})` : null;
  const palette = PALETTE.exec(name)?.[1];
  if (palette !== undefined) return fromPalette(Number(palette));
  return NAME.exec(name)?.[1] ?? null;
}

/** The 240 colours beyond the named ones: a cube of six levels, then greys. */
function fromPalette(at: number): string | null {
  if (at < 16 || at > 255) return null;
  if (at >= 232) {
    const grey = 8 + 10 * (at - 232);
    return `rgb(${grey}, ${grey}, ${grey})`;
  }
  const place = at - 16;
  const level = (size: number) => LEVELS[Math.floor(place / size) % 6];
  return `rgb(${level(36)}, ${level(6)}, ${level(1)})`;
}
