"""The wall of charts, as somebody arranges it: by the pointer, by the keyboard, and back from the address."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

from hands import still
from playwright.sync_api import Locator, Page, expect

COLOURED = """(canvas) => {
  const {data} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  let found = 0;
  for (let i = 0; i < data.length; i += 4) {
    const [r, g, b, a] = data.slice(i, i + 4);
    if (a > 30 && Math.max(r, g, b) - Math.min(r, g, b) > 25) found++;
  }
  return found;
}"""


def tile(page: Page, name: str) -> Locator:
    return page.locator(f'[data-tile="{name}"]')


def ordered(page: Page, section: str, names: list[str]) -> None:
    """Wait until a section has these charts in this order: the address is there before what it says is drawn."""
    charts = page.get_by_role("region", name=f"Section {section}").locator("[data-chart]")
    expect(charts).to_have_count(len(names))
    for at, name in enumerate(names):
        expect(charts.nth(at)).to_have_attribute("data-chart", name)


def state(page: Page, name: str) -> str:
    return parse_qs(urlsplit(page.url).query).get(name, [""])[0]


def ready(page: Page) -> None:
    expect(page.locator('[data-chart="val/loss"] [data-lines="12"]')).to_be_visible()


def drag(page: Page, handle: Locator, x: float, y: float) -> None:
    box = still(handle)
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(x - 20, y, steps=4)
    page.mouse.move(x, y, steps=3)
    page.mouse.up()


def test_sections_and_charts_are_moved(visitor: Any, served: Any) -> None:
    page = visitor.visit(served, "/digits")
    ready(page)
    sections = page.get_by_role("region", name="Section")
    first = sections.evaluate_all("all => all.map(one => one.dataset.tile)")
    grip = page.get_by_role("button", name="Move section val", exact=True)
    grip.focus()
    page.keyboard.press("ArrowUp")
    page.wait_for_url("**sections=val@0**")
    expect(sections.first).to_have_attribute("data-tile", "val")
    last = still(sections.last)
    drag(page, page.get_by_role("button", name="Move section val", exact=True), 700, last["y"] + last["height"] - 5)
    expect(sections.last).to_have_attribute("data-tile", "val")
    page.wait_for_url(lambda url: "sections=val@0" not in url)
    page.reload()
    expect(sections.last).to_have_attribute("data-tile", "val")
    assert set(first) == set(sections.evaluate_all("all => all.map(one => one.dataset.tile)"))


def test_charts_are_pinned_moved_and_hidden(visitor: Any, served: Any) -> None:
    page = visitor.visit(served, "/digits")
    ready(page)
    for name in ("val/loss", "epoch"):
        page.get_by_role("button", name=f"More for {name}").click()
        page.get_by_role("menuitem", name="Pin to the top").click()
    expect(page.get_by_role("region", name="Section Pinned").locator("[data-chart]")).to_have_count(2)
    ordered(page, "Pinned", ["val/loss", "epoch"])
    target = still(tile(page, "val/loss"))
    drag(page, tile(page, "epoch").get_by_role("button", name="Move epoch"), target["x"] + 15, target["y"] + 60)
    page.wait_for_url("**top=epoch,val/loss**")
    ordered(page, "Pinned", ["epoch", "val/loss"])
    tile(page, "epoch").get_by_role("button", name="Move epoch").focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_url("**top=val/loss,epoch**")
    expect(tile(page, "epoch").get_by_role("button", name="Move epoch")).to_be_focused()  # to go on from there
    expect(page.get_by_role("status").filter(has_text="epoch: 2 of 2")).to_be_attached()
    page.get_by_role("button", name="More for epoch").click()
    page.get_by_role("menuitem", name="Hide").click()
    expect(page.locator('[data-chart="epoch"]')).to_have_count(0)
    page.get_by_role("button", name="1 chart hidden").click()
    page.get_by_role("menuitem", name="epoch").click()
    expect(page.locator('[data-chart="epoch"]')).to_be_visible()


def test_a_chart_is_resized(visitor: Any, served: Any) -> None:
    page = visitor.visit(served, "/digits")
    ready(page)
    place = tile(page, "train/loss")
    corner = place.get_by_role("button", name="Resize")
    before = still(place)
    canvas = place.locator("canvas").first
    corner.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    page.wait_for_url("**own=**")
    expect(corner).to_have_accessible_name("Resize loss: 2 wide, 230 pixels high")
    wide = still(place)
    assert wide["width"] > 1.8 * before["width"]
    drawn = "width => document.querySelector('[data-tile=\"train/loss\"] canvas').clientWidth > width"
    page.wait_for_function(drawn, arg=1.7 * before["width"])
    box = still(corner)
    drag(page, corner, box["x"] - 0.5 * wide["width"], box["y"] + 100)
    page.wait_for_function("!location.search.includes('%22w%22')")
    own = json.loads(state(page, "own"))["train/loss"]
    assert "w" not in own  # as wide as usual
    assert 300 < own["h"] < 360
    assert canvas.count() == 1


def test_a_chart_has_settings_of_its_own(visitor: Any, served: Any) -> None:
    page = visitor.visit(served, "/digits")
    ready(page)
    page.get_by_role("button", name="More for train/loss").click()
    page.get_by_role("menuitem", name="Settings").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Y axis from").fill("0.2")
    dialog.get_by_label("to", exact=True).fill("0.5")
    dialog.get_by_label("Logarithmic y axis").first.click()
    page.get_by_role("option", name="On", exact=True).click()
    dialog.get_by_label("X axis", exact=True).first.click()
    page.get_by_role("option", name="epoch").click()
    dialog.get_by_role("button", name="Done").click()
    page.wait_for_url(lambda url: "epoch" in url)  # the last that was set
    assert json.loads(state(page, "own"))["train/loss"] == {"y": [0.2, 0.5], "logY": True, "x": "epoch"}
    chart = page.locator('[data-chart="train/loss"]')
    expect(chart).to_contain_text("clipped")  # what lies beyond the axis is told
    expect(chart.locator('[data-lines="12"]')).to_be_visible()
    expect(page.locator('[data-chart="val/loss"]')).not_to_contain_text("clipped")


def test_one_chart_over_the_whole_window(visitor: Any, served: Any) -> None:
    page = visitor.visit(served, "/digits")
    ready(page)
    page.get_by_role("button", name="Show train/loss large").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.locator('[data-lines="12"]')).to_be_visible()
    box = still(dialog.locator("[data-lines]"))
    names = still(dialog.get_by_role("list", name="Lines"))
    assert box["width"] > 1200  # with the names of its lines beside it from one edge to the other
    assert box["x"] < 40
    assert names["x"] + names["width"] > 1400
    assert box["height"] > 700
    page.keyboard.press("ArrowLeft")
    expect(dialog.locator('[data-chart="epoch"]')).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)


def test_too_many_lines_are_bands(visitor: Any, served: Any) -> None:
    page = visitor.visit(served, "/digits?many=bands&charts=train/loss")
    chart = page.locator('[data-chart="train/loss"]')
    expect(chart).to_contain_text("bands of 12")
    still(chart)
    bands = chart.locator("canvas").first.evaluate(COLOURED)
    own = quote(json.dumps({"train/loss": {"many": "lines"}}))
    page = visitor.visit(served, f"/digits?many=bands&charts=train/loss&own={own}")
    expect(chart.locator('[data-lines="12"]')).to_be_visible()
    expect(chart).not_to_contain_text("bands")
    assert bands > 1.3 * chart.locator("canvas").first.evaluate(COLOURED)  # areas, not lines
