/** What the box beside the pointer says of a point. Texts are set as texts: names may be anything. */
import { part, showBox } from "../charts/tip";
import styles from "../charts/tip.module.css";

export interface TipText {
  head: string;
  rows: readonly (readonly [string, string])[];
}

export function showText(pointer: MouseEvent, { head, rows }: TipText): void {
  const lines = rows.map(([name, value]) => {
    const line = part("div", styles.row);
    line.append(part("span", styles.name, name), part("span", styles.value, value));
    return line;
  });
  showBox(pointer, [part("div", styles.head, head), ...lines]);
}
