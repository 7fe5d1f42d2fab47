"""Pages of sweeps: what a search found, which trials; making one, steering it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from dashboard_yard import XSS, Served, serving
from hands import has_focus, still
from looks import check_looks
from playwright.sync_api import Locator, Page, expect
from sweep_yard import ONE, fill_sweeps

import treering


@pytest.fixture(scope="module")
def swept(built: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, dict[str, str]]]:
    """A store with sweeps that have ended, served; and their ids."""
    folder = tmp_path_factory.mktemp("swept") / "store"
    ids = fill_sweeps(folder)
    with serving(folder) as found:
        yield found, ids


def panel(page: Page, name: str) -> Locator:
    return page.get_by_role("region", name=name, exact=True)


def rows(page: Page) -> Locator:
    return panel(page, "Trials").locator("[data-trial]")


def brush(page: Page, axis: int, axes: int, shares: tuple[float, float]) -> None:
    """Draw over an axis of the parallel coordinates, from one share of its height (from below) to another."""
    area = still(page.get_by_role("img", name="Parallel coordinates"))
    x = area["x"] + 56 + axis * (area["width"] - 120) / (axes - 1)
    low, high = (area["y"] + 280 - share * 246 for share in shares)
    page.mouse.move(x, low)
    page.mouse.down()
    page.mouse.move(x, (low + high) / 2, steps=3)
    page.mouse.move(x, high, steps=3)
    page.mouse.up()


def test_the_list_says_how_each_stands(visitor: Any, swept: Any) -> None:
    served, ids = swept
    page = visitor.visit(served, "/digits")
    page.get_by_role("link", name="Sweeps").click()
    row = page.locator(f'[data-sweep="{ids["one"]}"]')
    expect(row).to_contain_text("finished")
    expect(row).to_contain_text("36 of 36")
    expect(page.locator("[data-sweep]")).to_have_count(3)
    row.get_by_role("link", name="digits-tpe").click()
    page.wait_for_url(f"**/digits/sweeps/{ids['one']}")
    expect(page).to_have_title("digits-tpe · digits · treering")


def test_the_first_glance_says_what_was_found(visitor: Any, swept: Any) -> None:
    served, ids = swept
    page = visitor.visit(served, f"/digits/sweeps/{ids['one']}")
    trials = visitor.context.request.get(f"{served.url}/api/v1/sweeps/{ids['one']}/trials").json()["trials"]
    best = min((one for one in trials if one["state"] == "finished"), key=lambda one: one["values"][0])
    stopped = [one for one in trials if one["state"] == "stopped" and one["prediction"]["low"] is not None]
    expect(page.locator("main header").first).to_contain_text(f"in trial {best['number']}")
    # Which of them matters most depends on where the samplers went, and they round as the processor does.
    told = visitor.context.request.get(f"{served.url}/api/v1/sweeps/{ids['one']}/importance").json()["importances"]
    assert {one["parameter"] for one in told} == {"lr", "dropout", "layers", "optimizer"}
    listed = panel(page, "What matters").get_by_role("listitem")
    for row, one in enumerate(sorted(told, key=lambda one: -one["importance"])):
        expect(listed.nth(row)).to_contain_text(f"{one['parameter']}{100 * one['importance']:.1f} %")
    page.get_by_text("Correlation", exact=True).click()
    expect(panel(page, "What matters")).to_contain_text("optimizer = adam")
    # Where a stopped trial would have ended, and how often that was right.
    row = panel(page, "Trials").locator(f'[data-trial="{stopped[-1]["number"]}"]')
    row.scroll_into_view_if_needed()
    expect(row).to_contain_text(re.compile(r"\d \(.* to .*\)"))
    expect(panel(page, "Early stopping")).to_contain_text(re.compile(r"ended within their interval"))
    page.get_by_role("button", name="val/loss", exact=True).click()
    expect(rows(page).first).to_contain_text("★")
    for name in ("val/loss over lr:", "val/loss over lr and dropout", "val/loss of", "Parallel coordinates"):
        picture = page.get_by_role("img", name=name.rstrip(":")).first
        expect(picture.locator("canvas")).to_be_visible()
    expect(panel(page, "Agents")).to_contain_text("node1")


def test_brushing_filters_the_table(visitor: Any, swept: Any) -> None:
    served, ids = swept
    page = visitor.visit(served, f"/digits/sweeps/{ids['one']}")
    expect(page.get_by_text("All 36 trials")).to_be_visible()
    expect(page.get_by_role("img", name="Parallel coordinates").locator("canvas")).to_be_visible()
    brush(page, 2, 5, (0.3, 0.55))  # layers from 2.5 to 3.75
    page.wait_for_url("**brush=layers:**")
    shown = page.get_by_role("status").filter(has_text="of 36 trials")
    expect(shown).to_be_visible()
    count = int(shown.inner_text().split()[0])
    assert 0 < count < 36
    expect(panel(page, "Trials").get_by_role("table")).to_have_attribute("aria-rowcount", str(count + 1))
    trials = visitor.context.request.get(f"{served.url}/api/v1/sweeps/{ids['one']}/trials").json()["trials"]
    assert count == sum(one["point"]["layers"] == 3 for one in trials)
    page.reload()
    expect(shown).to_have_text(f"{count} of 36 trials")
    page.get_by_role("button", name="Remove the range of layers").click()
    expect(page.get_by_text("All 36 trials")).to_be_visible()
    page.wait_for_url(lambda url: "brush" not in url)


def test_ranges_and_order_by_keyboard(visitor: Any, swept: Any) -> None:
    served, ids = swept
    page = visitor.visit(served, f"/digits/sweeps/{ids['one']}")
    page.get_by_role("button", name="Add a range").focus()
    page.keyboard.press("Enter")
    has_focus(page.get_by_role("dialog"))
    page.get_by_label("From").focus()
    page.keyboard.type("1e-4")
    page.keyboard.press("Tab")
    page.keyboard.type("0.01")
    page.keyboard.press("Enter")
    page.wait_for_url("**brush=lr:0.0001:0.01*")
    expect(page.get_by_role("status").filter(has_text="of 36 trials")).to_be_visible()
    page.get_by_role("button", name="dropout", exact=True).focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("columnheader", name="dropout")).to_have_attribute("aria-sort", "ascending")
    page.wait_for_url("**sort=dropout*")


def test_two_objectives_have_a_front(visitor: Any, swept: Any) -> None:
    served, ids = swept
    page = visitor.visit(served, f"/digits/sweeps/{ids['two']}")
    front = visitor.context.request.get(f"{served.url}/api/v1/sweeps/{ids['two']}/trials").json()["front"]
    expect(panel(page, "Pareto front")).to_contain_text(f"{len(front)} trials")
    expect(page.get_by_role("img", name="Pareto front of accuracy and latency_ms").locator("canvas")).to_be_visible()
    panel(page, "Best so far: accuracy").get_by_label("Metric").first.click()
    page.get_by_role("option", name="latency_ms").click()
    expect(page.get_by_role("heading", name="Best so far: latency_ms")).to_be_visible()


def write(page: Page, text: str) -> None:
    """Put a text in place of the editor's, from a file."""
    file = {"name": "sweep.yaml", "mimeType": "application/yaml", "buffer": text.encode()}
    page.get_by_label("Open a file").set_input_files([file])  # type: ignore[list-item]  # as documented


