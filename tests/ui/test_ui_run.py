"""The page of a run: what became of it, what it printed, pictures, gradients, episodes; and the page of alerts."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dashboard_yard import XSS, Served, serving
from hands import still
from looks import check_looks
from playwright.sync_api import Page, expect
from store_builder import StoreBuilder

import treering

LAYERS = ("0.weight", "0.bias", "2.weight")
HOSTILE_LINE = (
    "\x1b]8;;javascript:alert(1)\x07click\x1b]8;;\x07\x1b]0;title\x07 <script>alert(4)</script> \x1b[31mred\x1b[0m end"
)
TABS = ("", "charts", "system", "console", "media", "gradients", "rl", "files", "code", "events")


def learn(folder: Path) -> str:
    """Record a run with everything that a page can show; returns its id."""
    config = {"lr": 0.003, "optimizer": {"name": "adam", "betas": [0.9, 0.999]}, XSS: XSS, **dict.fromkeys("abcde", 1)}
    model = folder.with_name("model.pt")
    model.write_bytes(b"weights" * 100)
    with treering.init(dir=folder, project="robots", name="learner", config=config, notes="the wider one") as run:
        for step in range(60):
            row: dict[str, Any] = {"train/loss": 1 / (step + 1), "grad/norm": 1.0, "update/ratio": 0.01}
            for at, layer in enumerate(LAYERS):
                row[f"grad/layer/{layer}"] = float("nan") if at == 1 and step >= 40 else 10.0**-at
                row[f"grad/histogram/{layer}"] = treering.Histogram(np.linspace(-1, 1, 50) * 2.0**-at)
            if step % 20 == 0:
                pixels = np.full((8, 8), step, dtype=np.uint8)
                picture = treering.Image(pixels, caption=f"picture {step}")
                row |= {"one": picture, "several": [picture, picture]}
                cells = [[at, f"word{at}", treering.Image(pixels)] for at in (3, 1, 2)]
                row["table"] = treering.Table(columns=["number", "word", "picture"], rows=cells)
                row["words"] = treering.Text(f"{XSS} at {step}")
            run.log(row)
        for number in range(40):
            episode: dict[str, Any] = {"episode/return": float(number), "episode/length": 10 + number}
            episode |= {"episode/env": number % 2, "episode/is_success": number >= 20, "episode/id": number // 2}
            if number == 30:
                episode["episode/video"] = treering.Video(np.zeros((4, 16, 16), dtype=np.uint8), caption="film", fps=4)
            run.log(episode)
        run.log_event("schedule", "the rate was halved", rate=0.1)
        run.alert("slow", "the loader waits")
        run.log_artifact(model, name="digits", type="model", aliases=["best"])
    return run.id


def fail(folder: Path) -> None:
    """Record a run that ends with an exception."""
    with treering.init(dir=folder, project="robots", name="broken", id="broken") as run:
        run.log({"loss": 1.0})
        raise RuntimeError(f"no such file {XSS}")


@pytest.fixture(scope="module")
def robots(built: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, str]]:
    """A server, and the id of a run that has everything."""
    folder = tmp_path_factory.mktemp("robots") / "store"
    builder = StoreBuilder(folder)
    noisy = builder.run("noisy", project="robots", name=XSS, state="lost")
    lines = [(0, {"text": f"line {number}", "line": number, "source": "stdout"}) for number in range(2500)]
    lines[2400] = (0, {"text": "a needle", "line": 2400, "source": "stderr"})
    lines[2499] = (0, {"text": HOSTILE_LINE, "line": 2499, "source": "stdout"})
    noisy.log(lines, "console", batch=2500)
    builder.database.close()
    with pytest.raises(RuntimeError):
        fail(folder)
    found = learn(folder)
    with serving(folder) as served:
        yield served, found


def opened(visitor: Any, robots: tuple[Served, str], tab: str = "", run: str | None = None) -> Page:
    served, found = robots
    page: Page = visitor.visit(served, f"/robots/runs/{run or found}?tab={tab}")
    expect(page.get_by_role("tab", selected=True)).to_be_visible()
    return page


def test_a_failed_run_says_why(visitor: Any, robots: tuple[Served, str]) -> None:
    page = opened(visitor, robots, run="broken")
    why = page.get_by_role("region", name="Why it ended")
    expect(why).to_contain_text(f"RuntimeError: no such file {XSS}")
    expect(why.locator("pre")).to_have_count(0)
    why.get_by_role("button", name="Traceback", exact=True).press("Enter")
    expect(why.locator("pre")).to_contain_text("in fail")
    expect(page.locator("[data-state=failed]").first).to_contain_text("failed")
    expect(page.get_by_role("tab", name="Gradients")).to_have_count(0)
    expect(page.get_by_role("tab", name="Episodes")).to_have_count(0)


def test_the_overview_is_searched_and_edited(visitor: Any, robots: tuple[Served, str]) -> None:
    page = opened(visitor, robots)
    config = page.get_by_role("region", name="Config")
    expect(config).to_contain_text("[0.9, 0.999]")
    expect(config).to_contain_text(XSS)
    config.get_by_label("Find in config").fill("adam")
    expect(config.get_by_role("listitem")).to_have_text([re.compile("optimizer"), re.compile("name.*adam")])
    expect(page.get_by_role("region", name="Code")).to_contain_text("git checkout")
    notes = page.get_by_role("region", name="Notes")
    notes.get_by_role("button", name="Edit").click()
    notes.get_by_label("Name").fill("renamed")
    notes.get_by_label("Notes").fill("</textarea><script>alert(1)</script>")
    notes.get_by_role("button", name="Save").click()
    expect(notes).to_contain_text("</textarea><script>alert(1)</script>")
    expect(page.get_by_role("heading", level=1)).to_have_text("renamed")
    expect(page.get_by_label("Where you are")).to_contain_text("renamed")


def test_the_console_is_coloured_searched_and_harmless(visitor: Any, robots: tuple[Served, str]) -> None:
    page = opened(visitor, robots, "console", "noisy")
    console = page.get_by_role("region", name="Console")
    last = console.locator("[data-index='2499']")
    expect(last).to_contain_text("click <script>alert(4)</script> red end")
    assert "javascript" not in last.inner_html()
    red, plain = last.get_by_text("red", exact=True), last.get_by_text("end")
    colour = "element => getComputedStyle(element).color"
    assert red.evaluate(colour) != plain.evaluate(colour)
    assert console.locator("[data-index]").count() < 200  # only what is on the screen
    page.get_by_label("Find in the console").fill("needle")
    expect(page.get_by_text("1 of 1")).to_be_visible()
    expect(console.locator("mark")).to_have_text("needle")
    page.get_by_label("Find in the console").fill("")
    page.get_by_text("stderr", exact=True).click()
    expect(page.get_by_text("1 line", exact=True)).to_be_visible()


def test_the_console_is_followed(visitor: Any, serve: Callable[..., Any], tmp_path: Path) -> None:
    with serve(tmp_path / "store") as served, treering.init(dir=tmp_path / "store", project="p", name="talks") as run:
        print("the first word")
        run.log({"loss": 1.0})
        page = visitor.visit(served, f"/p/runs/{run.id}?tab=console")
        console = page.get_by_role("region", name="Console")
        expect(console).to_contain_text("the first word")
        for number in range(300):
            print(f"word {number}")
        expect(console).to_contain_text("word 299")
        run.mark("failed", "it was enough")
        expect(page.locator("[data-state=failed]")).to_be_visible()
        page.goto("about:blank")


def test_media_have_steps_and_tables_are_sorted(visitor: Any, robots: tuple[Served, str]) -> None:
    page = opened(visitor, robots, "media")
    card = page.locator("[data-medium=one]")
    expect(card.locator("figcaption")).to_have_text("picture 40")
    card.get_by_role("slider").press("ArrowLeft")
    expect(card.locator("figcaption")).to_have_text("picture 20")
    assert card.locator("img").evaluate("image => image.decode().then(() => image.naturalWidth)") == 8
    expect(page.locator("[data-medium=several] img")).to_have_count(2)
    expect(page.locator("[data-medium=words]")).to_contain_text(f"{XSS} at 40")
    table = page.locator("[data-medium=table]")
    table.get_by_role("button", name="number").click()
    expect(table.locator("tbody td:first-child")).to_have_text(["1", "2", "3"])
    expect(table.locator("tbody img")).to_have_count(3)
    table.get_by_label("Find in table").fill("word3")
    expect(table.locator("tbody tr")).to_have_count(1)


def test_the_first_bad_layer_is_marked(visitor: Any, robots: tuple[Served, str]) -> None:
    page = opened(visitor, robots, "gradients")
    panel = page.get_by_role("region", name="Layer by layer")
    expect(panel).to_contain_text("0.bias was bad first")
    expect(panel.get_by_role("status")).to_contain_text("step 40")
    page.wait_for_function(
        "canvas => canvas.width > 0 && canvas.height > 0 && new Set(new Uint32Array("
        "canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height)"
        ".data.buffer)).size > 4",
        arg=panel.locator("canvas").element_handle(),
    )
    panel.get_by_role("button", name="2.weight").press("Enter")
    page.wait_for_url("**layer=2.weight**")
    expect(page.get_by_role("region", name="Gradients")).to_contain_text("2.weight")
    expect(page.get_by_role("img", name="grad/histogram/2.weight over time")).to_be_visible()


def test_episodes_stand_beside_their_video(visitor: Any, robots: tuple[Served, str]) -> None:
    page = opened(visitor, robots, "rl")
    expect(page.get_by_text("Best return").locator("..")).to_contain_text("39")
    expect(page.get_by_text("Success rate").first.locator("..")).to_contain_text("50 %")
    video = page.get_by_role("region", name="Video")
    expect(video).to_contain_text("Return 30")
    expect(video).to_contain_text("environment 0")
    expect(video).to_contain_text("40 steps")
    chart = page.get_by_role("region", name="Returns")
    still(chart.locator(".u-over"))
    chart.locator(".u-over").hover(position={"x": 5, "y": 5})
    expect(chart.get_by_role("status")).to_contain_text("40 episodes")


def test_files_are_downloaded(visitor: Any, robots: tuple[Served, str]) -> None:
    page = opened(visitor, robots, "files")
    with page.expect_download() as download:
        page.get_by_role("link", name="model.pt").click()
    assert Path(download.value.path()).read_bytes() == b"weights" * 100


def test_alert_rules_are_kept_or_refused_with_a_reason(visitor: Any, robots: tuple[Served, str]) -> None:
    visitor.expected.append("400 (Bad Request)")
    page = visitor.visit(robots[0], "/alerts")
    expect(page.get_by_text("the loader waits")).to_be_visible()
    rules = page.get_by_role("region", name="Rules")
    rules.get_by_label("Tell when").fill("loss is bananas")
    rules.get_by_role("button", name="Add the rule").click()
    expect(rules.locator("[class*=error]").first).to_contain_text("loss is bananas")
    rules.get_by_role("button", name="no progress for 30m").click()
    rules.get_by_label("Tell when").press("Enter")
    expect(rules.get_by_role("listitem")).to_contain_text("all projects")
    rules.get_by_role("button", name="Remove the rule no progress for 30m").click()
    expect(rules.get_by_role("listitem")).to_have_count(0)
    expect(page.get_by_role("region", name="Who is told")).to_contain_text("alerts.toml")


def test_every_tab_at_every_size_in_both_themes(visitor: Any, robots: tuple[Served, str]) -> None:
    page = opened(visitor, robots)
    tabs = page.get_by_role("tab")
    expect(tabs).to_have_count(len(TABS))
    names = tabs.all_inner_texts()
    for name in names:
        page.get_by_role("tab", name=name, exact=True).click()
        expect(page.get_by_role("tabpanel").locator("> h2 + *")).to_be_visible()
        check_looks(page, name)
