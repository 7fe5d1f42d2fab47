"""Runs beside each other: what differs, where two curves part, how the code differs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from dashboard_yard import HOSTILE, XSS, Served, serving
from hands import still
from looks import check_looks
from playwright.sync_api import Page, expect
from store_builder import StoreBuilder

import treering

PATCH = "diff --git a/{0} b/{0}\n--- a/{0}\n+++ b/{0}\n@@ -1,2 +1,2 @@\n same\n-old\n+{1}\n"
SOURCE = "import torch\n\nlr = {}\nmodel = torch.nn.Linear(2, 2)\nprint('done')\n"


@pytest.fixture(scope="module")
def pair(built: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, list[str]]]:
    """A server, and ids: of three runs that go the same way until step 121, and of two with code."""
    folder = tmp_path_factory.mktemp("pair") / "store"
    builder = StoreBuilder(folder)
    for number, (commit, line) in enumerate((("a" * 40, "x"), ("b" * 40, "y"))):
        patch = PATCH.format("model.py", line) + (PATCH.format("data.py", "z") if number else "")
        run = builder.run(
            f"code{number}",
            project="code",
            name=f"code-{number}",
            capture={
                "git": {"commit": commit, "branch": "main", "dirty": True, "diff": patch},
                "source": {"kind": "script", "path": "train.py", "text": SOURCE.format(0.1 + number)},
                "environment": {
                    "host": "bach",
                    "python": {"version": "3.11.7"},
                    "packages": {"numpy": f"2.{number}", "torch": "2.9"},
                },
            },
        )
        if number:
            run.attempt(from_step=7)
    for number in (0, 1):
        texts = dict.fromkeys(HOSTILE, HOSTILE[number])
        evil = builder.run(f"evil{number}", project=XSS, name=HOSTILE[number], config=texts, summary={XSS: number})
        evil.log([(step, {f"{XSS}/{XSS}": float(step * number)}) for step in range(5)])
    builder.database.close()
    ids: list[str] = []
    for number, optimizer in enumerate(("sgd", "adam", "adamw")):
        config = {"lr": [0.1, 0.001, 0.003][number], "optimizer": {"name": optimizer}, "epochs": 3}
        with treering.init(dir=folder, project="digits", name=optimizer, config=config) as run:
            for step in range(200):
                late = number * (step > 120)
                run.log({"train/loss": (1 + 0.1 * late) / (step + 1), "val/accuracy": 0.5 + step / 1000, "same": step})
        ids.append(run.id)
    with serving(folder) as served:
        yield served, [*ids, "code0", "code1"]


def opened(visitor: Any, pair: tuple[Served, list[str]], rest: str = "") -> Page:
    served, ids = pair
    page: Page = visitor.visit(served, f"/digits/compare?runs={','.join(ids[:3])}{rest}")
    expect(page.get_by_role("heading", name="3 runs compared")).to_be_visible()
    return page


def has_row(page: Page, part: str, key: str, texts: list[str]) -> None:
    """Wait until a row's cells have these texts."""
    found = page.locator(f'[data-part="{part}"] tr').filter(has=page.get_by_role("rowheader", name=key, exact=True))
    expect(found.locator("td")).to_have_text(texts, use_inner_text=True)


def test_from_the_table_to_what_differs(visitor: Any, pair: tuple[Served, list[str]]) -> None:
    page = visitor.visit(pair[0], "/digits")
    for name in ("sgd", "adamw"):
        page.get_by_label(f"Select {name}", exact=True).check()
    page.get_by_role("link", name="Compare").click()
    expect(page.get_by_role("heading", name="2 runs compared")).to_be_visible()
    expect(page.get_by_role("columnheader", name="adamw")).to_be_visible()
    page = opened(visitor, pair)
    has_row(page, "Config", "lr", ["0.1", "0.001", "0.003"])
    has_row(page, "Config", "optimizer.name", ["sgd", "adam", "adamw"])
    config, metrics = page.locator('[data-part="Config"]'), page.locator('[data-part="Metrics"]')
    expect(config).to_contain_text("2 of 3 differ")
    expect(config).not_to_contain_text("epochs")
    expect(metrics.get_by_role("row", name="train/loss min")).to_contain_text("0.005")
    expect(metrics.get_by_role("img", name="best")).to_have_count(2)  # the last and the smallest loss, both of sgd
    page.get_by_role("button", name="Compare the others with sgd, in %").click()
    page.wait_for_url("**base=**")
    expect(metrics.get_by_role("row", name="train/loss last")).to_contain_text("+10.0 %")
    page.get_by_role("switch", name="Only what differs").press("Space")
    expect(config).to_contain_text("epochs")
    page.get_by_label("Find in the comparison").fill("ADAMW")
    expect(page.locator("[data-part]")).to_have_count(1)
    has_row(page, "Config", "optimizer.name", ["sgd", "adam", "adamw"])
    page.reload()
    expect(page.get_by_label("Find in the comparison")).to_have_value("ADAMW")
    page.get_by_role("button", name="Leave adam out").click()
    expect(page.get_by_role("heading", name="2 runs compared")).to_be_visible()


