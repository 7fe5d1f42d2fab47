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

/** The runs that panels look at, as a condition: those of the table, without hidden ones. */
export function filterOf({ view, single }: Pick<PanelScope, "view" | "single">): string {
  const text = (id: string) => `'${id.replace(/['\\]/g, "\\$&")}'`;
  if (single !== undefined) return `id = ${text(single)}`;
  const hidden = [...view.hidden].map(text).join(", ");
  const parts = [view.filter && `(${view.filter})`, hidden && `not id in (${hidden})`].filter(Boolean);
  return parts.join(" and ");
}
