/** Addresses of pages. They are kept: people put them into mails and papers. */

// The server answers these itself, or they are pages of ours, so no project may be found there.
const RESERVED = new Set(["alerts", "api", "assets", "healthz", "login"]);

/** A name as one part of a path. What a server or proxy could take for something else is written ~XX. */
export function segment(name: string): string {
  let text = "";
  for (const letter of name) {
    text += letter < " " || "~/\\%?#\u007f".includes(letter) ? escaped(letter) : letter;
  }
  if (RESERVED.has(text) || text.startsWith(".")) text = escaped(text.charAt(0)) + text.slice(1);
  return text === "" ? "~" : text;
}

function escaped(letter: string): string {
  return `~${letter.charCodeAt(0).toString(16).padStart(2, "0")}`;
}

/** The name that a part of a path stands for. */
export function nameOf(part: string): string {
  return part.replace(/~([0-9a-f]{2})?/g, (_whole, code: string | undefined) =>
    code === undefined ? "" : String.fromCharCode(Number.parseInt(code, 16)),
  );
}