def test_the_step_at_which_they_part(visitor: Any, pair: tuple[Served, list[str]]) -> None:
    page = opened(visitor, pair, "&part=parting")
    table = page.get_by_role("region", name="Where they part")
    loss = table.get_by_role("row", name="train/loss")
    expect(loss).to_contain_text("step 121")
    expect(loss).to_contain_text(str(1 / 122))
    expect(loss).to_contain_text(str(1.1 / 122))
    expect(loss).to_contain_text("79 of 200")
    expect(table.get_by_role("row", name="val/accuracy")).to_contain_text("the same in all 200 values")
    expect(page.get_by_text("1 of 3 metrics part, 2 are the same in every value")).to_be_visible()
    page.get_by_role("combobox", name="What counts as the same").click()
    page.get_by_role("option", name="same within 10 %").click()
    expect(loss).to_contain_text("the same in all 200 values")
    page.get_by_role("combobox", name="Second run").click()
    page.get_by_role("option", name="adamw").click()
    expect(loss).to_contain_text("step 121")  # 20 % apart
    loss.get_by_role("link").click()
    expect(page.locator("[data-chart]")).to_have_count(1)
    expect(page.locator('[data-chart="train/loss"] [data-lines="2"]')).to_be_visible()


def test_curves_lie_over_each_other(visitor: Any, pair: tuple[Served, list[str]]) -> None:
    page = opened(visitor, pair, "&part=curves")
    expect(page.locator('[data-chart="train/loss"] [data-lines="3"]')).to_be_visible()
    expect(page.locator('[data-chart="val/accuracy"] [data-lines="3"]')).to_be_visible()
    expect(page.get_by_text("All 3 runs drawn")).to_be_visible()


def test_code_and_machines_line_by_line(visitor: Any, pair: tuple[Served, list[str]]) -> None:
    served, _ = pair
    page = visitor.visit(served, "/code/compare?runs=code0,code1&part=code")
    program = page.get_by_role("region", name="The program")
    expect(program.locator('[data-kind="del"]')).to_have_text(["3\N{MINUS SIGN}lr = 0.1"])
    expect(program.locator('[data-kind="add"]')).to_have_text(["3+lr = 1.1"])
    expect(page.get_by_text(f"git diff {'a' * 40} {'b' * 40}")).to_be_visible()
    rest = page.get_by_role("region", name="What was not committed")
    expect(rest).to_contain_text("only in code-1")
    expect(rest.get_by_role("region", name="model.py", exact=True)).to_contain_text("+y")
    page.get_by_role("tab", name="Differences").click()
    has_row(page, "Packages", "numpy", ["2.0", "2.1"])
    has_row(page, "Environment", "git commit", ["a" * 40, "b" * 40])
    expect(page.locator('[data-part="Packages"]')).not_to_contain_text("torch")


def test_a_run_shows_its_code_machine_and_attempts(visitor: Any, pair: tuple[Served, list[str]]) -> None:
    served, _ = pair
    page = visitor.visit(served, "/code/runs/code1")
    expect(page.get_by_role("region", name="Code")).to_contain_text(f"git checkout {'b' * 40}")
    machine = page.get_by_role("region", name="Environment")
    expect(machine).to_contain_text("bach")
    machine.get_by_text("2 packages").click()
    expect(machine).to_contain_text("numpy")
    attempts = page.get_by_role("region", name="Attempts")
    expect(attempts.get_by_role("listitem")).to_have_count(2)
    expect(attempts).to_contain_text("attempt 2 replaced what came after step 7")
    page.get_by_role("tab", name="Code").click()
    file = page.get_by_role("region", name="data.py", exact=True)
    expect(file.locator('[data-kind="del"]')).to_contain_text("old")
    expect(file.locator('[data-kind="add"]')).to_contain_text("z")
    page.get_by_text("Source", exact=True).click()
    expect(page.get_by_role("region", name="train.py")).to_contain_text("torch.nn.Linear(2, 2)")


def test_hostile_runs_and_addresses(visitor: Any, pair: tuple[Served, list[str]]) -> None:
    visitor.expected.append("404")
    served, ids = pair
    page = visitor.visit(served, "/x/compare?runs=evil0,evil1,gone")
    expect(page.get_by_text("gone is not there")).to_be_visible()
    for text in HOSTILE:
        expect(page.locator("main")).to_contain_text(text)
    for part in ("parting", "curves", "code"):
        page.goto(f"{served.url}/x/compare?runs=evil0,evil1&part={part}")
        expect(page.get_by_role("heading", name="2 runs compared")).to_be_visible()
    page.goto(f"{served.url}/x/compare?runs=evil0,evil1&part=parting")
    expect(page.get_by_role("region", name="Where they part")).to_contain_text(XSS)
    assert page.locator("main img, main script, [onerror]").count() == 0
    page.goto(f"{served.url}/digits/compare?runs={ids[0]}")
    expect(page.get_by_text("Nothing to compare yet")).to_be_visible()


def test_by_keyboard_and_at_every_size(visitor: Any, pair: tuple[Served, list[str]]) -> None:
    page = opened(visitor, pair, "&all=1")
    for name in ("Differences", "Curves", "Where they part", "Code"):
        tab = page.get_by_role("tab", name=name)
        tab.focus()
        page.keyboard.press("Enter")
        expect(tab).to_have_attribute("aria-selected", "true")
        expect(page.get_by_role("tabpanel").locator("table, [data-lines], p").first).to_be_visible()
        page.wait_for_load_state("networkidle")
        check_looks(page, name)
    page.set_viewport_size({"width": 390, "height": 844})
    page.get_by_role("tab", name="Differences").press("Enter")
    key = page.get_by_role("rowheader", name="optimizer.name")
    before = still(key)
    page.get_by_role("region", name="Differences").evaluate("element => { element.scrollLeft = 200 }")
    assert still(key) == before  # keys and names of runs stay where they are
    head = page.get_by_role("columnheader", name="sgd", exact=False).first
    top = still(head)
    page.get_by_role("region", name="Differences").evaluate("element => { element.scrollTop = 300 }")
    assert still(head)["y"] == top["y"]
