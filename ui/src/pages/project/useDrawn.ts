/** Which runs are drawn, and how their lines look. A run keeps its look while others come and go. */
import { useComputedColorScheme } from "@mantine/core";
import { useMemo, useRef } from "react";
import type { GroupsPage, RunRow } from "../../api/types";
import type { Drawn } from "../../charts/lines";
import { type Look, look } from "../../charts/palette";
import type { View } from "../../state/view";
import { titleOfGroup } from "../../table/columns";
import { conditionOf } from "../../table/grouped";

export interface DrawnRun extends Drawn {
  running: boolean;
}

/** Lines of single runs. */
export function useDrawn(first: readonly RunRow[], pinned: readonly RunRow[], view: View) {
  const dark = useComputedColorScheme("light") === "dark";
  const places = useRef(new Map<string, number>());
  return useMemo(() => {
    const wanted = new Map([...pinned, ...first].map((run) => [run.id, run]));
    const runs = [...wanted.values()].filter((run) => !view.hidden.has(run.id)).slice(0, view.most);
    assign(places.current, runs);
    const drawn: DrawnRun[] = runs.map((run) => {
      const own = look(places.current.get(run.id) ?? 0, dark, run.colour);
      return { id: run.id, label: run.name, look: own, group: null, running: run.state === "running" };
    });
    const looks = new Map<string, Look>(drawn.map((run) => [run.id, run.look]));
    return { drawn, looks };
  }, [first, pinned, view.hidden, view.most, dark]);
}

/** Lines of groups: of each the newest runs, in the order of the table. */
export function useDrawnGroups(page: GroupsPage | undefined, view: View) {
  const dark = useComputedColorScheme("light") === "dark";
  return useMemo(() => {
    const drawn: DrawnRun[] = [];
    const groupLooks = new Map<string, Look>();
    for (const [place, group] of (page?.groups ?? []).entries()) {
      const path = conditionOf(group);
      if (view.hidden.has(`=${path}`)) continue;
      groupLooks.set(path, look(place, dark));
      for (const run of group.members) {
        if (view.hidden.has(run.id) || drawn.length >= view.most) continue;
        const own = { look: look(place, dark), group: titleOfGroup(group), running: run.state === "running" };
        drawn.push({ id: run.id, label: run.name, ...own });
      }
    }
    const looks = new Map<string, Look>(drawn.map((run) => [run.id, run.look]));
    return { drawn, looks, groupLooks };
  }, [page, view.hidden, view.most, dark]);
}

/** Give each new run the first look that is free; the oldest come first, so that a page looks the same tomorrow. */
function assign(places: Map<string, number>, runs: readonly RunRow[]): void {
  const ids = new Set(runs.map((run) => run.id));
  for (const id of places.keys()) if (!ids.has(id)) places.delete(id);
  const taken = new Set(places.values());
  let next = 0;
  for (const run of [...runs].sort((a, b) => a.created_us - b.created_us || a.id.localeCompare(b.id))) {
    if (places.has(run.id)) continue;
    while (taken.has(next)) next++;
    places.set(run.id, next);
    taken.add(next);
  }
}
