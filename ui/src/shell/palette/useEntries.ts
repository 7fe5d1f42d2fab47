/** What the palette offers: commands, pages, and the runs, metrics, artifacts and projects that are there. */

import { useComputedColorScheme, useMantineColorScheme } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { useQuery } from "@tanstack/react-query";
import { useNavigate, useParams } from "@tanstack/react-router";
import { get } from "../../api/client";
import type { Project, RunsPage } from "../../api/types";
import { things } from "../../format/numbers";
import { ago } from "../../format/time";
import { nameOf, segment } from "../links";
import { PARTS } from "../ProjectNav";
import { type Entry, literal } from "./match";

interface Collection {
  name: string;
  type: string;
  versions: number;
}

interface Columns {
  columns: { scope: string; key: string; numbers: number }[];
}

type Go = (to: string, params?: Record<string, string>, search?: Record<string, string>) => () => void;

export function useEntries(typed: string, onKeys: () => void): Entry[] {
  const params = useParams({ strict: false });
  const project = params.project === undefined ? undefined : nameOf(params.project);
  const navigate = useNavigate();
  const go: Go =
    (to, places = {}, search = {}) =>
    () =>
      void navigate({ to, params: places, search } as never);
  const commands = useCommands(project, onKeys);
  const pages = pagesOf(go, params);
  const runs = useRunEntries(typed, project, go);
  const inside = useProjectEntries(project, go);
  const projects = useProjects(go);
  return [...runs, ...pages, ...commands, ...inside, ...projects];
}

function useCommands(project: string | undefined, onKeys: () => void): Entry[] {
  const { setColorScheme } = useMantineColorScheme({ keepTransitions: true });
  const other = useComputedColorScheme("light") === "dark" ? "light" : "dark";
  const group = "Commands";
  const filter = () => document.querySelector<HTMLInputElement>('[aria-label="Filter runs"]');
  const found: Entry[] = [
    {
      id: "copy",
      group,
      label: "Copy the link to this page",
      words: "address share url",
      run: () => void navigator.clipboard?.writeText(location.href),
    },
    {
      id: "theme",
      group,
      label: `Show it ${other}`,
      words: "theme colours dark light mode",
      run: () => setColorScheme(other),
    },
    { id: "keys", group, label: "Keyboard", note: "?", words: "help shortcuts keys", run: onKeys },
  ];
  if (project !== undefined && filter()) {
    // After the palette has closed, which gives the focus back to where it was.
    const focus = () => setTimeout(() => filter()?.focus(), 100);
    found.unshift({ id: "filter", group, label: "Filter runs", note: "/", words: "search query", run: focus });
  }
  return found;
}

const TABS = ["charts", "system", "console", "media", "gradients", "files", "code", "events"];

function pagesOf(go: Go, { project, run }: { project?: string; run?: string }): Entry[] {
  const group = "Pages";
  const found: Entry[] = [];
  if (project !== undefined && run !== undefined) {
    const params = { project, run };
    const page = (tab: string) => {
      const label = tab ? `${tab.charAt(0).toUpperCase()}${tab.slice(1)}` : "Overview";
      const open = go("/$project/runs/$run", params, tab ? { tab } : {});
      return { id: `tab ${tab}`, group, label: `${label} of this run`, run: open };
    };
    found.push(...["", ...TABS].map(page));
  }
  if (project !== undefined) {
    for (const { label, part, to } of PARTS) {
      found.push({ id: `part ${part}`, group, label, note: nameOf(project), run: go(to, { project }) });
    }
  }
  found.push({ id: "projects", group, label: "All projects", note: "g", words: "home", run: go("/") });
  found.push({ id: "alerts", group, label: "Alerts", words: "rules targets bell", run: go("/alerts") });
  return found;
}

/** Runs whose name has what was typed, of this project first; with nothing typed the newest ones. */
function useRunEntries(typed: string, project: string | undefined, go: Go): Entry[] {
  const [words] = useDebouncedValue(typed.trim(), 150);
  const { data } = useQuery({
    queryKey: ["palette-runs", project, words],
    queryFn: ({ signal }) => {
      const filter = words ? `name contains ${literal(words)} or id = ${literal(words)}` : undefined;
      return get<RunsPage>("/runs", { project, filter, limit: 7 }, signal);
    },
    placeholderData: (before) => before,
    staleTime: 5000,
  });
  return (data?.runs ?? []).map((run) => ({
    id: `run ${run.id}`,
    group: "Runs",
    label: run.name,
    note: `${project === undefined ? `${run.project} · ` : ""}${run.state} · ${ago(run.created_us)}`,
    words: run.id,
    run: go("/$project/runs/$run", { project: segment(run.project), run: segment(run.id) }),
  }));
}

function useProjectEntries(project: string | undefined, go: Go): Entry[] {
  const enabled = project !== undefined;
  const { data: columns } = useQuery({
    queryKey: ["columns", project],
    queryFn: ({ signal }) => get<Columns>("/columns", { project }, signal),
    enabled,
  });
  const { data: collections } = useQuery({
    queryKey: ["artifacts", project],
    queryFn: ({ signal }) => get<Collection[]>("/artifact-collections", { project }, signal),
    enabled,
  });
  const place = { project: segment(project ?? "") };
  const metrics = (columns?.columns ?? []).filter(({ scope, numbers }) => scope === "summary" && numbers > 0);
  return [
    ...metrics.map(({ key }) => ({
      id: `metric ${key}`,
      group: "Metrics",
      label: key,
      words: "metric chart",
      run: go("/$project", place, { charts: `^${key.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")}$` }),
    })),
    ...(collections ?? []).map(({ name, type, versions }) => ({
      id: `artifact ${name}`,
      group: "Artifacts",
      label: name,
      note: `${type} · ${things(versions, "version")}`,
      run: go("/$project/artifacts/$artifact", { ...place, artifact: segment(name) }),
    })),
  ];
}

function useProjects(go: Go): Entry[] {
  const { data } = useQuery({
    queryKey: ["projects"],
    queryFn: ({ signal }) => get<Project[]>("/projects", {}, signal),
  });
  return (data ?? []).map(({ name, runs }) => ({
    id: `project ${name}`,
    group: "Projects",
    label: name,
    note: things(runs, "run"),
    run: go("/$project", { project: segment(name) }),
  }));
}
