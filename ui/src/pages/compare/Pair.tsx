/** Which two of the runs are looked at closely; in the address, so that a link leads there. */
import { Select } from "@mantine/core";
import type { RunDetail } from "../../api/types";
import { useSearchState } from "../../state/search";
import styles from "./Compare.module.css";
import type { Compared } from "./useCompared";

export interface Two {
  one: number;
  other: number;
}

export function usePair({ runs }: Compared): [Two, (run: "one" | "other", id: string) => void] {
  const [search, setSearch] = useSearchState();
  const at = (id: string | undefined) => runs.findIndex((run) => run.id === id);
  const base = Math.max(at(search.base), 0);
  const one = at(search.one) >= 0 ? at(search.one) : base;
  const fallback = one === 0 ? 1 : 0;
  const other = at(search.other) >= 0 && at(search.other) !== one ? at(search.other) : fallback;
  return [{ one, other }, (which, id) => setSearch({ [which]: id })];
}

export function Pair({ compared }: { compared: Compared }) {
  const [two, choose] = usePair(compared);
  const { runs } = compared;
  const isOne = (name: string) => runs.filter((run) => run.name === name).length === 1;
  const options = runs.map((run) => ({
    value: run.id,
    label: isOne(run.name) ? run.name : `${run.name} (${run.id.slice(0, 8)})`,
  }));
  const box = (which: "one" | "other", label: string, without: RunDetail | undefined) => (
    <Select
      size="xs"
      aria-label={label}
      className={styles.pick ?? ""}
      allowDeselect={false}
      data={options.filter((option) => option.value !== without?.id)}
      value={runs[two[which]]?.id ?? null}
      onChange={(id) => id && choose(which, id)}
    />
  );
  return (
    <div className={styles.pair}>
      {box("one", "First run", runs[two.other])}
      <span className={styles.dim}>and</span>
      {box("other", "Second run", runs[two.one])}
    </div>
  );
}
