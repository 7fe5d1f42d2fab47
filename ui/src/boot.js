// Runs before the first paint: without it a page that was set to dark would flash white.
(() => {
  let chosen = null;
  try {
    chosen = localStorage.getItem("treering.colours");
  } catch {}
  const dark = chosen === "dark" || (chosen !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
  document.documentElement.setAttribute("data-mantine-color-scheme", dark ? "dark" : "light");
})();

// What a project's page asks for first, asked for while its scripts are still on the way; `api/client.ts` takes the
// answers. An address that asks for anything else is not foreseen, and a question that nobody has is no harm.
(() => {
  const root = document.querySelector('meta[name="treering-root"]')?.content ?? "";
  const path = location.pathname.slice(root.length + 1);
  if (location.search || !/^[\w.-]+$/.test(path) || path === "alerts") return;
  const early = new Map();
  window.treeringEarly = early;
  const ask = (address, body) => {
    const head = { "content-type": "application/json" };
    const init = body === undefined ? {} : { method: "POST", headers: head, body };
    const answer = fetch(`${root}/api/v1${address}`, { credentials: "same-origin", ...init });
    answer.catch(() => {});
    early.set(`${root}/api/v1${address} ${body ?? ""}`, answer);
    return answer;
  };
  const project = `project=${path}`;
  ask(`/views?${project}`);
  ask(`/columns?${project}`);
  ask(`/groups?${project}&by=state&statistic=mean&limit=1000`);
  ask(`/runs?${project}&order=-created&limit=100&offset=0&count=true`)
    .then((answer) => (answer.ok ? answer.clone().json() : { runs: [] }))
    .then(({ runs }) => {
      if (runs.length) ask("/metrics", JSON.stringify({ runs: runs.slice(0, 50).map((run) => run.id) }));
    })
    .catch(() => {});
})();
