/** Which line is which run or group, by name: colour and dash alone ask too much where there are many. */
import { Swatch } from "../shell/Swatch";
import { hover, useIsHovered } from "./hover";
import styles from "./Legend.module.css";
import type { Drawn } from "./lines";

interface Props {
  runs: readonly Drawn[];
  /** A run's page; groups have none. */
  onOpen: (run: string) => void;
}

export function Legend({ runs, onOpen }: Props) {
  const lines = new Map(runs.map((run) => [run.group ?? run.id, run]));
  return (
    <ul className={styles.legend} aria-label="Lines">
      {[...lines].map(([id, run]) => (
        <Entry key={id} id={id} run={run} onOpen={run.group === null ? onOpen : undefined} />
      ))}
    </ul>
  );
}

function Entry({ id, run, onOpen }: { id: string; run: Drawn; onOpen: Props["onOpen"] | undefined }) {
  const isHovered = useIsHovered(id);
  const name = run.group ?? run.label;
  return (
    <li>
      <button
        type="button"
        className={`${styles.entry} ${isHovered ? styles.hovered : ""}`}
        title={name}
        onMouseEnter={() => hover({ run: id })}
        onMouseLeave={() => hover({ run: null })}
        onFocus={() => hover({ run: id })}
        onBlur={() => hover({ run: null })}
        onClick={() => onOpen?.(id)}
      >
        <Swatch look={run.look} />
        <span className="cut">{name}</span>
      </button>
    </li>
  );
}
