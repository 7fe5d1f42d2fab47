"""Reports, as those who write them and those who read them see them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest
from dashboard_yard import HOSTILE, XSS, Served, serving
from hands import has_focus
from looks import check_looks
from playwright.sync_api import Browser, Page, expect
from store_builder import StoreBuilder

import treering
from treering.api import Api
from treering.api._sources import open_sources
from treering.reports import open_reports

TEXT = """What was *tried*, and `what` came of it.

## Curves

```chart
title: Rates
keys: [train/loss, val/*]
filter: config.lr < 0.15
smoothing: ema 40
```

- one
- two

| a | b |
| --- | ---: |
| x | 1 |

```runs
title: Best
columns: [name, state, config.lr, summary.val/loss, created, tag]
order: summary.val/loss
limit: 3
```
"""


def fill(folder: Path) -> None:
    builder = StoreBuilder(folder)
    steps = np.arange(200)
    for number in range(4):
        loss = np.exp(-0.01 * (1 + number) * steps)
        run = builder.run(
            f"run{number}",
            project="digits",
            name=f"try-{number}",
            config={"lr": 0.05 * (number + 1)},
            summary={"val/loss": float(loss[-1])},
            tags=["first"] if number == 0 else [],
        )
        run.log(
            [(int(step), {"train/loss": float(loss[step]), "val/loss": float(loss[step])}) for step in steps], batch=200
        )
    for number, text in enumerate(HOSTILE):
        run = builder.run(
            f"evil{number}", project=XSS, name=text, config={text: text}, summary={text: text}, tags=[text]
        )
        run.log([(step, {f"{text}/{text}": float(step)}) for step in range(5)])
    builder.database.close()


@pytest.fixture(scope="module")
def reports(built: None, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("reports") / "store"
    fill(folder)
    with serving(folder) as served:
        yield served


@pytest.fixture
def write(reports: Served) -> Callable[..., str]:
    """Keep a report; its address."""

    def write(text: str = TEXT, title: str = "Learning rates", project: str = "digits") -> str:
        with Api(reports.folder) as api:
            made = api.create_report(project, title, text, "Ann")
        return f"/{quote(project.replace('/', '~2f'), safe='~')}/reports/{made.id}-anything"

    return write


def editor(page: Page) -> Any:
    return page.get_by_role("textbox", name="Text of the report")


def drawn(page: Page, key: str, lines: int) -> None:
    expect(page.locator(f'[data-chart="{key}"] [data-lines="{lines}"]').first).to_be_visible()


def test_a_report_is_begun_written_and_read(visitor: Any, reports: Served) -> None:
    page = visitor.visit(reports, "/digits")
    page.get_by_role("link", name="Reports").click()
    expect(page.get_by_role("heading", name="Reports")).to_be_visible()
    page.get_by_role("button", name="New report").click()
    drawn(page, "train/loss", 4)  # it begins with what the project has
    page.get_by_role("textbox", name="Title").fill("What came of it")
    page.get_by_label("Your name").fill("Ann")
    editor(page).press("ControlOrMeta+End")
    page.get_by_role("button", name="Chart", exact=True).click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Metrics").fill("val")
    page.get_by_role("option", name="val/loss").click()
    dialog.get_by_label("Title").fill("Only two")
    dialog.get_by_label("At most").fill("2")
    dialog.get_by_role("button", name="Insert").click()
    expect(editor(page)).to_contain_text("keys: [val/loss]")
    section = page.get_by_role("region", name="Only two", exact=True)
    expect(section.locator('[data-lines="2"]')).to_be_visible()
    expect(page.get_by_text("Not saved")).to_be_visible()
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("heading", name="What came of it", level=1)).to_be_visible()
    expect(page).to_have_url(re.compile(r"/digits/reports/[0-9a-f]{8}-what-came-of-it$"))
    expect(page.get_by_text("version 2, saved")).to_be_visible()
    expect(page.get_by_text("by Ann")).to_be_visible()
    page.get_by_role("link", name="Reports").click()
    expect(page.get_by_role("link", name="What came of it")).to_be_visible()


def test_charts_and_tables_show_what_is_asked_for(visitor: Any, reports: Served, write: Callable[..., str]) -> None:
    page = visitor.visit(reports, write())
    for key in ("train/loss", "val/loss"):
        drawn(page, key, 2)
    expect(page.get_by_role("list", name="Runs").get_by_role("link")).to_have_text(["try-1", "try-0"])
    table = page.get_by_role("region", name="Best", exact=True)
    expect(table.get_by_role("columnheader")).to_have_text(["Run", "State", "lr", "val/loss", "Created", "Tag"])
    expect(table.locator("tbody tr td:first-child")).to_have_text(["try-3", "try-2", "try-1"])
    expect(table).to_contain_text("The first 3 runs; there are more")
    table.get_by_role("link", name="try-3").click()
    page.wait_for_url("**/digits/runs/run3")


def test_a_block_that_cannot_be_read_says_why_while_it_is_written(
    visitor: Any, reports: Served, write: Callable[..., str]
) -> None:
    page = visitor.visit(reports, write("```chart\nkeyz: x\n```\n\n```runs\nfilter: '('\n```") + "?edit=1")
    expect(page.get_by_role("alert").first).to_contain_text("did you mean 'keys'?")
    expect(page.get_by_role("alert")).to_have_count(2)
    editor(page).press("ControlOrMeta+Home")
    editor(page).press("ArrowDown")
    editor(page).press("End")
    page.keyboard.press("Shift+Home")
    page.keyboard.type("ke", delay=150)  # as fast as people type: the list opens between two letters
    page.get_by_role("option", name="keys").click()
    page.keyboard.type("val/", delay=150)
    page.get_by_role("option", name="val/loss").click()
    drawn(page, "val/loss", 4)


def test_two_who_write_at_once(visitor: Any, reports: Served, write: Callable[..., str]) -> None:
    place = write("theirs and mine")
    page = visitor.visit(reports, f"{place}?edit=1")
    editor(page).fill("mine")
    report_id = place.split("/")[-1].split("-")[0]
    with open_reports(open_sources(reports.folder)[0]) as kept:
        kept.save(report_id, 1, "Learning rates", "theirs", "Bob")
    visitor.expected.append("412")
    page.keyboard.press("ControlOrMeta+s")
    expect(page.get_by_role("alert")).to_contain_text("Bob has saved version 2 of this report meanwhile")
    page.get_by_role("button", name="Save mine as the next version").click()
    expect(page.get_by_role("status").filter(has_text=re.compile("^Saved$"))).to_be_visible()
    page.get_by_role("button", name="Close").click()
    expect(page.get_by_text("version 3, saved")).to_be_visible()
    page.get_by_role("button", name="Versions").click()
    page.get_by_role("link", name="Version 2").click()
    expect(page.get_by_text("This is version 2 of 3.")).to_be_visible()
    expect(page.get_by_text("theirs", exact=True)).to_be_visible()
    page.get_by_role("button", name="Bring it back").click()
    expect(page.get_by_text("brought back version 2")).to_be_visible()
    expect(page.get_by_text("version 4, saved")).to_be_visible()


def test_what_was_not_saved_survives_a_closed_window(visitor: Any, reports: Served, write: Callable[..., str]) -> None:
    place = write("before")
    page = visitor.visit(reports, f"{place}?edit=1")
    editor(page).fill("after")
    expect(page.get_by_text("Not saved")).to_be_visible()
    page.reload()
    expect(editor(page)).to_have_text("after")
    expect(page.get_by_text("What you had written here and not saved is back")).to_be_visible()
    page.get_by_role("button", name="Discard").click()
    expect(page.get_by_text("before", exact=True)).to_be_visible()
    page.get_by_role("button", name="Edit").click()
    expect(editor(page)).to_have_text("before")


def test_comments(visitor: Any, reports: Served, write: Callable[..., str]) -> None:
    page = visitor.visit(reports, write("text"))
    page.get_by_role("button", name="Comments").click()
    page.get_by_label("Say something").fill(f"Why so low?\n{XSS}")
    page.get_by_label("Your name").fill("Bob")
    page.get_by_role("button", name="Comment", exact=True).click()
    thread = page.locator("[data-comment]")
    expect(thread).to_contain_text("Bob")
    expect(thread).to_contain_text(XSS)
    expect(page.get_by_role("button", name="Comments (1)")).to_be_visible()
    thread.get_by_role("button", name="Answer").click()
    thread.get_by_label("Your answer").fill("The rate was wrong.")
    thread.get_by_label("Your answer").press("ControlOrMeta+Enter")
    expect(thread).to_contain_text("The rate was wrong.")
    page.reload()
    thread.get_by_role("button", name="Settle").click()
    expect(page.get_by_text("All settled.")).to_be_visible()
    page.get_by_role("button", name="Show 1 settled").click()
    expect(thread).to_contain_text("settled now by Bob")
    thread.get_by_role("button", name="Open again").click()
    expect(page.get_by_role("button", name="Comments (1)")).to_be_visible()


def test_on_a_narrow_screen_comments_come_into_sight(visitor: Any, reports: Served, write: Callable[..., str]) -> None:
    page = visitor.visit(reports, write("A line.\n\n" * 40))
    page.set_viewport_size({"width": 390, "height": 800})
    page.get_by_role("button", name="Comments").click()
    expect(page.get_by_role("heading", name="Comments")).to_be_in_viewport()


def test_a_chart_goes_on_while_its_run_does(visitor: Any, reports: Served, write: Callable[..., str]) -> None:
    text = "```chart\nkeys: loss\nfilter: group = live\n```\n\n```runs\nfilter: group = live\n```"
    place = write(text, project="going on")  # of its own: others count the runs of theirs
    page = visitor.visit(reports, place)
    expect(page.get_by_text("No run matches.")).to_have_count(2)
    run = treering.init(project="going on", name="goes on", group="live", dir=reports.folder)
    for step in range(10):
        run.log({"loss": 1 / (step + 1)})
    expect(page.locator('[data-chart="loss"]')).to_contain_text("10 pts")
    expect(page.locator("td", has_text="running")).to_be_visible()
    for step in range(7):
        run.log({"loss": 1 / (step + 1)})
    expect(page.locator('[data-chart="loss"]')).to_contain_text("17 pts")
    run.finish()
    expect(page.locator("td", has_text="finished")).to_be_visible()


def test_the_file_opens_from_a_disk_without_a_network(
    visitor: Any, reports: Served, write: Callable[..., str], browser: Browser, tmp_path: Path
) -> None:
    page = visitor.visit(reports, write(f"{TEXT}\n\n{XSS}\n\n```chart\nproject: '{XSS}'\nkeys: '*'\n```", XSS))
    with page.expect_download() as coming:
        page.get_by_role("link", name="Export").click()
    target = tmp_path / "report.html"
    coming.value.save_as(target)
    context = browser.new_context(offline=True, viewport={"width": 1000, "height": 800})
    faults: list[str] = []
    file = context.new_page()
    file.on("console", lambda message: faults.append(message.text))
    file.on("pageerror", lambda error: faults.append(str(error)))
    file.on("dialog", lambda dialog: (faults.append(dialog.message), dialog.dismiss()))
    file.on("request", lambda one: one.url.startswith("file:") or faults.append(one.url))
    file.goto(target.as_uri())
    expect(file.get_by_role("heading", level=1)).to_have_text(XSS)
    expect(file.locator("svg.chart")).to_have_count(2 + len(HOSTILE))
    lines = file.locator("figure").first.locator("svg.chart [clip-path] path:not(.raw)")
    assert [line.evaluate("one => one.getTotalLength() > 100") for line in lines.all()] == [True, True]
    colours = {line.evaluate("one => getComputedStyle(one).stroke") for line in lines.all()}
    assert len(colours) == 2
    file.locator("svg.chart").first.hover()
    tip = file.locator("figure").first.locator(".tip")
    expect(tip).to_be_visible()
    expect(tip).to_contain_text("try-1")
    box, inside = file.locator("figure").first.bounding_box(), tip.bounding_box()
    assert box is not None
    assert inside is not None
    assert box["y"] <= inside["y"] <= box["y"] + box["height"]
    expect(file.locator("table.runs tbody tr")).to_have_count(3)
    assert file.locator("img, iframe, [onerror], [style]:not(.tip):not(.ruler)").count() == 0
    for text in HOSTILE[:4]:
        expect(file.locator("figcaption", has_text=text).first).to_be_visible()
    context.close()
    assert faults == []


def test_hostile_reports_stay_text(visitor: Any, reports: Served, write: Callable[..., str]) -> None:
    text = "\n\n".join([*HOSTILE, *(f"[{one}]({one})" for one in HOSTILE), "[x](javascript:alert(1))"])
    place = write(f"{text}\n\n```chart\nkeys: '*'\n```\n\n```runs\n```\n", XSS, XSS)
    page = visitor.visit(reports, place)
    expect(page.get_by_role("heading", level=1)).to_have_text(XSS)
    drawn(page, f"{HOSTILE[0]}/{HOSTILE[0]}", 1)
    page.locator("[data-block=runs]").scroll_into_view_if_needed()
    expect(page.locator("[data-block=runs] tbody tr")).to_have_count(len(HOSTILE))
    assert page.locator("main img, main script, [onerror], a[href^='javascript']").count() == 0
    page.get_by_role("button", name="Edit").click()
    drawn(page, f"{HOSTILE[0]}/{HOSTILE[0]}", 1)
    assert page.locator("main img, main script, [onerror], a[href^='javascript']").count() == 0


def test_at_every_size_in_both_themes(visitor: Any, reports: Served, write: Callable[..., str]) -> None:
    place = write()
    page = visitor.visit(reports, place)
    versions = f"{place}?panel=history"
    for path in ("/digits/reports", f"{place}?panel=comments", versions, f"{place}?edit=1", "/nothing/reports"):
        page.goto(reports.url + path)
        expect(page.locator("main h1, main h2").first).to_be_attached()
        if "reports/" in path:
            drawn(page, "train/loss", 2)
        check_looks(page, path)


def test_by_keyboard_alone(visitor: Any, reports: Served, write: Callable[..., str]) -> None:
    page = visitor.visit(reports, write("one"))
    page.get_by_role("button", name="Edit").focus()
    page.keyboard.press("Enter")
    editor(page).focus()
    page.keyboard.press("ControlOrMeta+End")
    page.keyboard.type(" and two")
    page.keyboard.press("ControlOrMeta+s")
    expect(page.get_by_role("status").filter(has_text=re.compile("^Saved$"))).to_be_visible()
    page.keyboard.press("Tab")  # it leaves the editor, as it leaves every field
    expect(editor(page)).not_to_be_focused()
    page.get_by_role("button", name="Close").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("one and two")).to_be_visible()
    page.get_by_role("button", name="More").focus()
    page.keyboard.press("Enter")
    has_focus(page.get_by_role("menu"))
    page.get_by_role("menuitem", name="Delete the report").press("Enter")
    has_focus(page.get_by_role("dialog"))
    page.get_by_role("dialog").get_by_role("button", name="Delete").press("Enter")
    page.wait_for_url("**/digits/reports")
