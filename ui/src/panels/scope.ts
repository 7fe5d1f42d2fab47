/** What panels know of the page that they are on. */
import type { CardSettings } from "../charts/ChartCard";
import type { Drawn } from "../charts/lines";
import type { SeriesStore } from "../charts/store";
import type { SetView, View } from "../state/view";

export interface PanelMetric {
  key: string;
  numeric: boolean;
  kinds: readonly string[];
  x: string | null;
  hidden: boolean;
}

export interface PanelScope {
  project: string;
  /** Runs whose curves are drawn. */
  drawn: readonly Drawn[];
  view: View;
  setView: SetView;
  store: SeriesStore;
  settings: Omit<CardSettings, "x">;
  metrics: readonly PanelMetric[];
  /** The only run of the page. */
  single: string | undefined;
  onZoom: (range: [number, number] | null) => void;
  onOpen: (run: string) => void;
}

/** The runs that panels look at: those of the table, without hidden ones; for a question to the server. */
export function runsOf({ project, view, single }: Pick<PanelScope, "project" | "view" | "single">) {
  const filter = single === undefined ? filterOf(view) : `id = ${text(single)}`;
  const search = single === undefined ? view.find : "";
  return { project, filter: filter || undefined, search: search || undefined };
}

const text = (value: string) => `'${value.replace(/['\\]/g, "\\$&")}'`;
const list = (values: Iterable<string>) => [...values].map(text).join(", ");

/** A condition that holds for runs of the table that are not hidden. */
export function filterOf({ filter, states, hidden }: Pick<View, "filter" | "states" | "hidden">): string {
  const parts = [
    filter && `(${filter})`,
    states.size && `state in (${list(states)})`,
    hidden.size && `not id in (${list(hidden)})`,
  ];
  return parts.filter(Boolean).join(" and ");
}
