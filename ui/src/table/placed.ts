/** Where a column's cells are: with the others, or beside the name while others move. */
import type { Column } from "./columns";
import styles from "./RunsTable.module.css";

export function placed(column: Column, ...classes: (string | false | undefined)[]) {
  const isFixed = column.left !== undefined;
  const className = [...classes, isFixed && styles.fixed].filter(Boolean).join(" ");
  return isFixed ? { className, style: { left: column.left } } : { className };
}
