import { expect, it } from "vitest";
import { media, shownAs, source } from "./values";

const picture = (fields: Record<string, string | object>) => media({ $media: "image", value: fields as never })[0];

it("finds media, alone and in lists, and nothing else", () => {
  const one = { $media: "image", value: { format: "png", caption: "a" } };
  expect(media(one).map((medium) => medium.caption)).toEqual(["a"]);
  expect(media([one, 3, [one]])).toHaveLength(2);
  expect(media("text")).toEqual([]);
  expect(media({ $media: "image", value: "?" })).toEqual([]);
});

it("shows pictures of known formats only, and asks for nothing but blobs", () => {
  const inside = picture({ format: "png", data: { $bytes: "89504e47" } });
  expect(inside && source("r", inside)).toBe("data:image/png;base64,iVBORw==");
  const kept = picture({ format: "gif", blob: "a".repeat(64) });
  expect(kept && source("r/x", kept)).toBe(`/api/v1/runs/r%2Fx/blobs/${"a".repeat(64)}`);
  for (const fields of [{ format: "svg+xml", data: { $bytes: "3c" } }, { format: "png", blob: "../../secret" }, {}]) {
    const found = picture(fields);
    expect(found && source("r", found)).toBeNull();
  }
  const odd = picture({ format: "svg+xml" });
  expect(odd && shownAs(odd)).toBeNull();
});

it("plays sounds, and shows pages from an address of their own", () => {
  const heard = media({ $media: "audio", value: { format: "wav", blob: "b".repeat(64) } })[0];
  expect(heard && [shownAs(heard), source("r", heard)]).toEqual(["sound", `/api/v1/runs/r/blobs/${"b".repeat(64)}`]);
  const page = media({ $media: "html", value: { format: "html", blob: "c".repeat(64) } })[0];
  expect(page && [shownAs(page), source("r", page)]).toEqual(["page", `/api/v1/runs/r/pages/${"c".repeat(64)}`]);
  const odd = picture({ format: "html", blob: "c".repeat(64) });
  expect(odd && shownAs(odd)).toBeNull();
});
