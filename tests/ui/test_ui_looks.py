"""Every page at three sizes in both themes: nothing cut, nothing outside, nothing that a screen reader cannot tell."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest
from dashboard_yard import HOSTILE, XSS
from hands import has_focus
from looks import check_looks
from playwright.sync_api import Page, expect

PAGES = ["/", "/digits", "/digits?side=runs&base=run00&pin=run01", "/spike?smooth=gauss:40&clip=1", "/nothing"]


def settled(page: Page) -> None:
    """Wait until the page has drawn what it asked for."""
    expect(page.locator("main h1, main h2, [data-lines], [data-run]").first).to_be_visible()


@pytest.mark.parametrize("path", PAGES)
def test_nothing_is_cut_and_everything_has_a_name(visitor: Any, served: Any, path: str) -> None:
    page = visitor.visit(served, path)
    settled(page)
    check_looks(page, path)


def test_hostile_names_stay_text(visitor: Any, served: Any) -> None:
    page = visitor.visit(served, f"/{quote(XSS.replace('/', '~2f'), safe='~')}?columns=summary.score,tag,notes")
    expect(page.locator("[data-run]")).to_have_count(len(HOSTILE))
    shown = page.locator("main").inner_text()
    for text in HOSTILE:
        assert text in shown
    for metric in ("[data-chart]",):
        expect(page.locator(metric).first).to_be_visible()
    page.locator("[data-chart] .u-over").first.hover()
    page.get_by_role("button", name="Columns").click()
    expect(page.get_by_role("group").first).to_be_visible()
    assert page.locator("main img, main script, [onerror]").count() == 0


def test_by_keyboard_alone(visitor: Any, served: Any) -> None:
    page = visitor.visit(served, "/digits")
    expect(page.locator("[data-run]").first).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_text("Skip to the page")).to_be_focused()
    page.keyboard.press("/")
    expect(page.get_by_label("Filter runs")).to_be_focused()
    page.keyboard.type("config.lr = 0.1")
    page.keyboard.press("Enter")
    expect(page.get_by_text("All 4 runs drawn")).to_be_visible()
    page.get_by_role("separator").focus()
    before = page.get_by_role("separator").get_attribute("aria-valuenow")
    assert before
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("separator")).not_to_have_attribute("aria-valuenow", before)
    page.get_by_role("button", name="optim.name").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**sort=config.optim.name**")
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("menuitem", name="Group by it")).to_be_visible()
    has_focus(page.get_by_role("menu"))
    page.keyboard.press("Escape")
    expect(page.get_by_role("menu")).to_have_count(0)
    for _ in range(60):  # whatever is focused can be seen to be
        page.keyboard.press("Tab")
        outlined = page.evaluate(
            "(() => { const one = document.activeElement; const style = getComputedStyle(one); "
            "const near = getComputedStyle(one.parentElement ?? one); return one === document.body || "
            "[style, near].some(s => s.outlineStyle !== 'none' || s.boxShadow !== 'none' || s.opacity === '0') || "
            "one.matches(':is(input)') || one.className.includes('splitter'); })()"
        )
        assert outlined, page.evaluate("document.activeElement.outerHTML.slice(0, 200)")


def test_the_theme_is_kept(visitor: Any, served: Any) -> None:
    page = visitor.visit(served, "/digits")
    page.get_by_role("button", name="Show it dark").click()
    expect(page.locator("html")).to_have_attribute("data-mantine-color-scheme", "dark")
    page.reload(wait_until="commit")
    expect(page.locator("html")).to_have_attribute("data-mantine-color-scheme", "dark")
    expect(page.get_by_role("button", name="Show it light")).to_be_visible()
