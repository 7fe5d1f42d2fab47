"""Panels that people add: what is drawn, from their own words in the address or in a form."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import numpy as np
import pytest
from dashboard_yard import XSS, Served
from hands import still
from looks import check_looks
from playwright.sync_api import Locator, Page, expect
from store_builder import StoreBuilder

import treering

# Pixels of the panel's canvases that are drawn in a colour: text and grid are grey.
COLOURED = """(panel) => [...panel.querySelectorAll('canvas')].reduce((sum, canvas) => {
  const {data} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  for (let i = 0; i < data.length; i += 4) {
    const [r, g, b, a] = data.slice(i, i + 4);
    if (a > 100 && Math.max(r, g, b) - Math.min(r, g, b) > 40) sum++;
  }
  return sum;
}, 0)"""
RUNS: list[dict[str, Any]] = [
    {"id": "a", "kind": "scatter", "x": "config.lr", "y": "summary.acc", "colour": "config.opt", "logX": True},
    {"id": "b", "kind": "bar", "y": "summary.acc", "by": "config.opt"},
    {"id": "c", "kind": "box", "y": "max.acc", "by": "config.opt"},
    {"id": "d", "kind": "parallel", "columns": ["config.lr", "config.opt", "summary.acc"], "colour": "summary.acc"},
    {"id": "e", "kind": "importance", "y": "summary.acc"},
    {"id": "f", "kind": "lines", "keys": "acc|loss"},
    {"id": "g", "kind": "returns", "key": "episode/return", "by": "config.opt"},
]
OF_RUN = [
    {"id": "h", "kind": "confusion", "key": "confusion"},
    {"id": "i", "kind": "roc", "key": "roc"},
    {"id": "j", "kind": "pr", "key": "pr"},
    {"id": "k", "kind": "histogram", "key": "weights"},
]
SPEC = {
    "data": {"name": "runs"},
    "mark": "bar",
    "transform": [{"calculate": "datum.summary.acc * 100", "as": "percent"}],
    "encoding": {"x": {"field": "config.opt", "type": "nominal"}, "y": {"aggregate": "mean", "field": "percent"}},
}


@pytest.fixture(scope="module")
def store(built: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("panels") / "store"
    builder = StoreBuilder(folder)
    random = np.random.default_rng(2)
    for number in range(18):
        lr, opt = float(10 ** random.uniform(-4, -1)), ["adam", XSS][number % 2]
        acc = 0.9 - 0.1 * abs(np.log10(lr) + 2.5)
        run = builder.run(
            f"run{number:02d}",
            project="search",
            name=f"{XSS} {number}",
            config={"lr": lr, "opt": opt},
            summary={"acc": acc},
        )
        run.log([(s, {"acc": acc * s / 50, "loss": 1 / (s + 1), "episode/return": s + number}) for s in range(50)])
    builder.database.close()
    y = random.integers(0, 3, 300)
    scores = random.dirichlet([1, 1, 1], 300) + 0.5 * np.eye(3)[y]
    names = ["cat", "dog", XSS]
    with treering.init(project="probe", name="classifier", dir=folder) as run:
        for step in range(5):
            run.log({"weights": treering.Histogram(random.normal(0, 1 + step, 500)), "loss": 1 / (step + 1)})
        matrix = treering.plot.confusion_matrix(probs=scores, y_true=y, class_names=names)
        run.log({"confusion": matrix, "roc": treering.plot.roc_curve(y, scores, names)})
        run.log({"pr": treering.plot.pr_curve(y, scores, names)})
    return folder


@pytest.fixture(scope="module")
def panels(store: Path, serve: Callable[..., Any]) -> Iterator[Served]:
    with serve(store) as found:
        yield found


def path(project: str, panels: list[dict[str, Any]], **more: str) -> str:
    words = {"panels": json.dumps(panels), **more}
    return f"/{project}?" + "&".join(f"{name}={quote(value)}" for name, value in words.items())


@pytest.fixture(autouse=True)
def reading_back(visitor: Any) -> None:
    visitor.expected.append("willReadFrequently")  # it is these tests that read canvases back


def panel(page: Page, kind: str) -> Locator:
    return page.locator(f'[data-panel="{kind}"]')


def drawn(page: Page, kind: str, least: int = 60, place: str | None = None) -> Locator:
    """Wait until a panel has drawn that many pixels in colour."""
    found = panel(page, kind)
    place = place or next((one["id"] for one in [*RUNS, *OF_RUN] if one["kind"] == kind), "v")
    page.locator(f'[data-tile=":{place}"]').scroll_into_view_if_needed()  # what is not seen is not drawn
    expect(found.locator("canvas").first).to_be_attached()
    words = f"() => ({COLOURED})(document.querySelector('[data-panel=\"{kind}\"]')) >= {least}"
    page.wait_for_function(words)
    return found


def test_panels_over_runs(visitor: Any, panels: Served) -> None:
    page = visitor.visit(panels, path("search", RUNS))
    for kind in ("scatter", "bar", "box", "parallel", "lines", "returns"):
        drawn(page, kind)
    page.locator('[data-tile=":e"]').scroll_into_view_if_needed()
    rows = panel(page, "importance").locator("tbody tr")
    expect(rows.first).to_contain_text("lr")  # what the result was made of
    drawn(page, "returns")
    expect(panel(page, "returns")).to_contain_text("95 % stratified bootstrap")
    expect(drawn(page, "lines").locator('[data-lines="36"]')).to_be_visible()  # two metrics of 18 runs
    page.locator('[data-tile=":a"]').scroll_into_view_if_needed()
    assert page.locator("main img, main script, [onerror]").count() == 0  # hostile names stay text
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save acc over lr").click()
        page.get_by_role("menuitem", name="CSV").click()
    text = Path(saved.value.path()).read_bytes()
    assert text.count(b"\r\n") == 19
    assert text.startswith(b"id,name,config.lr,summary.acc,config.opt")


def test_panels_of_one_run(visitor: Any, panels: Served) -> None:
    page = visitor.visit(panels, path("probe", OF_RUN))
    matrix = panel(page, "confusion")
    expect(matrix.get_by_role("columnheader", name=XSS)).to_be_visible()
    expect(matrix).to_contain_text("of 300 are right")
    for kind in ("roc", "pr", "histogram"):
        drawn(page, kind)
    expect(drawn(page, "roc").get_by_role("img")).to_have_accessible_name("ROC: roc")


def test_a_panel_is_added_changed_and_removed(visitor: Any, panels: Served) -> None:
    page = visitor.visit(panels, "/search")
    page.get_by_role("button", name="Add panel").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Scatter").press("Enter")
    expect(dialog.locator("canvas").first).to_be_attached()  # it is shown before it is added
    dialog.get_by_label("Title").fill("Which rate?")
    dialog.get_by_role("button", name="Add panel").click()
    drawn(page, "scatter", place="p1")
    page.wait_for_url("**panels=**")
    (said,) = json.loads(parse_qs(urlsplit(page.url).query)["panels"][0])
    assert said == {"id": "p1", "kind": "scatter", "x": "config.lr", "y": "summary.acc", "colour": "config.opt"} | {
        "title": "Which rate?"
    }
    page.get_by_role("button", name="More for Which rate?").click()
    page.get_by_role("menuitem", name="Settings").click()
    dialog.get_by_label("Logarithmic x axis").check(force=True)
    dialog.get_by_role("button", name="Keep").click()
    page.wait_for_url("**logX**")
    page.reload()
    drawn(page, "scatter", place="p1")
    page.get_by_role("button", name="More for Which rate?").click()
    page.get_by_role("menuitem", name="Remove").click()
    expect(panel(page, "scatter")).to_have_count(0)
    page.wait_for_url(lambda url: "panels" not in url)


def test_axes_are_brushed(visitor: Any, panels: Served) -> None:
    page = visitor.visit(panels, path("search", [RUNS[3]], own=json.dumps({":d": {"w": 2}})))
    box = still(drawn(page, "parallel").locator("[data-drawn]"))
    page.mouse.move(box["x"] + 46, box["y"] + 40)  # along the first axis
    page.mouse.down()
    page.mouse.move(box["x"] + 46, box["y"] + 90, steps=5)
    page.mouse.up()
    expect(panel(page, "parallel")).to_contain_text("of 18 runs chosen")
    page.get_by_role("button", name="Only these in the table").click()
    page.wait_for_url("**filter=id+in**")


def test_a_description_is_drawn_and_cannot_reach_out(visitor: Any, panels: Served) -> None:
    spec = {"id": "v", "kind": "vega", "spec": json.dumps(SPEC)}
    page = visitor.visit(panels, path("search", [spec]))
    drawn(page, "vega", 500)
    for bad, told in (
        ({**SPEC, "data": {"url": "https://example.com/x.csv"}}, "cannot fetch"),
        ({**SPEC, "data": {"url": "/api/v1/runs"}}, "cannot fetch"),
        ({**SPEC, "transform": [{"calculate": "fetch('/x')", "as": "percent"}]}, "fetch"),
        ({"mark": "nonsense", "data": {"name": "runs"}}, "cannot read this description"),
    ):
        page = visitor.visit(panels, path("search", [{**spec, "spec": json.dumps(bad)}]))
        expect(panel(page, "vega")).to_contain_text(told)
    series = {"data": {"name": "series"}, "mark": "line", "encoding": {"x": {"field": "x"}, "y": {"field": "value"}}}
    series["encoding"]["color"] = {"field": "name"}  # type: ignore[index]  # of a dict
    page = visitor.visit(panels, path("search", [{**spec, "spec": json.dumps(series), "keys": "acc"}]))
    drawn(page, "vega")


def test_panels_at_every_size(visitor: Any, panels: Served) -> None:
    for project, some in (("search", RUNS[:5]), ("probe", OF_RUN[:2])):
        page = visitor.visit(panels, path(project, some))
        expect(page.locator("[data-panel] canvas, [data-panel] table").first).to_be_attached()
        check_looks(page, project)
    page.get_by_role("button", name="Add panel").press("Enter")  # a tip would stand outside of the dialog
    expect(page.get_by_role("dialog")).to_be_visible()
    check_looks(page, "adding")
