/** A chart that somebody described in Vega-Lite. Expressions are interpreted, never made into code; nothing is fetched. */
import { useComputedColorScheme } from "@mantine/core";
import { useElementSize } from "@mantine/hooks";
import { useQuery } from "@tanstack/react-query";
import { useEffect, useMemo, useRef, useState } from "react";
import { type Config, type Loader, type LoggerInterface, parse, View } from "vega";
import { expressionInterpreter } from "vega-interpreter";
import { compile, type TopLevelSpec } from "vega-lite";
import { readSeries } from "../api/series";
import { table } from "../charts/export";
import { look } from "../charts/palette";
import { matching } from "../charts/sections";
import styles from "./Panel.module.css";
import { type BodyProps, Nothing } from "./PanelCard";
import { titleOf } from "./panel";
import { useValues } from "./values";
import { asksFor, fieldsIn, readSpec, rowsOf } from "./vega";

const MOST_KEYS = 20;

export function Vega({ panel, height, scope, saving }: BodyProps) {
  const text = panel.spec ?? "";
  const runs = asksFor(text, "runs");
  const { data: values, error } = useValues(scope, runs ? fieldsIn(text, panel.columns) : []);
  const series = useSeries({ panel, scope }, asksFor(text, "series"));
  const tables = useMemo(
    () => ({ runs: values && runs ? rowsOf(values) : [], series: series ?? [] }),
    [values, runs, series],
  );
  if (error && runs && !values) return <Nothing>{error.message}</Nothing>;
  if ((runs && !values) || (asksFor(text, "series") && !series)) return null;
  saving.current.csv = () => csvOf(tables.runs.length ? tables.runs : tables.series);
  return <Drawing text={text} tables={tables} height={height} label={titleOf(panel)} saving={saving} />;
}

type Tables = Record<"runs" | "series", Record<string, unknown>[]>;

/** A row for each point of the metrics that the panel asks for. */
function useSeries({ panel, scope }: Pick<BodyProps, "panel" | "scope">, wanted: boolean) {
  const x = scope.view.x || "_step";
  const fits = matching(panel.keys ?? "");
  const keys = scope.metrics
    .filter((metric) => metric.numeric && fits(metric.key))
    .map(({ key }) => key)
    .slice(0, MOST_KEYS);
  const runs = scope.drawn.map(({ id }) => id);
  const labels = new Map(scope.drawn.map(({ id, label }) => [id, label]));
  const { data } = useQuery({
    queryKey: ["vega-series", x, keys, runs],
    enabled: wanted && runs.length > 0 && keys.length > 0,
    queryFn: async ({ signal }) => {
      const found = await readSeries({ runs, keys, x, width: Math.max(50, Math.round(2000 / runs.length)) }, signal);
      return found.flatMap((one) =>
        Array.from(one.x, (place, at) => ({
          run: one.run,
          name: labels.get(one.run) ?? one.run,
          key: one.key,
          x: x === "_time" ? place / 1000 : place,
          value: one.values[at],
        })),
      );
    },
  });
  return data;
}

function csvOf(rows: readonly Record<string, unknown>[]): string {
  const names = Object.keys(rows[0] ?? {});
  const text = (value: unknown) =>
    typeof value === "object" && value !== null ? JSON.stringify(value) : String(value ?? "");
  return table([names, ...rows.map((row) => names.map((name) => text(row[name])))]);
}

const REFUSAL = "A description cannot fetch anything: use the tables runs and series, or values within it.";
const refuse = () => Promise.reject(new Error(REFUSAL));

const LOADER: Loader = { load: refuse, sanitize: refuse, http: refuse, file: refuse, options: {} } as unknown as Loader;

/** Tells the first thing that went wrong; the browser's console stays quiet. */
function listening(hear: (text: string) => void): LoggerInterface {
  const logger: LoggerInterface = {
    level: ((given?: number) => (given === undefined ? 0 : logger)) as LoggerInterface["level"],
    error: (...parts) => {
      hear(parts.map(String).join(" "));
      return logger;
    },
    warn: (...parts) => {
      // What a loader refuses is only a warning to Vega.
      if (String(parts[0]).startsWith("Loading failed")) hear(REFUSAL);
      return logger;
    },
    info: () => logger,
    debug: () => logger,
  };
  return logger;
}