def test_a_definition_is_checked_while_it_is_written(visitor: Any, swept: Any) -> None:
    served, _ = swept
    page = visitor.visit(served, "/digits/sweeps?new=1")
    expect(page.get_by_text("It can be made as it is")).to_be_visible()
    write(page, ONE.replace("goal: minimize", "goal: minimise").replace("layers: {min: 1, ", "layers: {min: 9, "))
    found = page.get_by_role("status", name="Findings")
    expect(found.get_by_role("listitem")).to_have_count(2)
    expect(found.get_by_role("listitem").first).to_contain_text("Did you mean 'minimize'?")
    assert found.get_by_role("button").all_inner_texts() == ["Line 6", "Line 11"]
    expect(page.locator(".cm-lintRange-error").first).to_contain_text("goal")
    expect(page.get_by_role("button", name="Create the sweep")).to_be_disabled()
    found.get_by_role("button", name="Line 11").click()
    expect(page.locator(".cm-activeLine")).to_contain_text("layers")
    # Completion: keys where keys stand, words where only some are taken.
    write(page, "# empty\n")
    expect(found).to_contain_text("mapping")
    page.get_by_label("Definition of the sweep, YAML").click()
    page.keyboard.press("ControlOrMeta+End")
    page.keyboard.type("meth")
    page.get_by_role("option", name="method").click()
    page.keyboard.type("ba")
    expect(page.get_by_role("option", name="bayes")).to_be_visible()


