"""Saved views: kept, opened by default and by link, changed by two people, gone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from dashboard_yard import XSS
from hands import has_focus, still
from looks import check_looks
from playwright.sync_api import Page, expect
from store_builder import StoreBuilder


@pytest.fixture
def own(serve: Callable[..., Any], tmp_path: Path) -> Iterator[Any]:
    builder = StoreBuilder(tmp_path / "store")
    for number in range(4):
        run = builder.run(f"run{number}", project="p", name=f"name{number}", config={"lr": number % 2, "seed": number})
        run.log([(step, {"loss": 1.0 / (step + 1)}) for step in range(3)])
    builder.database.close()
    with serve(tmp_path / "store") as served:
        yield served


def menu(page: Page, item: str) -> None:
    page.locator("#page-tools button").first.click()
    page.get_by_role("menuitem", name=item).click()


def save(page: Page, name: str, *, default: bool = False) -> None:
    menu(page, "Save as a new view")
    has_focus(page.get_by_role("dialog"))
    page.get_by_role("dialog").get_by_label("Name").fill(name)
    if default:
        page.get_by_role("dialog").get_by_label("The project opens with it").check()
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.get_by_role("button", name=f"View {name}", exact=True)).to_be_visible()


def test_a_view_brings_back_all_that_was_set(visitor: Any, own: Any) -> None:
    page = visitor.visit(
        own, "/p?filter=config.seed%20%3E%200&group=config.lr&smooth=ema:40&widths=config.lr:150&x=_runtime"
    )
    expect(page.locator("[data-group]")).to_have_count(2)
    save(page, "night")
    menu(page, "Without a view")
    expect(page.locator("[data-run]")).to_have_count(4)
    menu(page, "night")
    expect(page.locator("[data-group]")).to_have_count(2)
    expect(page.get_by_label("Filter runs")).to_have_value("config.seed > 0")
    expect(page.get_by_label("Smoothing").first).to_have_value("EMA")
    expect(page.get_by_label("X axis").first).to_have_value("Relative time")
    assert still(page.locator("[data-column='config.lr']"))["width"] == 150
    page.wait_for_url("**view=**")
    view = page.url.split("view=")[1].split("&")[0]
    page.goto(f"{own.url}/p?view={view}")  # a link with nothing but its name
    expect(page.locator("[data-group]")).to_have_count(2)
    page.get_by_label("Clear the filter").click()
    expect(page.get_by_role("button", name="View night, changed")).to_be_visible()
    menu(page, "As it was saved")
    expect(page.get_by_label("Filter runs")).to_have_value("config.seed > 0")
    visitor.page.goto("about:blank")


def test_a_project_opens_with_its_default_until_told_otherwise(visitor: Any, own: Any) -> None:
    page = visitor.visit(own, "/p?group=config.lr")
    save(page, "groups", default=True)
    page.goto(f"{own.url}/p")
    expect(page.locator("[data-group]")).to_have_count(2)
    page.goto(f"{own.url}/p?filter=config.seed%20%3D%201")  # a link that says what to show is not overruled
    expect(page.locator("[data-run]")).to_have_count(1)
    page.goto(f"{own.url}/")
    page.locator("main a[href$='/p']").click()
    expect(page.locator("[data-group]")).to_have_count(2)
    page.get_by_role("button", name="Grouped by config.lr").click()
    page.get_by_role("button", name="No groups").last.click()
    expect(page.locator("[data-run]")).to_have_count(4)  # whoever takes it all back means it
    page.keyboard.press("Escape")
    menu(page, "Without a view")
    page.wait_for_url("**view=-")
    page.reload()
    expect(page.locator("[data-run]")).to_have_count(4)
    menu(page, "groups")
    expect(page.get_by_role("button", name="View groups", exact=True)).to_be_visible()
    with page.expect_response(lambda answer: answer.request.method == "PATCH"):
        menu(page, "No longer the default")
    page.goto(f"{own.url}/p")
    expect(page.locator("[data-run]")).to_have_count(4)
    visitor.page.goto("about:blank")


def test_of_two_who_save_the_later_one_decides(visitor: Any, own: Any) -> None:
    page = visitor.visit(own, "/p?filter=config.seed%20%3D%201")
    save(page, "shared")
    other = visitor.context.new_page()
    other.goto(page.url)
    expect(other.get_by_role("button", name="View shared", exact=True)).to_be_visible()
    for one, text in ((page, "config.seed = 2"), (other, "config.seed = 3")):
        one.get_by_label("Filter runs").fill(text)
        one.get_by_label("Filter runs").press("Enter")
        expect(one.get_by_role("button", name="View shared, changed")).to_be_visible()
    menu(page, "Save what was changed")
    expect(page.get_by_role("button", name="View shared", exact=True)).to_be_visible()
    visitor.expected.append("412")
    menu(other, "Save what was changed")
    expect(other.get_by_role("dialog")).to_contain_text("somebody else has changed the view")
    other.get_by_role("button", name="Open theirs").click()
    expect(other.get_by_label("Filter runs")).to_have_value("config.seed = 2")
    other.get_by_label("Filter runs").fill("config.seed = 0")
    other.get_by_label("Filter runs").press("Enter")
    menu(other, "Save what was changed")  # theirs has been seen now
    expect(other.get_by_role("button", name="View shared", exact=True)).to_be_visible()
    page.goto("about:blank")
    other.goto("about:blank")


def test_views_are_renamed_duplicated_and_deleted_by_keyboard(visitor: Any, own: Any) -> None:
    page = visitor.visit(own, "/p?group=config.lr")
    save(page, XSS)
    assert page.locator("header img, [onerror]").count() == 0
    menu(page, "Duplicate")
    has_focus(page.get_by_role("dialog"))
    expect(page.get_by_role("dialog").get_by_label("Name")).to_have_value(f"{XSS} copy")
    visitor.expected.append("409")
    page.get_by_role("dialog").get_by_label("Name").fill(XSS)
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("already")
    page.get_by_role("dialog").get_by_label("Name").fill("plain")
    page.keyboard.press("Enter")
    button = page.get_by_role("button", name="View plain", exact=True)
    expect(button).to_be_visible()
    menu(page, "Rename")
    has_focus(page.get_by_role("dialog"))
    page.get_by_role("dialog").get_by_label("Name").fill("plainer")
    page.keyboard.press("Enter")
    button = page.get_by_role("button", name="View plainer", exact=True)
    expect(button).to_be_visible()
    button.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("menuitem", name=XSS)).to_be_visible()
    has_focus(page.get_by_role("menu"))
    page.get_by_role("menuitem", name="Delete").focus()
    page.keyboard.press("Enter")
    has_focus(page.get_by_role("dialog"))
    page.get_by_role("dialog").get_by_role("button", name="Delete").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Views", exact=True)).to_be_visible()
    visitor.page.goto("about:blank")


def test_the_menu_fits_and_has_names(visitor: Any, own: Any) -> None:
    page = visitor.visit(own, "/p?group=config.lr&side=runs")
    save(page, "a view with a name that is far too long for the bar on top of the page", default=True)
    check_looks(page, "the bar")
    page.locator("#page-tools button").first.click()
    expect(page.get_by_role("menuitem", name="Delete")).to_be_visible()
    check_looks(page, "the menu")
    visitor.page.goto("about:blank")
