/** The saved views of a project, and which one the page is of. */
import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useCallback, useEffect, useRef } from "react";
import { get } from "../../../api/client";
import type { SavedView } from "../../../api/types";
import { type Search, useSearchState } from "../../../state/search";
import { NONE, searchOf, settingsOf, VIEW, wanted } from "./settings";

export interface Views {
  all: readonly SavedView[];
  now: SavedView | undefined;
  /** Whether the page has other settings than the view. */
  isChanged: boolean;
  /** The page's settings, as a view keeps them. */
  settings: string;
  /** Revision of the present view as it was opened, which is what changes are made to. */
  seen: number;
  open: (view: SavedView | null) => void;
  /** Go on with a view as it has been saved. */
  saved: (view: SavedView) => void;
}

export function viewsOf(project: string) {
  return {
    queryKey: ["views", project],
    queryFn: ({ signal }: { signal: AbortSignal }) => get<SavedView[]>("/views", { project }, signal),
    retry: false,
  };
}

/** The views, and whether they are known so far that the page can be shown. */
export function useViews(project: string): [Views, boolean] {
  const [search, setSearch] = useSearchState();
  const navigate = useNavigate();
  const { data, isPending } = useQuery(viewsOf(project));
  const all = data ?? [];
  const seen = useRef(new Map<string, number>());
  // All of them, for the address follows a moment after a view is opened.
  const applied = useRef(new Set<string>());
  const go = useCallback(
    (next: Search, replace: boolean) => {
      void navigate({ to: ".", replace, search: next as never, resetScroll: false });
    },
    [navigate],
  );
  const open = useCallback(
    (view: SavedView | null, replace = false) => {
      if (view) seen.current.set(view.id, view.revision);
      if (view) applied.current.add(view.id);
      go(view ? searchOf(view) : { [VIEW]: NONE }, replace);
    },
    [go],
  );
  const next = wanted(search, all, applied.current);
  useEffect(() => {
    if (next) open(next, true);
  }, [next, open]);
  const now = all.find((view) => view.id === search[VIEW]);
  if (now && !seen.current.has(now.id)) seen.current.set(now.id, now.revision);
  const settings = settingsOf(search);
  const saved = useCallback(
    (view: SavedView) => {
      seen.current.set(view.id, view.revision);
      applied.current.add(view.id);
      setSearch({ [VIEW]: view.id });
    },
    [setSearch],
  );
  const isChanged = now !== undefined && settings !== settingsOf(searchOf(now));
  const views = { all, now, isChanged, settings, seen: (now && seen.current.get(now.id)) ?? 0, open, saved };
  // An address that says what to show need not wait for what it might have been otherwise.
  return [views, next === undefined && (!isPending || settings !== "" || search[VIEW] === NONE)];
}
