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
function shade(share: number, isRight: boolean, dark: boolean): { background: string; color: string } {
  const [r, g, b] = isRight ? [0, 94, 150] : [176, 74, 0];
  const alpha = share > 0 ? 0.1 + 0.9 * share : 0;
  const strong = alpha > (dark ? 0.3 : 0.55);
  return { background: `rgb(${r} ${g} ${b} / ${alpha})`, color: strong ? "#ffffff" : "inherit" };
}
