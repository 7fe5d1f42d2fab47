"""How a page must look wherever it is shown: at three sizes, in both themes, and to those who do not see it."""

from __future__ import annotations

from dashboard_yard import ROOT
from playwright.sync_api import Page

__all__ = ["check_looks"]

SIZES = ((390, 844), (1024, 768), (1440, 900))
# What lies outside of the window and cannot be scrolled to; texts that are cut without a sign of it; and boxes of a row
# of the header that lie over each other.
WRONG = """() => {
  const wrong = [];
  const scrolls = (element) => {
    for (let up = element; up && up !== document.body; up = up.parentElement)
      if (['auto', 'scroll', 'hidden'].includes(getComputedStyle(up).overflowX)) return true;
    return false;
  };
  for (const element of document.querySelectorAll('h1, h2, h3, p, button, a, input, dt, dd, td, th, li, label, span')) {
    const box = element.getBoundingClientRect();
    if (box.width <= 1 || box.height <= 1 || !element.checkVisibility()) continue;
    if (!element.innerText && !element.value) continue;
    const style = getComputedStyle(element);
    const text = `${element.tagName} ${(element.innerText ?? '').slice(0, 40)}`;
    const outside = box.right > innerWidth + 1 || box.left < -1;
    if (outside && style.position !== 'absolute' && !scrolls(element)) wrong.push(`outside: ${text}`);
    const cut = element.scrollWidth > element.clientWidth + 1 && style.overflowX === 'hidden';
    if (cut && style.textOverflow !== 'ellipsis' && style.clipPath === 'none') wrong.push(`cut: ${text}`);
  }
  const bar = [...document.querySelectorAll('header a, header button')].filter((one) => one.checkVisibility());
  for (const a of bar) for (const b of bar) {
    if (a === b || a.contains(b) || b.contains(a)) continue;
    const [one, other] = [a.getBoundingClientRect(), b.getBoundingClientRect()];
    const over = Math.min(one.right, other.right) - Math.max(one.left, other.left) > 1 &&
      Math.min(one.bottom, other.bottom) - Math.max(one.top, other.top) > 1;
    if (over && !scrolls(a) && !scrolls(b)) wrong.push(`over each other: ${a.textContent} ${b.textContent}`);
  }
  if (document.documentElement.scrollWidth > innerWidth) wrong.push('the page is too wide');
  return wrong;
}"""


def check_looks(page: Page, what: str) -> None:
    """Check the page that is shown now at every size, and with axe in both themes; leaves it at 1440x900 and light."""
    for width, height in SIZES:
        page.set_viewport_size({"width": width, "height": height})
        assert page.evaluate(WRONG) == [], (what, width)
    page.evaluate((ROOT / "ui" / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8"))
    for theme, rules in (("dark", ", runOnly: ['color-contrast']"), ("light", "")):
        page.evaluate("theme => document.documentElement.dataset.mantineColorScheme = theme", theme)
        # One without an end, of something that loads, cannot be finished.
        page.evaluate("document.getAnimations().forEach((one) => { try { one.finish() } catch { one.cancel() } })")
        told = page.evaluate("axe.run(document, {resultTypes: ['violations']" + rules + "})")
        found = [(one["id"], [node["html"][:150] for node in one["nodes"][:3]]) for one in told["violations"]]
        assert found == [], (what, theme)
