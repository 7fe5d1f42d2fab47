/** Which tabs a run has: those for gradients and episodes only where there is something to see. */
import type { MetricRow, RunDetail } from "../../api/types";

export interface TabName {
  id: string;
  label: string;
}

export const EPISODE_RETURN = /(^|\/)episode\/return(\/\d+)?$/;

// Histograms of watched parameters have a tab of their own.
const WATCHED = /^(grad|param)\/(.+\/)?histogram\//;

export const isMedia = ({ kind, key }: MetricRow) => kind === "media" || (kind === "histogram" && !WATCHED.test(key));

export function tabsOf(run: RunDetail): TabName[] {
  const has = (pattern: RegExp) => run.metrics.some((metric) => pattern.test(metric.key));
  const tabs = [
    { id: "", label: "Overview" },
    { id: "charts", label: "Charts" },
    { id: "system", label: "System" },
    { id: "console", label: "Console" },
    { id: "media", label: "Media", when: run.metrics.some(isMedia) },
    { id: "gradients", label: "Gradients", when: has(/^(grad|update)\//) },
    { id: "rl", label: "Episodes", when: has(EPISODE_RETURN) },
    { id: "files", label: "Files" },
    { id: "code", label: "Code" },
    { id: "events", label: "Events" },
  ];
  return tabs.filter((tab) => tab.when !== false).map(({ id, label }) => ({ id, label }));
}
