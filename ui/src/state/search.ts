/** The state of a page lives in its address: plain words, one for each setting, so that people can read and edit it. */
import { useNavigate, useSearch } from "@tanstack/react-router";
import { useCallback } from "react";

export type Search = Record<string, string>;

export function parseSearch(text: string): Search {
  return Object.fromEntries(new URLSearchParams(text));
}

/** Settings that are not there are as they were at first; they need no word. */
export function writeSearch(search: Record<string, unknown>): string {
  const found = new URLSearchParams();
  for (const [name, value] of Object.entries(search)) {
    if (value !== undefined && value !== null && value !== "") found.set(name, String(value));
  }
  // Brackets, commas and the like are allowed in a query, and easier to read as they are.
  const text = found.toString().replace(/%2C/g, ",").replace(/%2F/g, "/").replace(/%3A/g, ":").replace(/%40/g, "@");
  return text && `?${text}`;
}

export type SetSearch = (patch: Record<string, string | undefined>) => void;

/** The settings in the address, and how to change some of them; undefined takes one out. */
export function useSearchState(): [Search, SetSearch] {
  const search = useSearch({ strict: false }) as Search;
  const navigate = useNavigate();
  const set = useCallback<SetSearch>(
    (patch) => {
      void navigate({
        to: ".",
        replace: true,
        search: ((before: Search) => ({ ...before, ...patch })) as never,
        resetScroll: false,
      });
    },
    [navigate],
  );
  return [search, set];
}
