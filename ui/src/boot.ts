/**
 * Runs before the first paint, and before the page's own scripts are here: sets the colours, asks what a project's page
 * asks first, and has those scripts loaded. Built by itself into one small file, see `vite.config.ts`.
 */
import type { Metric } from "./api/metrics";
import type { RunsPage } from "./api/types";
import { firstCurves, MOST } from "./charts/first";
import { defaults, isValue } from "./table/defaults";
import type { ValueColumns } from "./table/useRuns";

/** Without it a page that was set to dark would flash white. */
function colours(): void {
  let chosen: string | null = null;
  try {
    chosen = localStorage.getItem("treering.colours");
  } catch {}
  const dark = chosen === "dark" || (chosen !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
  document.documentElement.setAttribute("data-mantine-color-scheme", dark ? "dark" : "light");
}

/**
 * Ask for rows, metrics and curves of the project that is opened; `api/client.ts` takes the answers. An address that
 * asks for anything else is not foreseen, and a question that nobody has is no harm.
 */
async function early(path: string): Promise<void> {
  const asked = new Map<string, Promise<Response>>();
  window.treeringEarly = asked;
  const ask = (address: string, body?: string) => {
    if (window.treeringLate) throw new Error("late");
    const head = { "content-type": "application/json" };
    const init = body === undefined ? {} : { method: "POST", headers: head, body };
    const answer = fetch(`${root}/api/v1${address}`, { credentials: "same-origin", ...init });
    answer.catch(() => {});
    asked.set(`${root}/api/v1${address} ${body ?? ""}`, answer);
    return answer;
  };
  const read = async <T>(answer: Promise<Response>): Promise<T> => {
    const found = await answer;
    if (!found.ok) throw new Error(found.statusText);
    return (await found.clone().json()) as T;
  };
  const project = `project=${path}`;
  const page = "limit=100&offset=0&count=true";
  ask(`/views?${project}`);
  const columns = ask(`/columns?${project}`);
  const rows = ask(`/runs?${project}&order=-created&${page}`);
  ask(`/groups?${project}&by=state&statistic=mean&limit=1000`);
  const values = async () => {
    const known = await read<ValueColumns>(columns);
    const shown = defaults(known.columns, false, known.runs === 1).filter(isValue);
    const words = new URLSearchParams(shown.map((name) => ["column", name])).toString();
    if (words) ask(`/runs?${project}&order=-created&${words}&${page}`);
  };
  const curves = async () => {
    const runs = (await read<RunsPage>(rows)).runs.slice(0, MOST);
    if (!runs.length) return;
    const metrics = ask("/metrics", JSON.stringify({ runs: runs.map((run) => run.id) }));
    const wanted = firstCurves(runs, await read<Metric[]>(metrics));
    if (wanted) ask("/series", JSON.stringify(wanted));
  };
  await Promise.all([values(), curves()]);
}

/** Say what the page will be, so that what stands there until then has its places: `theme/global.css`. */
function places(): void {
  const { dataset, style } = document.documentElement;
  dataset.boot = "project";
  try {
    const split = Number(JSON.parse(localStorage.getItem("treering.split") ?? "0"));
    if (split > 0) style.setProperty("--boot-split", `${split}px`);
  } catch {}
}

const root = document.querySelector<HTMLMetaElement>('meta[name="treering-root"]')?.content ?? "";
const path = location.pathname.slice(root.length + 1);
const isProject = /^[\w.-]+$/.test(path) && path !== "alerts";

/**
 * Load the page's scripts once the page itself is read: they take all of a small machine for a while, and what is seen
 * first needs none of them. Which ones they are is written into the tag of this script, see `vite.config.ts`.
 */
function scripts(): void {
  const { main = "", with: others = "" } = document.currentScript?.dataset ?? {};
  const address = new URL(main, location.href);
  document.addEventListener("DOMContentLoaded", () => {
    for (const name of others.split(" ").filter(Boolean)) {
      const { href } = new URL(name, address);
      document.head.append(Object.assign(document.createElement("link"), { rel: "modulepreload", href }));
    }
    document.head.append(Object.assign(document.createElement("script"), { type: "module", src: address.href }));
  });
}

colours();
scripts();
if (isProject) places();
// The page asks again what has failed, and says what is wrong.
if (isProject && !location.search) window.treeringAsked = early(path).catch(() => {});
