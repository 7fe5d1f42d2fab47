/** A confusion matrix: rows are what it was, columns what it was taken for. */
import { useComputedColorScheme } from "@mantine/core";
import { short } from "../format/numbers";
import styles from "./Panel.module.css";
import { matrixOf, type TablePage } from "./tables";

export function Matrix({ page, height, label }: { page: TablePage; height: number; label: string }) {
  const dark = useComputedColorScheme("light") === "dark";
  const matrix = matrixOf(page);
  if (!matrix) return null;
  const { names, counts, total, right } = matrix;
  return (
    <section className={styles.scroll} style={{ height }} tabIndex={0} aria-label={`Confusion matrix ${label}`}>
      <table className={styles.matrix}>
        <thead>
          <tr>
            <th scope="col" className={styles.label} title="Rows: what it was. Columns: what it was taken for.">
              actual ↓ predicted →
            </th>
            {names.map((name) => (
              <th key={name} className={styles.label} scope="col" title={name}>
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {counts.map((row, at) => {
            const all = row.reduce((sum, one) => sum + one, 0);
            return (
              <tr key={names[at]}>
                <th scope="row" className={styles.label} title={names[at]}>
                  {names[at]}
                </th>
                {row.map((count, to) => (
                  <td
                    key={names[to]}
                    style={shade(all ? count / all : 0, at === to, dark)}
                    title={`${names[at]} taken for ${names[to]}: ${count.toLocaleString("en")} of ${all.toLocaleString("en")}, ${short(all ? (100 * count) / all : 0, 3)} %`}
                  >
                    {count ? count.toLocaleString("en") : ""}
                  </td>
                ))}
              </tr>
            );
          })}
        </tbody>
      </table>
      <p className={styles.small}>
        {short(total ? (100 * right) / total : 0, 4)} % of {total.toLocaleString("en")} are right; a cell is as dark as
        its share of its row, and what is wrong is orange
      </p>
    </section>
  );
}

/** What is right is blue and what is wrong orange, the stronger the more of the row lies there. */
export function shade(share: number, isRight: boolean, dark: boolean): { background: string; color: string } {
  const colour = isRight ? [0, 94, 150] : [176, 74, 0];
  const surface = dark ? [22, 29, 30] : [255, 255, 255];
  const part = share > 0 ? 0.1 + 0.9 * share : 0;
  const mixed = surface.map((under, i) => Math.round(under + part * ((colour[i] ?? 0) - under)));
  // Of black and white the one that is read better: it never has less than 4.5 to 1.
  return { background: `rgb(${mixed.join(" ")})`, color: luminance(mixed) > 0.179 ? "#000000" : "#ffffff" };
}

/** As WCAG defines it, from 0 to 1. */
function luminance(colour: readonly number[]): number {
  const [r = 0, g = 0, b = 0] = colour.map((part) => {
    const share = part / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}
