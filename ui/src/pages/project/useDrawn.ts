/** Which runs are drawn, and how their lines look. A run keeps its look while others come and go. */
import { useComputedColorScheme } from "@mantine/core";
import { useMemo, useRef } from "react";
import type { RunRow } from "../../api/types";
import type { Drawn } from "../../charts/lines";
import { type Look, look } from "../../charts/palette";
import type { View } from "../../state/view";
import { cellOf } from "../../table/columns";

export interface DrawnRun extends Drawn {
  running: boolean;
}

export function useDrawn(first: readonly RunRow[], pinned: readonly RunRow[], view: View) {
  const dark = useComputedColorScheme("light") === "dark";
  const places = useRef(new Map<string, number>());
  return useMemo(() => {
    const wanted = new Map([...pinned, ...first].map((run) => [run.id, run]));
    const runs = [...wanted.values()].filter((run) => !view.hidden.has(run.id)).slice(0, view.most);
    assign(places.current, runs);
    const groups = new Map<string, number>();
    const drawn: DrawnRun[] = runs.map((run) => {
      const group = view.group.length ? nameOfGroup(run, view.group) : null;
      if (group !== null && !groups.has(group)) groups.set(group, groups.size);
      const place = group === null ? (places.current.get(run.id) ?? 0) : (groups.get(group) ?? 0);
      return { id: run.id, label: run.name, look: look(place, dark), group, running: run.state === "running" };
    });
    const looks = new Map<string, Look>(drawn.map((run) => [run.id, run.look]));
    return { drawn, looks };
  }, [first, pinned, view.hidden, view.most, view.group, dark]);
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

function nameOfGroup(run: RunRow, fields: readonly string[]): string {
  return fields
    .map((field) => `${field.replace(/^(config|summary)\./, "")} = ${cellOf(run, field).text || "–"}`)
    .join(", ");
}
