/** Markdown with our blocks in it, for the editor: highlighting, and completion inside of blocks. */
import { autocompletion, type CompletionContext, type CompletionResult } from "@codemirror/autocomplete";
import { commonmarkLanguage, markdown } from "@codemirror/lang-markdown";
import { yaml } from "@codemirror/lang-yaml";
import { LanguageDescription } from "@codemirror/language";
import type { Extension } from "@codemirror/state";
import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { get, send } from "../../api/client";
import type { RunsPage } from "../../api/types";
import { RUN_FIELDS } from "../../table/columns";
import { useColumns } from "../../table/useRuns";
import { blockAt } from "./blocks";

const NAMES: Record<"chart" | "runs", readonly (readonly [string, string])[]> = {
  chart: [
    ["keys", "metrics; * stands for anything"],
    ["filter", "which runs"],
    ["runs", "ids of runs"],
    ["x", "_step, _time, _runtime or a metric"],
    ["smoothing", "ema 40"],
    ["log", "x, y or xy"],
    ["range", "[0, 1000]"],
    ["limit", "most runs"],
    ["order", "which runs come first"],
    ["title", "above it"],
    ["project", "another one"],
    ["height", "in pixels"],
  ],
  runs: [
    ["columns", "config.KEY, summary.KEY ..."],
    ["filter", "which runs"],
    ["runs", "ids of runs"],
    ["order", "such as -summary.val/acc"],
    ["limit", "most runs"],
    ["title", "above it"],
    ["project", "another one"],
  ],
};

export interface Words {
  metrics: readonly string[];
  fields: readonly string[];
}

/** Metrics and columns that a project has. */
export function useWords(project: string): Words {
  const { data: known } = useColumns(project);
  const { data: metrics } = useQuery({
    queryKey: ["report-metrics", project],
    queryFn: async ({ signal }) => {
      const page = await get<RunsPage>("/runs", { project, limit: 100 }, signal);
      const runs = page.runs.map((run) => run.id);
      return send<{ key: string; numeric: boolean }[]>("POST", "/metrics", { runs });
    },
  });
  return useMemo(
    () => ({
      metrics: (metrics ?? []).filter((metric) => metric.numeric).map((metric) => metric.key),
      fields: [
        "name",
        ...RUN_FIELDS,
        ...(known?.columns ?? [])
          .filter((column) => !column.key.startsWith("_"))
          .map((column) => `${column.scope}.${column.key}`),
      ],
    }),
    [metrics, known],
  );
}

export function useLanguage(project: string): Extension {
  const words = useWords(project);
  return useMemo(
    () => [
      markdown({
        base: commonmarkLanguage,
        completeHTMLTags: false,
        codeLanguages: (info) => (info === "chart" || info === "runs" ? YAML : null),
      }),
      autocompletion({ override: [(context) => complete(context, words)], icons: false }),
    ],
    [words],
  );
}

const YAML = LanguageDescription.of({ name: "yaml", support: yaml() });

function complete(context: CompletionContext, words: Words): CompletionResult | null {
  const kind = blockAt(context.state.sliceDoc(0), context.pos);
  if (kind === null) return null;
  const line = context.state.doc.lineAt(context.pos);
  const before = line.text.slice(0, context.pos - line.from);
  const word = /[\w./*-]*$/.exec(before)?.[0] ?? "";
  if (!word && !context.explicit) return null;
  const from = context.pos - word.length;
  const name = /^\s*(\w+)\s*:/.exec(before)?.[1];
  if (name === undefined) {
    return { from, options: NAMES[kind].map(([label, detail]) => ({ label, detail, apply: `${label}: ` })) };
  }
  const options = valuesOf(name, words).map((label) => ({ label }));
  return options.length ? { from, options } : null;
}

function valuesOf(name: string, words: Words): readonly string[] {
  if (name === "keys") return words.metrics;
  if (name === "columns" || name === "filter" || name === "order") return words.fields;
  if (name === "x") return ["_step", "_time", "_runtime", ...words.metrics];
  if (name === "smoothing") return ["ema", "gauss", "mean", "median", "none"];
  return [];
}
