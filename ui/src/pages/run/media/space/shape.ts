/** What a file of an object says, read before anything is drawn. */

/** Turns of the keyboard, in radians, and nearer or further. */
export interface Move {
  around: number;
  up: number;
  zoom: number;
}

const TURN = Math.PI / 18;
const MOVES: { [key: string]: Partial<Move> } = {
  ArrowLeft: { around: -TURN },
  ArrowRight: { around: TURN },
  ArrowUp: { up: TURN },
  ArrowDown: { up: -TURN },
  "+": { zoom: 0.8 },
  "=": { zoom: 0.8 },
  "-": { zoom: 1.25 },
};

export function moveOf(key: string): Move | null {
  const found = MOVES[key];
  return found ? { around: 0, up: 0, zoom: 1, ...found } : null;
}

/** The size of a grid's squares, 1, 2 or 5 times a power of ten, so that about ten of them cover a length. */
export function square(length: number): number {
  if (!(length > 0) || !Number.isFinite(length)) return 1;
  const power = 10 ** Math.floor(Math.log10(length / 10));
  const times = length / 10 / power;
  return power * (times > 5 ? 10 : times > 2 ? 5 : times > 1 ? 2 : 1);
}

const HEAD = 65_536;
const END = /end_header\r?\n/;

/** The elements of a PLY, by name; throws where there is no end to its head, or it says more than it can hold. */
export function elements(data: ArrayBuffer): Map<string, number> {
  const text = new TextDecoder("latin1").decode(data.slice(0, HEAD));
  const end = END.exec(text);
  if (!end) throw new Error("a head without an end");
  const found = new Map<string, number>();
  for (const [, name, count] of text.slice(0, end.index).matchAll(/^element (\S+) (\d+)\s*$/gm)) {
    if (Number(count) > data.byteLength) throw new Error("more elements than bytes");
    found.set(String(name), Number(count));
  }
  return found;
}

const EDGES =
  /element edge (\d+)\nproperty int vertex1\nproperty int vertex2\nproperty uchar red\nproperty uchar green\nproperty uchar blue\nend_header\n/;
const EDGE = 11; // two integers and three bytes

export interface Edges {
  ends: Uint32Array;
  colours: Uint8Array;
}

/** The edges of boxes, which treering writes at the end of its own PLY files; null where there are none. */
export function edges(data: ArrayBuffer): Edges | null {
  const text = new TextDecoder("latin1").decode(data.slice(0, HEAD));
  const count = Number(EDGES.exec(text)?.[1] ?? 0);
  const start = data.byteLength - count * EDGE;
  if (!count || start < 0 || !text.startsWith("ply\nformat binary_little_endian 1.0\n")) return null;
  const view = new DataView(data, start);
  const [ends, colours] = [new Uint32Array(count * 2), new Uint8Array(count * 3)];
  for (let at = 0; at < count; at++) {
    for (let end = 0; end < 2; end++) ends[at * 2 + end] = view.getUint32(at * EDGE + end * 4, true);
    for (let part = 0; part < 3; part++) colours[at * 3 + part] = view.getUint8(at * EDGE + 8 + part);
  }
  return { ends, colours };
}
