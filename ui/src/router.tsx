/**
 * Which address shows which page. Each page is a file of its own that is loaded when it is first shown; but for a
 * project's, where nearly everybody comes to: it is there with the first file, and need not be waited for.
 */
import { createRootRoute, createRoute, createRouter, lazyRouteComponent } from "@tanstack/react-router";
import { ROOT } from "./api/client";
import { ProjectPage } from "./pages/project/ProjectPage";
import { Shell } from "./shell/Shell";
import { Trouble } from "./shell/Trouble";
import { parseSearch, writeSearch } from "./state/search";

const rootRoute = createRootRoute({
  component: Shell,
  notFoundComponent: () => (
    <Trouble whole title="There is no such page" error="Look at the address, or begin with all projects." />
  ),
  errorComponent: ({ error }) => <Trouble whole error={error} />,
});

const projects = createRoute({
  getParentRoute: () => rootRoute,
  path: "/",
  component: lazyRouteComponent(() => import("./pages/projects/ProjectsPage"), "ProjectsPage"),
});

const alerts = createRoute({
  getParentRoute: () => rootRoute,
  path: "/alerts",
  component: lazyRouteComponent(() => import("./pages/alerts/AlertsPage"), "AlertsPage"),
});

const project = createRoute({
  getParentRoute: () => rootRoute,
  path: "/$project",
  component: ProjectPage,
});

const run = createRoute({
  getParentRoute: () => rootRoute,
  path: "/$project/runs/$run",
  component: lazyRouteComponent(() => import("./pages/run/RunPage"), "RunPage"),
});

const artifact = createRoute({
  getParentRoute: () => rootRoute,
  path: "/$project/artifacts/$artifact",
  component: lazyRouteComponent(() => import("./pages/artifacts/ArtifactPage"), "ArtifactPage"),
});

const artifacts = createRoute({
  getParentRoute: () => rootRoute,
  path: "/$project/artifacts",
  component: lazyRouteComponent(() => import("./pages/artifacts/ArtifactsPage"), "ArtifactsPage"),
});

const compare = createRoute({
  getParentRoute: () => rootRoute,
  path: "/$project/compare",
  component: lazyRouteComponent(() => import("./pages/compare/ComparePage"), "ComparePage"),
});

const sweeps = createRoute({
  getParentRoute: () => rootRoute,
  path: "/$project/sweeps",
  component: lazyRouteComponent(() => import("./pages/sweeps/SweepsPage"), "SweepsPage"),
});

const sweep = createRoute({
  getParentRoute: () => rootRoute,
  path: "/$project/sweeps/$sweep",
  component: lazyRouteComponent(() => import("./pages/sweeps/SweepPage"), "SweepPage"),
});

const reports = createRoute({
  getParentRoute: () => rootRoute,
  path: "/$project/reports",
  component: lazyRouteComponent(() => import("./pages/reports/ReportsPage"), "ReportsPage"),
});

const report = createRoute({
  getParentRoute: () => rootRoute,
  path: "/$project/reports/$report",
  component: lazyRouteComponent(() => import("./pages/reports/ReportPage"), "ReportPage"),
});

export const router = createRouter({
  routeTree: rootRoute.addChildren([
    projects,
    alerts,
    project,
    run,
    compare,
    artifacts,
    artifact,
    sweeps,
    sweep,
    reports,
    report,
  ]),
  basepath: ROOT || "/",
  parseSearch,
  stringifySearch: writeSearch,
  defaultPreload: "intent",
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}
