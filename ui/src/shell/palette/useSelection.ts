/** Keeps one entry selected, whatever comes late: Enter always opens what is marked. */
import type { SpotlightStore } from "@mantine/spotlight";
import { type KeyboardEvent, useLayoutEffect, useRef } from "react";
import type { Group } from "./match";

/**
 * Mantine marks the first entry when something is typed, and nothing when entries come, go or change places after
 * that (runs are asked for, pages are known once a route has loaded): then Enter did nothing, or opened another one.
 *
 * Returns what the field for typing must hear.
 */
export function useSelection(store: SpotlightStore, typed: string, found: readonly Group[]) {
  const moved = useRef(false);
  const ids = found.map(({ entries }) => entries.map(({ id }) => id).join("\n")).join("\n");
  // biome-ignore lint/correctness/useExhaustiveDependencies: a letter typed begins anew
  useLayoutEffect(() => {
    moved.current = false;
  }, [typed]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: entries in another order are marked anew
  useLayoutEffect(() => {
    const list = document.getElementById(store.getState().listId);
    const actions = [...(list?.querySelectorAll("[data-action]") ?? [])];
    const marked = list?.querySelector("[data-selected]") ?? null;
    const at = moved.current && marked ? actions.indexOf(marked) : 0;
    marked?.removeAttribute("data-selected");
    actions[at]?.setAttribute("data-selected", "true");
    store.updateState((state) => ({ ...state, selected: actions.length ? at : -1 }));
  }, [ids, store]);
  return (event: KeyboardEvent) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") moved.current = true;
  };
}
