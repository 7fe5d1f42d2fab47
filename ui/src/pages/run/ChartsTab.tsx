/** The wall of charts, of this run alone. */
import { useComputedColorScheme } from "@mantine/core";
import { useMemo } from "react";
import type { RunDetail } from "../../api/types";
import { look } from "../../charts/palette";
import { useView } from "../../state/view";
import { ChartsPane } from "../project/ChartsPane";

export function ChartsTab({ run }: { run: RunDetail }) {
  const [view, setView] = useView();
  const dark = useComputedColorScheme("light") === "dark";
  const { id, name, project, state } = run;
  const drawn = useMemo(
    () => [{ id, label: name, look: look(0, dark), group: null, running: state === "running" }],
    [id, name, state, dark],
  );
  return <ChartsPane project={project} drawn={drawn} total={1} view={view} setView={setView} single={id} />;
}
