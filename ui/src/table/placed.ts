/** Where a column's cells are: in their place among all columns, drawn or not; or beside the name while others move. */
import type { Column } from "./columns";
import styles from "./RunsTable.module.css";

export function placed(column: Column, ...classes: (string | false | undefined)[]) {
  const isFixed = column.left !== undefined;
  const className = [...classes, isFixed && styles.fixed].filter(Boolean).join(" ");
  const gridColumn = (column.place ?? 0) + 2;
  return { className, style: isFixed ? { gridColumn, left: column.left } : { gridColumn } };
}
