"""What a chart leaves out it says, what it smooths it still shows; pages with a dialog over them; a whole run."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from looks import check_looks
from playwright.sync_api import Locator, Page, expect
from store_builder import StoreBuilder

# Where from left to right, as parts of the width, the upper quarter of a canvas has coloured pixels, pale ones too:
# text and grid are grey.
PALE = """(canvas) => {
  const {width} = canvas;
  const {data} = canvas.getContext('2d').getImageData(0, 0, width, Math.round(canvas.height / 4));
  const found = [];
  for (let i = 0; i < data.length; i += 4) {
    const [r, g, b, a] = data.slice(i, i + 4);
    if (a > 20 && Math.max(r, g, b) - Math.min(r, g, b) > 25) found.push((i / 4 % width) / width);
  }
  return found;
}"""


def chart(page: Page, metric: str) -> Locator:
    return page.locator(f'[data-chart="{metric}"]')


def drawn(page: Page, metric: str, lines: int) -> Locator:
    expect(chart(page, metric).locator(f'[data-lines="{lines}"]')).to_be_visible()
    return chart(page, metric)


def test_clipping_says_what_it_leaves_out_and_where(visitor: Any, served: Any) -> None:
    page = visitor.visit(served, "/spike?clip=1")
    card = drawn(page, "loss", 1)
    filled = card.locator("canvas").first.evaluate(PALE)
    assert min(filled) < 0.3  # the sine fills the chart now
    assert max(filled) > 0.9
    card.get_by_text("1 clipped").hover()
    expect(page.get_by_role("tooltip")).to_have_text(re.compile("^Left out: 9 at 61,?237$"))


def test_a_chart_says_how_many_points_it_stands_for(visitor: Any, served: Any) -> None:
    page = visitor.visit(served, "/spike")
    drawn(page, "loss", 1).get_by_text("100k pts").hover()
    expect(page.get_by_role("tooltip")).to_contain_text("100,000 points")
    expect(page.get_by_role("tooltip")).to_contain_text("drawn: the smallest and largest of each pixel")


def test_what_was_smoothed_stays_behind_its_line(visitor: Any, served: Any) -> None:
    for kind in ("ema", "gauss", "mean", "median"):
        page = visitor.visit(served, f"/spike?smooth={kind}:60")
        canvas = drawn(page, "loss", 1).locator("canvas").first
        above = canvas.evaluate(PALE)
        assert len(above) > 10, kind  # the spike, far above the smoothed line, and nothing else
        assert 0.5 < min(above) < max(above) < 0.75, kind


def test_a_baseline_tells_by_how_much_others_differ(visitor: Any, served: Any) -> None:
    page = visitor.visit(served, "/digits?base=run00")
    loss = [math.exp(-0.01 * (1 + number % 4) * 399) + 0.01 * number for number in (0, 1)]
    told = f"{100 * abs(loss[1] - loss[0]) / loss[0]:.1f} %"
    expect(page.locator('[data-run="run01"]')).to_contain_text(told)
    expect(page.locator('[data-run="run01"]')).to_contain_text(f"{told}0.01034")  # both are read whole
    cut = "all => all.filter(one => one.scrollWidth > one.clientWidth).map(one => one.textContent)"
    assert page.locator('[data-run="run01"] [role=cell] [class*=text]').evaluate_all(cut) == []
    expect(page.locator('[data-run="run00"]').first).not_to_contain_text("%")
    expect(page.get_by_title("The others are compared with it")).to_have_count(1)
    expect(page.locator('[data-run="run00"]').get_by_role("img", name="baseline")).to_be_visible()
    page.get_by_role("button", name="Compared with adam-0: stop that").click()
    expect(page.locator('[data-run="run01"]')).not_to_contain_text("%")
    expect(page.get_by_title("The others are compared with it")).to_have_count(0)


def test_a_value_that_is_double_clicked_narrows_the_filter(visitor: Any, served: Any) -> None:
    page = visitor.visit(served, "/digits?columns=config.optim.name")
    page.locator('[data-run="run01"]').get_by_role("cell", name="sgd", exact=True).dblclick()
    expect(page.get_by_label("Filter runs")).to_have_value("config.optim.name = 'sgd'")
    expect(page.locator("[data-run]")).to_have_count(6)


def test_dialogs_and_large_charts_fit_and_have_names(visitor: Any, served: Any) -> None:
    page = visitor.visit(served, "/digits?charts=train/loss")
    drawn(page, "train/loss", 12)
    page.get_by_role("button", name="More for train/loss").press("Enter")
    page.get_by_role("menuitem", name="Settings").press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("Y axis from")).to_be_visible()
    check_looks(page, "settings of a chart")
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    page.get_by_role("button", name="Show train/loss large").press("Enter")
    expect(dialog.locator('[data-lines="12"]')).to_be_visible()
    names = dialog.get_by_role("list", name="Lines")
    expect(names.get_by_role("listitem")).to_have_count(12)
    check_looks(page, "a chart over the whole window")
    marked = dialog.locator("canvas[style*='display: block']")
    expect(marked).to_have_count(0)
    names.get_by_role("button", name="sgd-11").hover()
    expect(marked).to_have_count(1)  # the line of that name is drawn over the others
    names.get_by_role("button", name="sgd-11").click()
    expect(page.get_by_role("heading", name="sgd-11")).to_be_visible()


def test_each_graphics_card_has_its_part(visitor: Any, serve: Callable[..., Any], tmp_path: Path) -> None:
    builder = StoreBuilder(tmp_path / "store")
    run = builder.run("cards", project="p", name="cards")
    run.log([(step, {"train/loss": 1 / (step + 1)}) for step in range(20)])
    run.log(
        [(step, {"gpu/0/percent": 50.0, "gpu/1/percent": 7.0, "cpu/percent": 20.0}) for step in range(20)], "system"
    )
    builder.database.close()
    with serve(tmp_path / "store") as served:
        page = visitor.visit(served, "/p/runs/cards?tab=system")
        for title in ("GPU 0", "GPU 1", "CPU"):
            part = page.get_by_role("region", name=title, exact=True)
            expect(part.locator('[data-lines="1"]').first).to_be_visible()
        page.goto("about:blank")