def test_the_form_makes_a_sweep_that_an_agent_can_run(visitor: Any, serve: Callable[..., Any], tmp_path: Path) -> None:
    folder = tmp_path / "store"
    treering.init(dir=folder, project="digits").finish()
    with serve(folder) as served:
        page = visitor.visit(served, "/digits/sweeps")
        expect(page.get_by_text("early_terminate")).to_be_visible()  # a YAML to begin with
        expect(page.get_by_text("treering agent SWEEP_ID")).to_be_visible()
        page.get_by_role("link", name="New sweep").click()
        expect(page.get_by_text("It can be made as it is")).to_be_visible()
        write(page, "method: random\nmetric: {name: loss}\nrun_cap: 3\nparameters: {lr: {min: 0.0, max: 1.0}}\n")
        expect(page.get_by_text("so loss is minimized")).to_be_visible()
        page.get_by_label("Count").fill("3")
        page.get_by_label("Entity").fill("team one")
        page.get_by_label("API key").fill("k3y")
        page.get_by_role("button", name="Create the sweep").click()
        command = page.get_by_text("treering agent").first
        expect(command).to_contain_text("--count 3 --entity 'team one'")
        assert "k3y" not in page.locator("main").inner_text()
        page.get_by_role("link", name="Open the sweep").click()
        expect(page.get_by_role("heading", name="No trials yet")).to_be_visible()
        sweep = page.url.rpartition("/")[2]

        def train() -> None:
            with treering.init(dir=folder) as run:
                run.log({"loss": run.config["lr"]})

        assert treering.agent(sweep, train, dir=folder) == 3
        expect(page.get_by_text("All 3 trials")).to_be_visible()  # by itself
        expect(page.locator("main header").first).to_contain_text("finished")
        page.get_by_role("link", name="Run of trial 0").click()
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        visitor.page.goto("about:blank")


def test_a_sweep_is_steered_and_cloned(visitor: Any, serve: Callable[..., Any], tmp_path: Path) -> None:
    sweep = treering.sweep(
        {"method": "random", "name": "steered", "parameters": {"x": {"min": 0.0, "max": 1.0}}},
        project="p",
        dir=tmp_path / "store",
    )
    with serve(tmp_path / "store") as served:
        page = visitor.visit(served, f"/p/sweeps/{sweep}")
        head = page.locator("main header").first
        page.get_by_role("button", name="Pause").click()
        expect(head).to_contain_text("paused")
        page.get_by_role("button", name="Resume").click()
        expect(head).to_contain_text("running")
        page.get_by_role("link", name="Clone and edit").click()
        expect(page.get_by_role("heading", name="A sweep like steered")).to_be_visible()
        expect(page.get_by_label("Definition of the sweep, YAML")).to_contain_text("name: steered")
        page.go_back()
        expect(head).to_contain_text("running")
        page.get_by_role("button", name="Cancel", exact=True).click()
        page.get_by_role("button", name="Keep it").click()
        expect(head).to_contain_text("running")
        page.get_by_role("button", name="Cancel", exact=True).click()
        page.get_by_role("button", name="Cancel the sweep").click()
        expect(head).to_contain_text("cancelled by hand")
        expect(page.get_by_role("button", name="Pause")).to_have_count(0)
        visitor.page.goto("about:blank")


def test_hostile_names_of_sweeps_stay_text(visitor: Any, swept: Any) -> None:
    served, ids = swept
    project = quote(XSS.replace("/", "~2f"), safe="~")
    page = visitor.visit(served, f"/{project}/sweeps")
    expect(page.locator("[data-sweep]")).to_contain_text(XSS)
    page.goto(f"{served.url}/{project}/sweeps/{ids['odd']}")
    expect(page.get_by_role("heading", level=1)).to_have_text(XSS)
    for text in (XSS, "</script><script>alert(1)</script>"):
        expect(rows(page).filter(has_text=text).first).to_be_visible()
    expect(page.get_by_role("img", name="Parallel coordinates").locator("canvas")).to_be_visible()
    panel(page, "Agents").get_by_role("button", name="Trial 0").click()
    page.wait_for_url("**trial=0*")
    assert page.locator("main img[src], main script, [onerror]").count() == 0


def test_pages_of_sweeps_fit(visitor: Any, swept: Any) -> None:
    served, ids = swept
    paths = ("", f"/{ids['one']}?brush=layers:3:4&trial=3", f"/{ids['two']}", f"/{ids['new']}", "?new=1")
    for path in paths:
        page = visitor.visit(served, f"/digits/sweeps{path}")
        expect(page.locator("main h1")).to_be_visible()
        if ids["one"] in path:
            expect(page.get_by_role("list", name="Importance of parameters")).to_be_visible()
        if "new" in path:
            expect(page.get_by_text("It can be made as it is")).to_be_visible()
        check_looks(page, path)
