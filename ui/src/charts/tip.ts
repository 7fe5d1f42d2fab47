/** The box beside the pointer. One for all charts, and not React's: it moves with every movement of the mouse. */
import { short } from "../format/numbers";
import type { Reading } from "./nearest";
import { placeText } from "./ticks";
import styles from "./tip.module.css";

const MOST = 14;
let box: HTMLElement | null = null;

export function hideTip(): void {
  if (box) box.hidden = true;
}

export function showTip(
  pointer: MouseEvent,
  title: string,
  found: readonly Reading[],
  chosen: string | null,
  xKind: "number" | "time" | "seconds",
): void {
  if (!found.length) {
    hideTip();
    return;
  }
  const at = Math.max(
    0,
    found.findIndex((one) => one.line.id === chosen),
  );
  const first = Math.max(0, Math.min(at - MOST / 2, found.length - MOST));
  const shown = found.slice(first, first + MOST);
  const place = found[at]?.x ?? 0;
  showBox(pointer, [
    part("div", styles.head, `${title} · ${placeText(place, xKind)}`),
    ...shown.map((one) => row(one, one.line.id === chosen)),
    ...(found.length > shown.length ? [part("div", styles.more, `${found.length - shown.length} more`)] : []),
  ]);
}

/** Show anything beside the pointer. */
export function showBox(pointer: MouseEvent, content: readonly HTMLElement[]): void {
  if (!box) {
    box = document.createElement("div");
    box.className = styles.tip ?? "";
    box.setAttribute("role", "status");
    document.body.append(box);
  }
  box.replaceChildren(...content);
  box.hidden = false;
  const { offsetWidth, offsetHeight } = box;
  const left =
    pointer.clientX + 16 + offsetWidth > innerWidth ? pointer.clientX - 16 - offsetWidth : pointer.clientX + 16;
  const top = Math.min(Math.max(8, pointer.clientY - offsetHeight / 2), innerHeight - offsetHeight - 8);
  box.style.transform = `translate(${Math.max(4, left)}px, ${top}px)`;
}

function row({ line, y }: Reading, chosen: boolean): HTMLElement {
  const out = part("div", `${styles.row} ${chosen ? styles.chosen : ""}`);
  out.append(swatch(line.look), part("span", styles.name, line.label), part("span", styles.value, short(y, 5)));
  return out;
}

const SVG = "http://www.w3.org/2000/svg";

function swatch({ colour, dash }: Reading["line"]["look"]): Element {
  const out = document.createElementNS(SVG, "svg");
  out.setAttribute("width", "18");
  out.setAttribute("height", "8");
  const line = document.createElementNS(SVG, "path");
  line.setAttribute("d", "M0 4h18");
  line.setAttribute("stroke", colour);
  line.setAttribute("stroke-width", "2.5");
  line.setAttribute("stroke-dasharray", dash.join(" "));
  out.append(line);
  return out;
}

export function part(name: string, className: string | undefined, text = ""): HTMLElement {
  const out = document.createElement(name);
  out.className = className ?? "";
  out.textContent = text;
  return out;
}
