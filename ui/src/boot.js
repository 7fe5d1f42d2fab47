// Runs before the first paint: without it a page that was set to dark would flash white.
(() => {
  let chosen = null;
  try {
    chosen = localStorage.getItem("treering.colours");
  } catch {}
  const dark = chosen === "dark" || (chosen !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
  document.documentElement.setAttribute("data-mantine-color-scheme", dark ? "dark" : "light");
})();
