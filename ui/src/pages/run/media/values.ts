/** Media as the server tells them: where their bytes are, and what they say of themselves. */
import { address } from "../../../api/client";
import type { Value } from "../../../api/types";

export interface Medium {
  kind: string;
  caption: string | null;
  fields: { [key: string]: Value };
}

/** The media in a value: one, or a list of them. */
export function media(value: Value | undefined): Medium[] {
  if (Array.isArray(value)) return value.flatMap(media);
  if (value === null || typeof value !== "object" || typeof value.$media !== "string") return [];
  const fields = value.value;
  if (fields === null || typeof fields !== "object" || Array.isArray(fields)) return [];
  return [{ kind: value.$media, caption: typeof fields.caption === "string" ? fields.caption : null, fields }];
}

const DIGEST = /^[0-9a-f]{64}$/;
const PICTURES = new Set(["png", "jpeg", "gif", "webp"]);
const FILMS = new Set(["mp4", "webm"]);
const SPACES = new Set(["glb", "obj", "stl", "ply"]);
const SOUNDS = new Set(["wav", "mp3", "ogg", "flac"]);

export type Shown = "picture" | "film" | "sound" | "page" | "space" | null;

/** What may be shown of it; whatever else it says it is, it is not. */
export function shownAs(medium: Medium): Shown {
  const format = String(medium.fields.format);
  if (PICTURES.has(format)) return "picture";
  if (FILMS.has(format)) return "film";
  if (SOUNDS.has(format)) return "sound";
  if (medium.kind === "object3d") return SPACES.has(format) ? "space" : null;
  return medium.kind === "html" && format === "html" ? "page" : null;
}

/** Where its bytes are: at the server, or small ones in the value itself. */
export function source(run: string, medium: Medium): string | null {
  const { blob, data, format } = medium.fields;
  if (typeof blob === "string" && DIGEST.test(blob)) {
    const folder = shownAs(medium) === "page" ? "pages" : "blobs";
    return address(`/runs/${encodeURIComponent(run)}/${folder}/${blob}`);
  }
  if (data === null || typeof data !== "object" || Array.isArray(data) || !("$bytes" in data)) return null;
  if (typeof data.$bytes !== "string" || !PICTURES.has(String(format))) return null;
  return `data:image/${format};base64,${fromHex(data.$bytes)}`;
}

function fromHex(hex: string): string {
  let text = "";
  for (let at = 0; at + 1 < hex.length; at += 2) {
    text += String.fromCharCode(Number.parseInt(hex.slice(at, at + 2), 16));
  }
  return btoa(text);
}
