/** The bar between runs and charts: dragged, or moved with the arrow keys. */
import { useLocalStorage } from "@mantine/hooks";
import styles from "./ProjectPage.module.css";

const LEAST = 260;

export function useSplit(): [number, (width: number) => void] {
  const [kept, setKept] = useLocalStorage({
    key: "treering.split",
    defaultValue: Math.round(Math.min(640, Math.max(360, window.innerWidth * 0.4))),
    getInitialValueInEffect: false,
  });
  const most = Math.max(LEAST, window.innerWidth - 340);
  return [Math.min(Math.max(Number(kept) || LEAST, LEAST), most), setKept];
}

export function Splitter({ value, onChange }: { value: number; onChange: (width: number) => void }) {
  return (
    <div
      className={styles.splitter}
      role="separator"
      aria-orientation="vertical"
      aria-label="Width of the runs table"
      aria-valuenow={value}
      aria-valuemin={LEAST}
      tabIndex={0}
      onPointerDown={(event) => event.currentTarget.setPointerCapture(event.pointerId)}
      onPointerMove={(event) => {
        if (event.currentTarget.hasPointerCapture(event.pointerId)) onChange(Math.round(event.clientX));
      }}
      onKeyDown={(event) => {
        const by = { ArrowLeft: -24, ArrowRight: 24 }[event.key];
        if (by) onChange(value + by);
      }}
    />
  );
}
