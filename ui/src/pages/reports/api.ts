/** Reports as the server keeps them. */
import { type QueryClient, useQuery } from "@tanstack/react-query";
import { address, ask, get, send } from "../../api/client";
import type { RunRow } from "../../api/types";
import { segment } from "../../shell/links";

export interface ReportRow {
  id: string;
  project: string;
  title: string;
  author: string;
  created_us: number;
  updated_us: number;
  version: number;
}

export interface Report extends ReportRow {
  text: string;
  /** The version that title and text are of. */
  shown: number;
}

export interface Version {
  number: number;
  time_us: number;
  author: string;
  title: string;
  size: number;
  restored: number | null;
}

export interface Comment {
  id: string;
  reply_to: string | null;
  author: string;
  time_us: number;
  text: string;
  resolved_us: number | null;
  resolved_by: string;
}

export interface FoundBlock {
  kind: "chart" | "runs";
  error: string | null;
  title: string;
  runs: RunRow[];
  more: boolean;
  columns: string[];
  keys: { key: string; x: string }[];
  missing: string[];
  smoothing: ["none" | "ema" | "gauss" | "mean" | "median", number];
  log: string;
  range: [number, number] | null;
  height: number;
}

export const useReports = (project: string) =>
  useQuery({
    queryKey: ["reports", project],
    queryFn: ({ signal }) => get<ReportRow[]>("/reports", { project }, signal),
    refetchOnWindowFocus: true,
    staleTime: 5000,
  });

export const useReport = (id: string, version?: number) =>
  useQuery({
    queryKey: ["report", id, version ?? 0],
    queryFn: ({ signal }) => get<Report>(`/reports/${encodeURIComponent(id)}`, { version }, signal),
    refetchOnWindowFocus: true,
    staleTime: 5000,
  });

export const useVersions = (id: string) =>
  useQuery({
    queryKey: ["report-versions", id],
    queryFn: ({ signal }) => get<Version[]>(`/reports/${encodeURIComponent(id)}/versions`, {}, signal),
    staleTime: 5000,
  });

export const useComments = (id: string) =>
  useQuery({
    queryKey: ["report-comments", id],
    queryFn: ({ signal }) => get<Comment[]>(`/reports/${encodeURIComponent(id)}/comments`, {}, signal),
    refetchOnWindowFocus: true,
    staleTime: 5000,
  });

export function createReport(project: string, title: string, text: string): Promise<Report> {
  return send<Report>("POST", "/reports", { project, title, text, author: myName() });
}

/** Save the next version; `version` is the one that was changed. */
export async function saveReport(
  id: string,
  version: number,
  change: { title: string; text: string; restored?: number },
): Promise<Report> {
  const answer = await ask(address(`/reports/${encodeURIComponent(id)}`), {
    method: "PUT",
    headers: { "content-type": "application/json", "if-match": `"${version}"` },
    body: JSON.stringify({ ...change, author: myName() }),
  });
  return (await answer.json()) as Report;
}

/** What was saved is known at once, wherever it is shown. */
export function remember(queries: QueryClient, report: Report): void {
  queries.setQueryData(["report", report.id, 0], report);
  void queries.invalidateQueries({ queryKey: ["reports", report.project] });
  void queries.invalidateQueries({ queryKey: ["report-versions", report.id] });
}

const NAME = "treering.name";

/** By what name this browser's user saves and comments; kept in the browser. */
export function myName(): string {
  try {
    return localStorage.getItem(NAME) ?? "";
  } catch {
    return "";
  }
}

export function setMyName(name: string): void {
  try {
    localStorage.setItem(NAME, name.trim().slice(0, 100));
  } catch {}
}

/** A report's part of an address: its id, and its title for people. */
export function partOf(report: { id: string; title: string }): string {
  const slug = report.title
    .normalize("NFKD")
    .replace(/[^A-Za-z0-9]+/g, "-")
    .replace(/^-+|-+$/g, "")
    .toLowerCase()
    .slice(0, 60);
  return slug ? `${report.id}-${slug}` : report.id;
}

export const idOf = (part: string): string => part.split("-")[0] ?? "";

export const paramsOf = (report: ReportRow) => ({ project: segment(report.project), report: partOf(report) });
