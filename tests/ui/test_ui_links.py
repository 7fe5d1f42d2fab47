"""Addresses as somebody types them or finds them in a mail: each is opened cold, in a window that has seen no page."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import pytest
from dashboard_yard import Served, serving
from playwright.sync_api import Page, expect
from store_builder import StoreBuilder

import treering
from treering.store.database import Sqlite
from treering.sweeps.config import config_of_text
from treering.sweeps.store import StoredSweeps

WORLD = "über 日本, two words"
#: No program of ours may call a project so, but what is brought from elsewhere may.
ODD = "über 50%/日本 a?b#c"
ODD_PART = "über 50~25~2f日本 a~3fb~23c"
RUN = "50% of it / über 日本"


def fill_linked(folder: Path) -> tuple[str, str]:
    """Keep a run, an artifact and a sweep in one project and a run in another; returns the ids of run and sweep."""
    StoreBuilder(folder).run("odd", project=ODD, name=RUN).log([(0, {"loss": 0.5})])
    with tempfile.TemporaryDirectory() as scratch, treering.init(dir=folder, project=WORLD, name=RUN) as run:
        run.log({"loss": 0.5})
        kept = Path(scratch) / "weights.txt"
        kept.write_text("1 2 3", encoding="utf-8")
        artifact = treering.Artifact("net.v-1_a", "model")
        artifact.add_file(str(kept))
        run.log_artifact(artifact).wait()
    database = Sqlite(folder / "treering.db")
    try:
        text = f"method: random\nname: {RUN!r}\nproject: {WORLD!r}\nparameters: {{x: {{min: 0.0, max: 1.0}}}}\n"
        return run.id, StoredSweeps(database).create(config_of_text(text, "a sweep").plain, source=text).id
    finally:
        database.close()


@pytest.fixture(scope="module", params=["", "/team/tracking"], ids=["root", "prefix"])
def linked(
    request: pytest.FixtureRequest, built: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Served, tuple[str, str]]]:
    """A store with all that has an address, served at the root of a host and below a path."""
    folder = tmp_path_factory.mktemp("linked") / "store"
    ids = fill_linked(folder)
    with serving(folder, root_path=request.param) as found:
        yield found, ids


def see_project(page: Page, project: str) -> None:
    expect(page).to_have_title(f"{project} · treering")
    expect(page.locator("[data-run]")).to_have_count(1)
    expect(page.locator("[data-run]")).to_contain_text(RUN)


def see_run(page: Page, project: str) -> None:
    expect(page).to_have_title(f"{RUN} · {project} · treering")
    expect(page.get_by_role("heading", name=RUN)).to_be_visible()


def test_the_four_addresses_of_a_project(visitor: Any, linked: Any) -> None:
    served, (run_id, sweep_id) = linked
    part = quote(WORLD, safe="") if served.prefix else WORLD  # as a mail writes it, and as somebody types it
    see_project(visitor.visit(served, f"/{part}"), WORLD)
    see_run(visitor.visit(served, f"/{part}/runs/{run_id}"), WORLD)
    page = visitor.visit(served, f"/{part}/artifacts/net.v-1_a")
    expect(page).to_have_title(f"net.v-1_a · {WORLD} · treering")
    expect(page.get_by_text("weights.txt").first).to_be_visible()
    see_run(visitor.visit(served, f"/{part}/sweeps/{sweep_id}"), WORLD)


def test_names_with_slashes_and_percent_signs(visitor: Any, linked: Any) -> None:
    """As a program writes it, which is taken too; and as the dashboard does."""
    served, _ = linked
    page = visitor.visit(served, f"/{quote(ODD, safe='')}")
    see_project(page, ODD)
    page.locator("[data-run]").get_by_role("link", name=RUN).click()
    see_run(page, ODD)
    see_run(visitor.visit(served, f"/{ODD_PART}/runs/odd"), ODD)
    page.get_by_role("link", name=ODD).first.click()
    see_project(page, ODD)
    assert unquote(page.url) == f"{served.url}/{ODD_PART}"
