/** What a saved view holds: the settings of the page's address, less those of the moment. */
import { parseSearch, type Search, writeSearch } from "../../../state/search";

/** Which view an address is of; "-" says that it is none. */
export const VIEW = "view";
export const NONE = "-";
const OF_THE_MOMENT = new Set([VIEW, "side"]);

/** The settings as one text, the same however they came about. */
export function settingsOf(search: Search): string {
  const kept = Object.entries(search).filter(([name, value]) => !OF_THE_MOMENT.has(name) && value !== "");
  kept.sort(([one], [other]) => (one < other ? -1 : 1));
  return writeSearch(Object.fromEntries(kept)).slice(1);
}

/** The address's settings for a view. */
export function searchOf(view: { id: string; search: string }): Search {
  const settings = parseSearch(view.search);
  delete settings.side;
  return { ...settings, [VIEW]: view.id };
}

/**
 * The view to go to when an address says nothing but which view, or nothing at all.
 *
 * @param applied views that were gone to before: whoever takes all settings of one back means it.
 */
export function wanted<V extends { id: string; search: string; is_default: boolean }>(
  search: Search,
  views: readonly V[],
  applied: ReadonlySet<string>,
): V | undefined {
  if (settingsOf(search) !== "") return undefined;
  const named = search[VIEW];
  if (named === undefined) return views.find((view) => view.is_default);
  return applied.has(named) ? undefined : views.find((view) => view.id === named && view.search !== "");
}

/** A name that is not taken yet. */
export function freeName(name: string, taken: readonly string[]): string {
  if (!taken.includes(name)) return name;
  for (let number = 2; ; number++) if (!taken.includes(`${name} ${number}`)) return `${name} ${number}`;
}