interface DrawingProps {
  text: string;
  tables: Tables;
  height: number;
  label: string;
  saving: BodyProps["saving"];
}

export function Drawing({ text, tables, height, label, saving }: DrawingProps) {
  const { ref, width } = useElementSize<HTMLDivElement>();
  const host = useRef<HTMLDivElement>(null);
  const dark = useComputedColorScheme("light") === "dark";
  const [wrong, setWrong] = useState<string | null>(null);
  useEffect(() => {
    if (!host.current || width < 60) return;
    let view: View | null = null;
    let ended = false;
    const fail = (error: unknown) => {
      if (!ended) setWrong(error instanceof Error ? error.message : String(error));
    };
    setWrong(null);
    try {
      view = viewOf(text, tables, { width, height, style: getComputedStyle(host.current), dark, label }, fail);
      view.initialize(host.current).runAsync().catch(fail);
      const made = view;
      saving.current.png = () => made.toImageURL("png", 2);
    } catch (error) {
      fail(error);
    }
    return () => {
      ended = true;
      view?.finalize();
    };
  }, [text, tables, width, height, dark, label, saving]);
  return (
    <div ref={ref} className={styles.vega}>
      {wrong !== null && <Nothing>{wrong}</Nothing>}
      <div
        ref={host}
        role="img"
        aria-label={label}
        data-vega={wrong === null ? "drawn" : "wrong"}
        hidden={wrong !== null}
      />
    </div>
  );
}

interface Room {
  width: number;
  height: number;
  style: CSSStyleDeclaration;
  dark: boolean;
  /** What the chart is called where the description does not say. */
  label: string;
}

function viewOf(text: string, tables: Tables, room: Room, fail: (error: unknown) => void): View {
  const given = readSpec(text);
  const plain = !["facet", "hconcat", "vconcat", "concat", "repeat"].some((word) => word in given);
  const spec = {
    background: "transparent",
    description: room.label,
    ...(plain ? { width: "container", height: "container", autosize: { type: "fit", contains: "padding" } } : {}),
    ...given,
  } as Record<string, unknown>;
  // There is no element of a fixed size to ask: we know it.
  if (spec.width === "container") spec.width = room.width - 12;
  if (spec.height === "container") spec.height = room.height - 8;
  const logger = listening(fail);
  const compiled = compiledOf(spec, logger, room);
  const names = new Set((compiled.data ?? []).map(({ name }) => name));
  const view = new View(parse(compiled, undefined, { ast: true }), {
    renderer: "canvas",
    expr: expressionInterpreter,
    loader: LOADER,
    logger,
    hover: true,
  } as ConstructorParameters<typeof View>[1]);
  for (const name of ["runs", "series"] as const) if (names.has(name)) view.data(name, tables[name]);
  return view;
}

function compiledOf(spec: Record<string, unknown>, logger: LoggerInterface, room: Room) {
  try {
    return compile(spec as unknown as TopLevelSpec, { logger, config: themed(room) as never }).spec;
  } catch (error) {
    // Vega-Lite stumbles over what it does not know; its own words are about its insides.
    throw new Error(
      `Vega-Lite cannot read this description; look at its mark and encoding. It says: ${(error as Error).message}`,
    );
  }
}

const COLOURS = 8;

function themed({ style, dark }: Room): Config {
  const of = (name: string) => style.getPropertyValue(name).trim() || "#888888";
  const words = { labelColor: of("--dim"), titleColor: of("--text") };
  return {
    font: "system-ui, sans-serif",
    axis: { ...words, gridColor: of("--grid"), domainColor: of("--line-strong"), tickColor: of("--line-strong") },
    legend: words,
    header: words,
    title: { color: of("--text") },
    view: { stroke: "transparent" },
    range: { category: Array.from({ length: COLOURS }, (_, at) => look(at, dark).colour) },
    mark: { color: of("--accent") },
    text: { color: of("--text"), fill: of("--text") },
  } as Config;
}
