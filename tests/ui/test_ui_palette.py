"""The palette: runs, metrics, pages and commands by their names; and the list of keys."""

from __future__ import annotations

import re
import time
from typing import Any
from urllib.parse import quote

from dashboard_yard import HOSTILE, XSS
from looks import check_looks
from playwright.sync_api import Page, Route, expect


def summoned(page: Page) -> Any:
    """The palette, opened by its keys."""
    box = page.get_by_role("dialog", name="Search and commands")
    expect(box).to_have_count(0)  # one that is closing empties its field
    page.keyboard.press("Control+k")
    field = box.get_by_placeholder("Runs, metrics, pages, commands")
    expect(field).to_be_focused()
    expect(field).to_have_value("")
    return box


def test_runs_metrics_pages_and_projects_by_name(visitor: Any, served: Any) -> None:
    page = visitor.visit(served, "/digits")
    expect(page.locator("[data-run]").first).to_be_visible()
    box = summoned(page)
    page.keyboard.type("sgd-11")
    # It comes after the last letter was typed, and is marked all the same.
    expect(box.get_by_text("sgd-11", exact=True)).to_be_visible()
    page.keyboard.press("Enter")
    page.wait_for_url("**/digits/runs/run11")
    box = summoned(page)
    page.keyboard.type("console")
    expect(box.get_by_text("Console of this run")).to_be_visible()
    page.keyboard.press("Enter")
    page.wait_for_url("**/digits/runs/run11?tab=console")
    box = summoned(page)
    page.keyboard.type("val/lo")
    box.get_by_text("val/loss", exact=True).click()
    page.wait_for_url("**/digits?charts=**")
    expect(page.locator("[data-chart]")).to_have_count(1)
    box = summoned(page)
    page.keyboard.type("spi")
    expect(box.get_by_text("spike", exact=True)).to_be_visible()
    box.get_by_text("spike", exact=True).click()
    page.wait_for_url("**/spike")


def test_what_comes_late_is_marked(visitor: Any, served: Any) -> None:
    page = visitor.visit(served, "/digits")
    expect(page.locator("[data-run]").first).to_be_visible()
    held: list[Route] = []
    # Playwright marks what it is given, which a method of a list does not take.
    page.route(re.compile(r"/api/v1/runs\?.*adam-0"), lambda route: held.append(route))  # noqa: PLW0108
    box = summoned(page)
    page.keyboard.type("adam-0")
    expect(box.get_by_text("Nothing is called that")).to_be_visible()
    deadline_s = time.monotonic() + 60
    while not held:
        assert time.monotonic() < deadline_s, "nothing was asked"
        page.wait_for_timeout(20)
    held.pop().continue_()
    expect(box.get_by_text("adam-0", exact=True)).to_be_visible()
    page.keyboard.press("Enter")
    page.wait_for_url("**/digits/runs/run00")


def test_commands_and_keys(visitor: Any, served: Any) -> None:
    visitor.expected.append("400 (Bad Request)")  # of a filter that is only "?"
    page = visitor.visit(served, "/digits")
    expect(page.locator("[data-run]").first).to_be_visible()
    page.get_by_role("button", name="Search and commands").click()
    box = page.get_by_role("dialog", name="Search and commands")
    expect(box.get_by_placeholder("Runs, metrics, pages, commands")).to_be_focused()
    page.keyboard.type("filter")
    box.get_by_text("Filter runs").click()
    expect(page.get_by_label("Filter runs")).to_be_focused()
    page.keyboard.type("?")  # a letter like any other there
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.keyboard.press("Backspace")
    page.get_by_role("heading", name="digits").evaluate("() => document.activeElement.blur()")
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    keys = page.get_by_role("dialog", name="Keyboard")
    expect(keys).to_contain_text("find runs, metrics, pages and commands")
    check_looks(page, "keys")
    page.keyboard.press("Escape")
    expect(keys).to_have_count(0)
    box = summoned(page)
    check_looks(page, "palette")
    page.keyboard.type("theme")
    box.get_by_text("Show it dark").click()
    expect(page.locator("html")).to_have_attribute("data-mantine-color-scheme", "dark")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_hostile_names_stay_text(visitor: Any, served: Any) -> None:
    page = visitor.visit(served, f"/{quote(XSS.replace('/', '~2f'), safe='~')}")
    expect(page.locator("[data-run]")).to_have_count(len(HOSTILE))
    box = summoned(page)
    for text in HOSTILE:
        page.keyboard.insert_text(text)
        expect(box.get_by_text(text, exact=True).first).to_be_visible()
        box.get_by_placeholder("Runs, metrics, pages, commands").fill("")
    assert page.locator("[role=dialog] img, [role=dialog] script, [onerror]").count() == 0
