"""What every page of the dashboard must stand: three sizes in two themes, a screen reader, nothing cut or outside."""

from __future__ import annotations

from dashboard_yard import ROOT
from playwright.sync_api import Page

__all__ = ["CUT", "WINDOWS", "assert_it_fits", "window_id"]

WINDOWS = [
    (width, height, scheme) for width, height in ((1440, 900), (1024, 768), (390, 844)) for scheme in ("light", "dark")
]


def window_id(window: tuple[object, ...]) -> str:
    """Return what a window is called in the name of a test."""
    return "x".join(map(str, window))


# Elements whose text does not fit into them, unless they say with "..." that they are cut; and whatever lies outside.
CUT = """() => {
  const found = [];
  const wide = document.documentElement.scrollWidth;
  if (wide > innerWidth) found.push(`the page is ${wide} wide`);
  const scrolls = (element) => {
    for (let up = element; up; up = up.parentElement) {
      const {overflowX} = getComputedStyle(up);
      if (['auto', 'scroll'].includes(overflowX) || up.getAttribute('aria-hidden') === 'true') return true;
    }
    return false;
  };
  for (const element of document.querySelectorAll('button, a, h1, h2, h3, p, label, th, span, input')) {
    const style = getComputedStyle(element);
    const box = element.getBoundingClientRect();
    if (box.width <= 1 || box.height <= 1 || style.visibility === 'hidden' || !element.checkVisibility()) continue;
    const text = (element.innerText || element.value || '').slice(0, 40);
    const outside = box.right > innerWidth + 1 || box.left < -1;
    const free = style.position === 'absolute' || scrolls(element);
    if (outside && !free) found.push(`outside: ${element.tagName} ${text}`);
    const cut = element.scrollWidth > element.clientWidth + 1 && style.overflowX === 'hidden';
    if (cut && style.textOverflow !== 'ellipsis') found.push(`cut: ${element.tagName} ${text}`);
  }
  return found;
}"""


def assert_it_fits(page: Page, said: str = "") -> None:
    """Fail if something on the page is cut, outside, or not told to a screen reader."""
    cut = page.evaluate(CUT)
    assert cut == [], (said, cut)
    page.evaluate((ROOT / "ui" / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8"))
    told = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    found = [(one["id"], [node["html"][:150] for node in one["nodes"][:3]]) for one in told["violations"]]
    assert found == [], (said, found)
