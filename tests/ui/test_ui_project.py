"""The project's page, as somebody sees it who looks for the best run."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

from hands import still
from playwright.sync_api import Locator, Page, expect

# How many pixels of a chart's upper part are drawn in a strong colour: text and grid are grey.
COLOURED = """(canvas) => {
  const {data, width, height} = (() => { const c = canvas.getContext('2d');
    return c.getImageData(0, 0, canvas.width, Math.round(canvas.height * 0.25)); })();
  let found = 0;
  for (let i = 0; i < data.length; i += 4) {
    const [r, g, b, a] = data.slice(i, i + 4);
    if (a > 128 && Math.max(r, g, b) - Math.min(r, g, b) > 60) found++;
  }
  return found;
}"""


def chart(page: Page, metric: str) -> Locator:
    return page.locator(f'[data-chart="{metric}"]')


def lines(page: Page, metric: str, count: int) -> None:
    expect(chart(page, metric).locator(f'[data-lines="{count}"]')).to_be_visible()


def names(page: Page, count: int = 12) -> list[str]:
    expect(page.locator("[data-run]")).to_have_count(count)
    return page.locator("[data-run] a").all_inner_texts()


def test_the_first_glance_shows_what_differs(visitor: Any, served: Any) -> None:
    page = visitor.visit(served, "/")
    page.get_by_role("link", name="digits").click()
    head = page.get_by_role("columnheader")
    expect(head.filter(has_text="val/loss")).to_be_visible()
    titles = head.all_inner_texts()
    assert "lr" in titles
    assert "optim.name" in titles
    assert "batch_size" not in titles  # the same in all
    assert "epoch" not in titles
    assert len(set(names(page))) == 12
    for metric in ("train/loss", "val/loss", "epoch"):
        lines(page, metric, 12)
    expect(chart(page, "train/loss")).to_contain_text("4,800 pts")
    expect(page.get_by_text("All 12 runs drawn")).to_be_visible()
    assert page.title() == "digits · treering"


def test_what_a_page_needs_first_is_asked_before_its_scripts_run(visitor: Any, served: Any) -> None:
    asked: list[str] = []
    visitor.page.on("request", lambda request: asked.append(request.url.partition("/api/v1")[2]))
    curves: list[str] = []
    visitor.page.on("request", lambda request: request.url.endswith("/series") and curves.append(request.post_data))
    page = visitor.visit(served, "/digits")
    lines(page, "train/loss", 12)
    assert page.evaluate("window.treeringEarly.size") == 0, asked  # each early answer was taken
    assert len([one for one in asked if one.startswith("/views?")]) == 1, asked
    curves.clear()
    visitor.visit(served, "/spike")
    lines(page, "loss", 1)
    assert page.evaluate("window.treeringEarly.size") == 0, asked
    keys = [key for body in curves for key in json.loads(body)["keys"]]
    assert keys.count("loss") == 1, keys  # the page itself does not ask again


# How far what is there is moved by what comes, 0 to 1, as browsers count it.
SHIFTS = """window.moved = 0; new PerformanceObserver((list) => {
  for (const one of list.getEntries()) window.moved += one.value;
}).observe({type: 'layout-shift', buffered: true});"""


def test_a_page_has_its_places_before_its_scripts_and_nothing_moves_then(visitor: Any, served: Any) -> None:
    page = visitor.page
    visitor.expected.append("net::ERR_FAILED")
    page.route("**/assets/index-*.js", lambda route: route.abort())
    visitor.visit(served, "/digits")
    expect(page.get_by_text("treering", exact=True)).to_be_visible()
    expect(page.locator(".boot-grid")).to_be_visible()
    brand, table = page.get_by_text("treering", exact=True).bounding_box(), page.locator(".boot-runs").bounding_box()
    page.unroute("**/assets/index-*.js")
    page.add_init_script(SHIFTS)
    visitor.visit(served, "/digits")
    lines(page, "train/loss", 12)
    expect(page.get_by_label("Filter runs")).to_be_visible()
    expect(page.get_by_role("button", name="Views")).to_be_visible()
    now = page.get_by_text("treering", exact=True).bounding_box()
    assert brand is not None
    assert (round(now["x"]), round(now["y"])) == (round(brand["x"]), round(brand["y"]))
    assert abs(page.get_by_role("region", name="Runs").bounding_box()["width"] - table["width"]) <= 1
    assert page.evaluate("window.moved") < 0.01
    visitor.visit(served, "/alerts")
    expect(page.get_by_role("heading").first).to_be_visible()
    assert page.locator("html").get_attribute("data-boot") is None  # there are no charts


def test_a_spike_among_many_points_is_drawn(visitor: Any, served: Any) -> None:
    page = visitor.visit(served, "/spike")
    lines(page, "loss", 1)
    expect(chart(page, "loss")).to_contain_text("100k pts")
    canvas = chart(page, "loss").locator("canvas").first.element_handle()
    page.wait_for_function(f"(canvas) => ({COLOURED})(canvas) > 10", arg=canvas)


def test_what_is_no_number_is_marked(visitor: Any, served: Any) -> None:
    page = visitor.visit(served, "/digits")
    expect(chart(page, "train/loss")).to_contain_text("2 NaN/Inf")


def test_sorting_by_several_columns_is_in_the_address(visitor: Any, served: Any) -> None:
    page = visitor.visit(served, "/digits")
    page.get_by_role("button", name="lr", exact=True).click()
    page.wait_for_url("**/digits?sort=config.lr")
    expect(page.locator("[data-column='config.lr']")).to_have_attribute("aria-sort", "ascending")
    expect(page.locator("[data-run]").first).to_contain_text("0.01")
    page.get_by_role("button", name="val/loss", exact=True).click(modifiers=["Shift"])
    page.wait_for_url("**/digits?sort=config.lr,summary.val/loss")
    expect(page.get_by_role("columnheader", name="val/loss")).to_have_attribute("aria-sort", "ascending")
    rows = page.locator("[data-run]")
    expect(rows.nth(0)).to_contain_text("adam-2")
    sorted_names = names(page)
    page.reload()
    expect(rows.nth(0)).to_contain_text("adam-2")
    assert names(page) == sorted_names
    assert sorted_names != names(visitor.visit(served, "/digits"))


def test_names_sort_as_columns_do(visitor: Any, served: Any) -> None:
    page = visitor.visit(served, "/digits?sort=config.optim.name")
    head = page.locator("[role=columnheader]").first
    button = head.get_by_role("button")
    expect(page.locator("[data-run]")).to_have_count(12)
    button.click(modifiers=["Shift"])
    expect(head).to_have_attribute("aria-sort", "ascending")
    expect(head).to_contain_text("Run2")  # the second of two
    expect(page.locator("[data-run] a").first).to_have_text("adam-0")
    button.click(modifiers=["Shift"])
    page.wait_for_url("**/digits?sort=config.optim.name,-name")
    expect(page.locator("[data-run] a").first).to_have_text("adam-8")
    expect(page.locator("[data-run] a").last).to_have_text("sgd-1")
    button.click(modifiers=["Shift"])
    expect(head).to_have_attribute("aria-sort", "none")
    expect(page.get_by_role("columnheader", name="optim.name")).to_have_attribute("aria-sort", "ascending")


def test_a_filter_is_completed_and_explained(visitor: Any, served: Any) -> None:
    page = visitor.visit(served, "/digits")
    box = page.get_by_label("Filter runs")
    page.keyboard.press("/")
    box.press_sequentially("optim")
    page.get_by_role("option", name="config.optim.name").click()
    expect(box).to_have_value("config.optim.name ")
    box.press_sequentially("= 'sgd'")
    expect(page.get_by_text("All 6 runs drawn")).to_be_visible()
    assert all(name.startswith("sgd") for name in names(page, 6))
    visitor.expected.append("400 (Bad Request)")
    box.fill("config.lr <")
    expect(page.get_by_text("the end")).to_be_in_viewport()  # below what would complete it, not behind
    box.press("Escape")
    expect(page.get_by_role("option")).to_have_count(0)
    expect(page.get_by_text("the end")).to_be_visible()
    assert len(names(page, 6)) == 6  # what was good before stays
    box.fill("config.lr < 0")
    expect(page.get_by_text("No run of this project fits")).to_be_visible()
    page.get_by_label("Clear the filter").click()
    expect(page.get_by_text("All 12 runs drawn")).to_be_visible()


def test_runs_are_hidden_pinned_and_compared(visitor: Any, served: Any) -> None:
    page = visitor.visit(served, "/digits")
    lines(page, "train/loss", 12)
    page.get_by_role("button", name="Do not draw sgd-11").click()
    lines(page, "train/loss", 11)
    page.wait_for_url("**hide=run11**")
    row = page.locator('[data-run="run00"]')
    row.hover()
    row.get_by_role("button", name="More for").click()
    page.get_by_role("menuitem", name="Pin to the top").click()
    expect(page.locator('[data-run="run00"]')).to_have_count(2)
    page.get_by_role("button", name="More for").first.click()
    page.get_by_role("menuitem", name="Compare all with it").click()
    expect(page.locator('[data-run="run01"]')).to_contain_text("%")


def test_zoom_asks_for_the_range_and_escape_leaves_it(visitor: Any, served: Any) -> None:
    page = visitor.visit(served, "/spike")
    lines(page, "loss", 1)
    over = chart(page, "loss").locator(".u-over")
    area = still(over)
    with page.expect_request(lambda request: request.url.endswith("/series")) as asked:
        page.mouse.move(area["x"] + 0.55 * area["width"], area["y"] + 50)
        page.mouse.down()
        page.mouse.move(area["x"] + 0.65 * area["width"], area["y"] + 50, steps=4)
        page.mouse.up()
    question = json.loads(asked.value.post_data or "{}")
    assert 54_000 < question["start"] < 56_000
    assert 64_000 < question["stop"] < 66_000
    expect(chart(page, "loss")).to_contain_text(re.compile(r"(9,\d\d\d|10(\.\d)?k) pts"))
    page.keyboard.press("Escape")
    expect(chart(page, "loss")).to_contain_text("100k pts")
    page.wait_for_url(lambda url: "range" not in url)


def test_the_pointer_reads_all_lines_at_one_place(visitor: Any, served: Any) -> None:
    page = visitor.visit(served, "/digits")
    lines(page, "train/loss", 12)
    chart(page, "train/loss").locator(".u-over").hover(position={"x": 60, "y": 60})
    tip = page.get_by_role("status").filter(has_text="train/loss")
    expect(tip).to_be_visible()
    rulers = "[...document.querySelectorAll('[class*=ruler]')].filter(one => one.style.display === 'block').length"
    page.wait_for_function(f"{rulers} > 1")
    values = [float(row.split()[-1]) for row in tip.inner_text().splitlines()[2::2] if row.strip()]
    assert len(values) == 12
    assert values == sorted(values, reverse=True)


def test_the_address_says_how_curves_are_drawn(visitor: Any, served: Any) -> None:
    page = visitor.visit(served, "/digits?smooth=ema:50&x=_runtime&group=config.lr&charts=loss&logy=1&band=minmax")
    lines(page, "train/loss", 3)  # three learning rates, three groups
    expect(page.get_by_label("Smoothing").first).to_have_value("EMA")
    expect(page.get_by_label("X axis").first).to_have_value("Relative time")
    expect(chart(page, "epoch")).to_have_count(0)
    expect(chart(page, "train/loss")).to_contain_text("loss")
    page = visitor.visit(served, "/spike?clip=1")
    expect(chart(page, "loss")).to_contain_text("1 clipped")


def test_the_axis_is_chosen_and_says_what_it_is(visitor: Any, served: Any) -> None:
    page = visitor.visit(served, "/spike")
    for named, kept, read in (
        ("Wall time", "_time", "2026"),
        ("Relative time", "_runtime", "3 m 39 s"),
        ("Step", "_step", "loss · 50"),
    ):
        page.get_by_role("combobox", name="X axis").click()
        page.get_by_role("option", name=named, exact=True).click()
        page.wait_for_url(f"**x={kept}**")
        lines(page, "loss", 1)
        over = chart(page, "loss").locator(".u-over")
        area = still(over)
        page.mouse.move(area["x"] + area["width"] / 2, area["y"] + area["height"] / 2)
        expect(page.get_by_role("status").filter(has_text="loss")).to_contain_text(read)
        page.mouse.move(0, 0)
    page.get_by_role("button", name="Settings").click()
    page.get_by_label("Logarithmic x axis").check()
    page.wait_for_url("**logx=1**")
    page.keyboard.press("Escape")
    area = still(over)
    page.mouse.move(area["x"] + area["width"] / 2, area["y"] + area["height"] / 2)
    tip = page.get_by_role("status").filter(has_text="loss")
    expect(tip).to_contain_text(re.compile(r"loss · (2[5-9]|3\d)\dl"))  # the middle as powers go: 316, not 50,000


def test_a_metric_is_the_x_axis(visitor: Any, served: Any) -> None:
    page = visitor.visit(served, "/digits?x=epoch&charts=train/loss")
    lines(page, "train/loss", 12)


def test_a_chart_is_shown_large_and_saved(visitor: Any, served: Any) -> None:
    page = visitor.visit(served, "/digits?charts=train/loss")
    lines(page, "train/loss", 12)
    page.get_by_role("button", name="Show train/loss large").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.locator("[data-lines='12']")).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    for item, start in (("CSV", b"run,_step"), ("SVG", b"<svg"), ("PNG", b"\x89PNG")):
        page.get_by_role("button", name="Save train/loss").click()
        with page.expect_download() as saved:
            page.get_by_role("menuitem", name=item).click()
        content = Path(saved.value.path()).read_bytes()
        assert content.startswith(start)
        if item == "CSV":
            rows = list(csv.reader(content.decode().splitlines()))
            assert len({row[0] for row in rows[1:]}) == 12
            assert len(rows) == 4801


def test_many_runs_scroll_to_the_last(visitor: Any, served: Any) -> None:
    page = visitor.visit(served, "/many")
    expect(page.get_by_text("50 of 250 runs drawn")).to_be_visible()
    page.locator("[role=table]").evaluate("table => table.scrollTop = table.scrollHeight")
    expect(page.get_by_text("name-many000")).to_be_visible()
    assert page.locator("[data-run]").count() < 80  # only those that are seen are in the page
    page.get_by_role("button", name="score", exact=True).click()
    expect(page.locator('[data-run="many017"]')).to_be_attached()


def test_columns_are_chosen(visitor: Any, served: Any) -> None:
    page = visitor.visit(served, "/digits")
    page.get_by_role("button", name="Columns").click()
    page.get_by_label("Find a column").fill("batch")
    page.get_by_label("batch_size").check()
    expect(page.get_by_role("columnheader", name="batch_size")).to_be_attached()
    page.keyboard.press("Escape")
    page.reload()
    expect(page.get_by_role("columnheader", name="batch_size")).to_be_attached()
