"""What changes while somebody looks: new runs, new points, new names; and what to show when there is nothing."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from looks import check_looks
from playwright.sync_api import expect
from store_builder import StoreBuilder

import treering


def test_an_empty_store_teaches_and_fills_by_itself(visitor: Any, serve: Callable[..., Any], tmp_path: Path) -> None:
    with serve(tmp_path / "store") as served:
        page = visitor.visit(served, "/")
        expect(page.get_by_text("import treering").first).to_be_visible()
        expect(page.get_by_text("run.log(")).to_be_visible()
        treering.init(dir=tmp_path / "store", project="fresh").finish()
        expect(page.get_by_role("link", name="fresh")).to_be_visible()
        visitor.page.goto("about:blank")


def test_a_run_grows_before_ones_eyes(visitor: Any, serve: Callable[..., Any], tmp_path: Path) -> None:
    StoreBuilder(tmp_path / "store").run("old", project="p", name="old")
    with serve(tmp_path / "store") as served:
        page = visitor.visit(served, "/p")
        expect(page.get_by_text("All", exact=False).first).to_be_attached()
        run = treering.init(dir=tmp_path / "store", project="p", name="growing", config={"lr": 0.5})
        for step in range(20):
            run.log({"loss": 1 / (step + 1)})
        row = page.locator(f'[data-run="{run.id}"]')
        expect(row).to_contain_text("growing")
        expect(row.get_by_role("img", name="running")).to_be_visible()
        chart = page.locator('[data-chart="loss"]')
        expect(chart).to_contain_text("20 pts")
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        for step in range(20, 50):
            run.log({"loss": 1 / (step + 1)})
        expect(chart).to_contain_text("50 pts")
        assert not [url for url in asked if url.endswith("/series")]  # only what is new came
        run.finish()
        expect(row.get_by_role("img", name="running")).to_have_count(0)
        visitor.page.goto("about:blank")


def test_people_tag_rename_and_delete(visitor: Any, serve: Callable[..., Any], tmp_path: Path) -> None:
    builder = StoreBuilder(tmp_path / "store")
    for number in range(3):
        builder.run(f"run{number}", project="p", name=f"name{number}", tags=["a"] if number else [])
    with serve(tmp_path / "store") as served:
        page = visitor.visit(served, "/p?columns=tag,notes")
        page.get_by_label("Select name0").check()
        page.get_by_label("Select name1").check()
        page.get_by_role("button", name="Name, notes").click()
        page.get_by_role("dialog").get_by_label("Notes of all").fill("of the night")
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_role("cell", name="of the night")).to_have_count(2)
        expect(page.get_by_role("link", name="name0")).to_be_visible()  # names stay as they are
        page.get_by_role("button", name="Tag", exact=True).click()
        page.get_by_role("combobox", name="Tags of 2 runs").fill("best")
        page.keyboard.press("Enter")
        page.get_by_role("button", name="Save").click()
        for number in (0, 1):
            expect(page.locator(f'[data-run="run{number}"]')).to_contain_text("best")
        expect(page.locator('[data-run="run1"]')).to_contain_text("a")  # what only one has stays with it
        page.get_by_label("Select name0").uncheck()
        page.get_by_role("button", name="Name, notes").click()
        page.get_by_role("dialog").get_by_label("Name").fill("renamed")
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_role("link", name="renamed")).to_be_visible()
        page.get_by_role("button", name="Delete").click()
        page.get_by_role("dialog").get_by_role("button", name="Delete").click()
        expect(page.get_by_role("link", name="renamed")).to_have_count(0)
        expect(page.locator("[data-run]")).to_have_count(2)
        row = page.locator('[data-run="run2"]')  # one alone: from its own menu
        for item, field, text in (("Name and notes …", "Notes", "the best"), ("Tags …", "Tags of the run", "kept")):
            row.hover()
            row.get_by_role("button", name="More for name2").click()
            page.get_by_role("menuitem", name=item).click()
            page.get_by_role("dialog").get_by_label(field).first.fill(text)
            page.keyboard.press("Enter")  # a tag is done; notes go on
            page.get_by_role("button", name="Save").click()
            expect(page.get_by_role("dialog")).to_have_count(0)
            expect(row).to_contain_text(text)
        row.hover()
        row.get_by_role("button", name="More for name2").click()
        page.get_by_role("menuitem", name="Delete …").click()
        expect(page.get_by_role("dialog")).to_contain_text("Delete the run name2 with everything logged?")
        page.get_by_role("dialog").get_by_role("button", name="Delete").click()
        expect(row).to_have_count(0)
        visitor.page.goto("about:blank")


def test_behind_a_prefix_everything_is_found(visitor: Any, serve: Callable[..., Any], tmp_path: Path) -> None:
    StoreBuilder(tmp_path / "store").run("a", project="api").log([(step, {"loss": 1.0}) for step in range(3)])
    with serve(tmp_path / "store", root_path="/tracking") as served:
        page = visitor.visit(served, "/")
        page.get_by_role("link", name="api").click()
        expect(page.locator('[data-chart="loss"] [data-lines="1"]')).to_be_visible()
        assert page.url.endswith("/tracking/~61pi")
        page.reload()
        expect(page.locator('[data-chart="loss"]')).to_contain_text("3 pts")
        visitor.page.goto("about:blank")


def test_in_the_frame_of_a_page_that_may(visitor: Any, serve: Callable[..., Any], tmp_path: Path) -> None:
    """A portal that the admin named shows the dashboard, and another page does not."""
    StoreBuilder(tmp_path / "store").run("one", project="framed", name="first")
    with (
        paged(tmp_path) as portal,
        paged(tmp_path) as other,
        serve(tmp_path / "store", frame_origins=(portal,)) as served,
    ):
        page = visitor.visit(served, "/")
        (tmp_path / "index.html").write_text(f"<h1>A portal</h1><iframe src='{served.url}/framed'></iframe>")
        (tmp_path / "favicon.ico").touch()
        page.goto(portal)
        expect(page.frame_locator("iframe").get_by_role("link", name="framed")).to_be_visible()
        visitor.expected.append("frame-ancestors")
        with page.expect_console_message(lambda message: "frame-ancestors" in message.text):
            page.goto(other)
        expect(page.get_by_role("heading", name="A portal")).to_be_visible()
        page.goto("about:blank")


@contextmanager
def paged(folder: Path) -> Iterator[str]:
    """Serve a folder's files as another origin does."""
    handler = partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Says nothing of what it serves."""

    def log_message(self, *_arguments: Any) -> None:
        pass


def test_a_run_that_is_not_there_leads_to_those_that_are(visitor: Any, served: Any) -> None:
    visitor.expected.append("404 (Not Found)")
    page = visitor.visit(served, "/digits/runs/sgd-1x")
    said = page.get_by_role("alert")
    expect(said).to_contain_text("There is no such run")
    expect(said.get_by_role("listitem")).to_have_count(4)  # the nearest, and no more
    expect(said.get_by_role("listitem").first).to_contain_text("sgd-1")
    check_looks(page, "a run that is not there")
    said.get_by_role("link", name="sgd-11").click()
    expect(page.get_by_role("heading", name="sgd-11")).to_be_visible()
    page = visitor.visit(served, "/digits/artifacts/nothing")
    page.get_by_role("alert").get_by_role("link", name="Runs of digits").click()
    page.wait_for_url("**/digits")
    page = visitor.visit(served, "/a/page/of/nobody")
    page.get_by_role("alert").get_by_role("link", name="All projects").click()
    expect(page.get_by_role("link", name="digits")).to_be_visible()


def test_without_the_token_nothing_is_shown(visitor: Any, served: Any) -> None:
    visitor.expected += ["401", "Unauthorized"]
    answer = visitor.page.goto(f"{served.url}/digits")
    assert answer is not None
    assert answer.status == 401


def test_a_server_that_went_away_is_named(visitor: Any, serve: Callable[..., Any], tmp_path: Path) -> None:
    StoreBuilder(tmp_path / "store").run("a", project="p")
    with serve(tmp_path / "store") as served:
        page = visitor.visit(served, "/p")
        expect(page.locator('[data-run="a"]')).to_be_visible()
    visitor.expected += ["ERR_", "Failed to load"]
    page.get_by_role("link", name="treering").click()
    expect(page.get_by_role("alert")).to_contain_text("treering ui")
