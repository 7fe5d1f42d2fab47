/** A small checkbox: that of the component library is thirty elements' worth of work in a table. */
import styles from "./Tick.module.css";

export function Tick({ label, checked, onChange }: { label: string; checked: boolean; onChange: () => void }) {
  return <input type="checkbox" className={styles.tick} aria-label={label} checked={checked} onChange={onChange} />;
}
