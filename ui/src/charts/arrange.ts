/** Moving and resizing with the pointer (mouse, pen or finger), beside what the arrow keys do. */
import type { PointerEvent as ReactPointerEvent } from "react";

/** Where a tile would go: beside which one of its section. */
export interface Drop {
  name: string;
  after: boolean;
}

const START_PX = 5;
const EDGE_PX = 48;

interface Moving {
  /** Selects what may be dropped beside, within `root`. */
  selector: string;
  root: HTMLElement;
  /** Whether things lie below each other rather than in rows. */
  vertical?: boolean;
  onOver: (drop: Drop | null) => void;
  onDrop: (drop: Drop) => void;
}

/** Follow the pointer from a handle on; Escape leaves everything as it was. */
export function startMove(event: ReactPointerEvent<HTMLElement>, { selector, root, vertical, onOver, onDrop }: Moving) {
  const from = { x: event.clientX, y: event.clientY };
  let drop: Drop | null = null;
  let moving = false;
  const scroller = scrollerOf(root);
  follow(event, {
    move: (pointer) => {
      moving ||= Math.hypot(pointer.clientX - from.x, pointer.clientY - from.y) > START_PX;
      if (!moving) return;
      scroll(scroller, pointer.clientY);
      drop = dropAt(root, selector, pointer, vertical === true);
      onOver(drop);
    },
    end: (done) => {
      onOver(null);
      if (done && moving && drop) onDrop(drop);
    },
  });
}

/** Follow the pointer from a corner on, and tell how far it went. */
export function startResize(
  event: ReactPointerEvent<HTMLElement>,
  onSize: (across: number, down: number, done: boolean) => void,
): void {
  const from = { x: event.clientX, y: event.clientY };
  let last = from;
  follow(event, {
    move: (pointer) => {
      last = { x: pointer.clientX, y: pointer.clientY };
      onSize(last.x - from.x, last.y - from.y, false);
    },
    end: (done) => (done ? onSize(last.x - from.x, last.y - from.y, true) : onSize(0, 0, true)),
  });
}

function follow(
  event: ReactPointerEvent<HTMLElement>,
  ears: { move: (pointer: PointerEvent) => void; end: (done: boolean) => void },
): void {
  if (event.button !== 0) return;
  event.preventDefault();
  const handle = event.currentTarget;
  handle.focus({ preventScroll: true });
  handle.setPointerCapture(event.pointerId);
  const ending = new AbortController();
  const { signal } = ending;
  const finish = (done: boolean) => {
    ending.abort();
    ears.end(done);
  };
  handle.addEventListener("pointermove", ears.move, { signal });
  handle.addEventListener("pointerup", () => finish(true), { signal });
  handle.addEventListener("pointercancel", () => finish(false), { signal });
  window.addEventListener("keydown", (key) => key.key === "Escape" && finish(false), { signal, capture: true });
}

function dropAt(root: HTMLElement, selector: string, pointer: PointerEvent, vertical: boolean): Drop | null {
  let best: { element: HTMLElement; far: number; after: boolean } | null = null;
  for (const element of root.querySelectorAll<HTMLElement>(selector)) {
    const box = element.getBoundingClientRect();
    const [x, y] = [box.left + box.width / 2, box.top + box.height / 2];
    const outX = Math.max(0, Math.abs(pointer.clientX - x) - box.width / 2);
    const outY = Math.max(0, Math.abs(pointer.clientY - y) - box.height / 2);
    const far = Math.hypot(outX, outY);
    if (best && far >= best.far) continue;
    best = { element, far, after: vertical ? pointer.clientY > y : pointer.clientX > x };
  }
  const name = best?.element.dataset.tile;
  return best && name !== undefined ? { name, after: best.after } : null;
}

function scrollerOf(element: HTMLElement): HTMLElement | null {
  for (let up = element.parentElement; up; up = up.parentElement) {
    if (["auto", "scroll"].includes(getComputedStyle(up).overflowY)) return up;
  }
  return null;
}

function scroll(scroller: HTMLElement | null, y: number): void {
  if (!scroller) return;
  const { top, bottom } = scroller.getBoundingClientRect();
  if (y < top + EDGE_PX) scroller.scrollBy(0, -12);
  else if (y > bottom - EDGE_PX) scroller.scrollBy(0, 12);
}
