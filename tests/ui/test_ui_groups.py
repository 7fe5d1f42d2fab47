"""The runs table in groups, with chips and colours, and columns put where somebody wants them."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from dashboard_yard import HOSTILE, XSS
from hands import still
from looks import check_looks
from playwright.sync_api import Page, expect
from store_builder import StoreBuilder


def groups(page: Page) -> list[str]:
    expect(page.locator("[data-group]").first).to_be_visible()
    return page.locator("[data-group]").evaluate_all("all => all.map(one => one.dataset.group)")


def drawn(page: Page, metric: str, count: int) -> None:
    expect(page.locator(f'[data-chart="{metric}"] [data-lines="{count}"]')).to_be_visible()


def test_groups_in_groups_open_to_their_runs_and_the_curves_follow(visitor: Any, served: Any) -> None:
    page = visitor.visit(served, "/digits")
    page.get_by_role("button", name="Group runs").click()
    box = page.get_by_role("combobox", name="Group by")
    for field in ("config.lr", "config.optim.name"):
        box.click()
        page.get_by_role("option", name=field, exact=True).click()
    page.keyboard.press("Escape")
    page.wait_for_url("**group=config.lr,config.optim.name**")
    assert groups(page) == ["config.lr = 0.01", "config.lr = 0.03", "config.lr = 0.1"]
    drawn(page, "train/loss", 6)  # each pair of the two is a line
    page.get_by_role("button", name="Runs with lr = 0.01", exact=True).click()
    page.get_by_role("button", name="Runs with optim.name = adam", exact=True).click()
    rows = page.locator("[data-run]")
    expect(rows).to_have_count(2)
    assert sorted(page.locator("[data-run] a").all_inner_texts()) == ["adam-2", "adam-8"]
    assert groups(page)[:3] == [
        "config.lr = 0.01",
        "config.lr = 0.01 and config.optim.name = 'adam'",
        "config.lr = 0.01 and config.optim.name = 'sgd'",
    ]
    page.reload()  # all of it is in the address
    expect(rows).to_have_count(2)
    drawn(page, "train/loss", 6)
    page.get_by_role("button", name="Do not draw runs with optim.name = sgd", exact=True).click()
    drawn(page, "train/loss", 5)


def test_a_group_says_how_far_its_values_are_apart(visitor: Any, served: Any) -> None:
    page = visitor.visit(served, "/digits?group=config.lr&columns=summary.val/loss,config.optim.name,state")
    group = page.locator("[data-group='config.lr = 0.01']")
    # Runs 2, 5, 8 and 11: exp(-0.01 * (1 + number % 4) * 399) + 0.01 * number
    expect(group).to_contain_text("0.06971 ±0.042")
    expect(group).to_contain_text("several")
    expect(page.locator("[data-group='config.lr = 0.1']")).to_contain_text("3 finished, 1 failed")
    expect(group.get_by_title("smallest 0.02001, largest 0.11")).to_be_visible()
    page.get_by_role("button", name="Grouped by config.lr").click()
    losses = ("0.02001", "0.11", "0.04", "4")
    for shown, text in zip(
        ("Smallest", "Largest", "Standard deviation", "Number of runs that have it"), losses, strict=True
    ):
        page.get_by_role("combobox", name="Show of each group").click()
        page.get_by_role("option", name=shown, exact=True).click()
        expect(group.get_by_role("cell").nth(1)).to_have_text(re.compile(f"^{re.escape(text)}"))
    page.get_by_role("combobox", name="Show of each group").click()
    page.get_by_role("option", name="Largest", exact=True).click()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="val/loss", exact=True).click()
    page.wait_for_url("**sort=summary.val/loss**")
    expect(page.locator("[data-group]").first).to_contain_text("0.09034")  # the smallest of the largest


def test_the_runs_of_a_large_group_scroll_to_the_last(visitor: Any, served: Any) -> None:
    page = visitor.visit(served, "/many?group=state&open=state%20%3D%20%27finished%27")
    expect(page.get_by_text("50 of 250 runs drawn: the newest of each group")).to_be_visible()
    expect(page.locator("[data-run]").first).to_be_visible()
    page.locator("[role=table]").evaluate("table => table.scrollTop = table.scrollHeight")
    expect(page.locator('[data-run="many000"]')).to_be_visible()
    assert page.locator("[data-run]").count() < 80


def test_chips_and_words_narrow_the_table(visitor: Any, served: Any) -> None:
    page = visitor.visit(served, "/digits?columns=tag,state")
    page.get_by_role("button", name=re.compile("^failed")).click()
    expect(page.locator("[data-run]")).to_have_count(1)
    expect(page.get_by_text("1 run drawn")).to_be_visible()
    page.get_by_role("button", name=re.compile("^finished")).click()
    expect(page.locator("[data-run]")).to_have_count(12)
    page.get_by_label("Find runs by name").fill("SGD 1")
    expect(page.locator("[data-run]")).to_have_count(2)  # sgd-1 and sgd-11, in any case
    page.get_by_label("Find runs by name").fill("nobody")
    expect(page.get_by_text("No run of this project fits")).to_be_visible()
    page = visitor.visit(served, "/digits?columns=tag,state")
    page.get_by_role("button", name="baseline").click()
    expect(page.get_by_label("Filter runs")).to_have_value("tag = 'baseline'")
    expect(page.locator("[data-run]")).to_have_count(1)


def test_columns_are_moved_widened_and_kept_on_the_left(visitor: Any, served: Any) -> None:
    page = visitor.visit(served, "/digits?columns=config.lr,summary.val/loss,created")
    heads = page.locator("[data-column]")
    expect(heads).to_have_count(3)
    page.locator("[data-column='created'] button").drag_to(page.locator("[data-column='config.lr'] button"))
    page.wait_for_url("**columns=created,config.lr,**")
    expect(heads.first).to_have_attribute("data-column", "created")
    edge = page.locator("[data-resizes='created']")
    box, before = still(edge), still(page.locator("[data-column='created']"))
    page.mouse.move(box["x"] + 3, box["y"] + 8)
    page.mouse.down()
    page.mouse.move(box["x"] + 163, box["y"] + 8, steps=4)
    page.mouse.up()
    page.wait_for_url("**widths=created:252**")
    after = still(page.locator("[data-column='created']"))
    assert abs(after["width"] - before["width"] - 160) < 3
    head = page.get_by_role("button", name="val/loss", exact=True)
    head.focus()
    page.keyboard.press("ArrowDown")
    page.get_by_role("menuitem", name="Keep it on the left").click()
    expect(heads.first).to_have_attribute("data-column", "summary.val/loss")
    place = still(heads.first)
    page.locator("[role=table]").evaluate("table => table.scrollLeft = 300")
    assert page.locator("[role=table]").evaluate("table => table.scrollLeft") > 0
    assert still(heads.first) == place
    page.get_by_role("button", name="Columns").click()
    page.get_by_role("button", name=re.compile("^config.lr, 3 of 3")).focus()
    page.keyboard.press("ArrowUp")
    page.wait_for_url("**columns=summary.val/loss,config.lr,created**")


def test_a_colour_is_chosen_for_everybody(visitor: Any, serve: Callable[..., Any], tmp_path: Path) -> None:
    builder = StoreBuilder(tmp_path / "store")
    for number in range(3):
        builder.run(f"run{number}", project="p", name=f"name{number}").log([(0, {"loss": 1.0}), (1, {"loss": 0.5})])
    with serve(tmp_path / "store") as served:
        page = visitor.visit(served, "/p")
        row = page.locator('[data-run="run0"]')
        row.hover()
        row.get_by_role("button", name="More for").click()
        page.get_by_role("menuitem", name="Pink lines").click()
        line = row.locator("path[stroke-width='3']")
        expect(line).to_have_attribute("stroke", "#c2185b")
        page.reload()
        expect(line).to_have_attribute("stroke", "#c2185b")
        page.get_by_role("button", name="Show it dark").click()
        expect(line).to_have_attribute("stroke", "#ff6f9f")  # its counterpart on black
        page.get_by_label("Select name1").check()
        page.get_by_label("Select name2").check()
        page.get_by_role("button", name="Group", exact=True).click()
        page.get_by_role("dialog").get_by_label("Group of 2 runs").fill("night")
        page.get_by_role("button", name="Save", exact=True).click()
        expect(page.get_by_role("dialog")).to_have_count(0)
        page.get_by_role("button", name="Name, notes").click()
        page.get_by_role("dialog").get_by_label("Name").fill("{name}-{n}")
        page.get_by_role("button", name="Save", exact=True).click()
        expect(page.get_by_role("link", name=re.compile("^name[12]-[12]$"))).to_have_count(2)
        visitor.page.goto(f"{served.url}/p?group=group")
        assert groups(visitor.page) == ["group = 'night'", "group is null"]
        page.get_by_label("Select runs with group = night").click()
        expect(page.get_by_text("2 selected")).to_be_visible()
        visitor.page.goto("about:blank")


def test_hostile_values_make_groups_of_text(visitor: Any, served: Any) -> None:
    page = visitor.visit(served, f"/{quote(XSS.replace('/', '~2f'), safe='~')}?group=name&columns=summary.score,notes")
    expect(page.locator("[data-group]")).to_have_count(len(HOSTILE))
    for fold in page.locator("[data-group] button[aria-expanded]").all():
        fold.click()
    expect(page.locator("[data-run]")).to_have_count(len(HOSTILE))  # each condition finds its own
    assert page.locator("main img, main script, [onerror]").count() == 0


def test_groups_fit_and_have_names(visitor: Any, served: Any) -> None:
    page = visitor.visit(
        served,
        "/digits?group=config.lr&open=config.lr%20%3D%200.01&side=runs&fixed=config.lr&columns=config.lr,tag,state",
    )
    expect(page.locator("[data-run]").first).to_be_visible()
    check_looks(page, "groups")
