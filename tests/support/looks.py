"""How a page must look wherever it is shown: at three sizes, in both themes, and to those who do not see it."""

from __future__ import annotations

from dashboard_yard import ROOT
from playwright.sync_api import Page

__all__ = ["check_looks"]

SIZES = {1440: 900, 1024: 768, 390: 844}
# What lies outside of the window and cannot be scrolled to; texts that are cut without a sign of it; and boxes of a row
# of the header that lie over each other. A page that has just got another size may take a moment to follow.
WRONG = """async () => {
  const scrolls = (element) => {
    for (let up = element; up && up !== document.body; up = up.parentElement) {
      const {overflowX} = getComputedStyle(up);
      if (['auto', 'scroll', 'hidden'].includes(overflowX) || up.getAttribute('aria-hidden') === 'true') return true;
    }
    return false;
  };
  const seen = 'h1, h2, h3, p, button, a, input, dt, dd, td, th, li, label, span';
  const look = () => {
    const wrong = [];
    for (const element of document.querySelectorAll(seen)) {
      const box = element.getBoundingClientRect();
      if (box.width <= 1 || box.height <= 1 || !element.checkVisibility({visibilityProperty: true})) continue;
      if (!element.innerText && !element.value) continue;
      const style = getComputedStyle(element);
      const text = `${element.tagName} ${(element.innerText || element.value).slice(0, 40)}`;
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
    const wide = document.documentElement.scrollWidth;
    if (wide > innerWidth) wrong.push(`the page is ${wide} wide`);
    return wrong;
  };
  const frame = () => new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
  let wrong = [];
  for (let tries = 0; tries < 60; tries += 1) {
    await frame();
    wrong = look();
    if (wrong.length === 0) break;
  }
  return wrong;
}"""
# One without an end, of something that loads, cannot be finished.
STILL = "document.getAnimations().forEach((one) => { try { one.finish() } catch { one.cancel() } })"


def check_looks(page: Page, what: str) -> None:
    """Check the page that is shown now, as it is: nothing is loaded again. Leaves it at 1440x900 and light.

    At every size in both themes nothing is cut or outside. axe reads all of the narrow page in the dark and of the wide
    one in the light, and the contrasts of the wide one in the dark, where a size changes no colour.
    """
    if not page.evaluate("'axe' in window"):
        page.evaluate((ROOT / "ui" / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8"))
    for theme, widths in (("dark", (1440, 1024, 390)), ("light", (390, 1024, 1440))):
        page.emulate_media(color_scheme=theme)
        page.wait_for_function("theme => document.documentElement.dataset.mantineColorScheme === theme", arg=theme)
        for width in widths:
            page.set_viewport_size({"width": width, "height": SIZES[width]})
            wrong = page.evaluate(WRONG)
            assert wrong == [], (what, theme, width, wrong)
            if (theme, width) == ("dark", 1440):
                _ask_axe(page, ", runOnly: ['color-contrast']", (what, theme, width))
        _ask_axe(page, "", (what, theme, widths[-1]))


def _ask_axe(page: Page, rules: str, what: tuple[str, str, int]) -> None:
    page.evaluate(STILL)
    told = page.evaluate("axe.run(document, {resultTypes: ['violations']" + rules + "})")
    found = [(one["id"], [node["html"][:150] for node in one["nodes"][:3]]) for one in told["violations"]]
    assert found == [], (what, found)
