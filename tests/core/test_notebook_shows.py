"""What a real kernel shows of runs, lists, stores and files; and the dashboard below a cell, in a real browser."""

from __future__ import annotations

import functools
import http.server
import os
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from programs import BARE

from treering.api import Api

Show = Callable[..., list[dict[str, Any]]]
XSS = '<img src=x onerror=alert(1)>"'


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, Path]]:
    manager: Any = pytest.importorskip("jupyter_client.manager")
    pytest.importorskip("ipykernel")
    folder = tmp_path_factory.mktemp("notebook")
    environment = {**os.environ, **BARE, "TREERING_DIR": str(folder / "store"), "TREERING_PROJECT": "p"}
    kernel, client = manager.start_new_kernel(kernel_name="python3", cwd=str(folder), env=environment)
    yield client, folder / "store"
    client.stop_channels()
    kernel.shutdown_kernel()


@pytest.fixture
def show(kernel: tuple[Any, Path]) -> Show:
    """Run a cell; what it has shown, each as {MIME type: text}.

    A card of an earlier cell renews itself in the middle of any later one: only who asks for the renewals sees them.
    """

    def run_cell(code: str, *, renewals: bool = False) -> list[dict[str, Any]]:
        shown: list[dict[str, Any]] = []
        kinds = {"display_data", "execute_result"} | ({"update_display_data"} if renewals else set())

        def hear(message: dict[str, Any]) -> None:
            if message["msg_type"] in kinds:
                shown.append({**message["content"]["data"], "kind": message["msg_type"]})
            elif message["msg_type"] == "error":
                shown.append({"text/plain": "\n".join(message["content"]["traceback"]), "kind": "error"})

        kernel[0].execute_interactive(code, timeout=120, output_hook=hear)
        return shown

    return run_cell


class Elements(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes.update(name for name, _ in attrs)

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def read(html: str) -> str:
    """The words of HTML, after a look at what it is made of."""
    found = Elements()
    found.feed(html)
    assert not found.tags & {"script", "img", "iframe", "link", "object"}
    assert not [name for name in found.attributes if name.startswith("on")]
    return " ".join(found.words)


def test_everything_shows_itself_and_names_are_text(show: Show) -> None:
    begun = f"import treering; run = treering.init(name={XSS!r}, config={{{XSS!r}: {XSS!r}, 'lr': 0.1}})"
    show(begun)
    show(f"for step in range(40): run.log({{'loss': 1 / (step + 1), {XSS!r}: float('nan')}})")
    (card,) = show("run")
    assert card["text/plain"].startswith("<Run ")
    words = read(card["text/html"])
    assert XSS in words
    assert "0.025" in words
    assert "running" in words
    assert card["text/html"].count("<svg") == 2
    path = re.search(r'<path d="M([^"]*)"', card["text/html"])
    assert path is not None
    assert len(re.findall("L", path[1])) == 39
    for code, told in (
        ("treering.Api()", "project"),
        ("treering.Api().runs()", "1 run"),
        ("treering.Api().run('latest')", "0.025"),
        ("treering.Api().runs('none')", "No runs"),
        ("treering.Api().create_report('p', 'Title <b>', '')", "Title <b>"),
    ):
        (shown,) = show(code)
        assert told in read(shown["text/html"])
        assert shown["text/plain"]
    show("open('w.bin', 'wb').write(b'x' * 2000); run.log_artifact('w.bin', name='weights').wait()")
    (files,) = show("treering.Api().version('weights')")
    assert "weights :v0" in read(files["text/html"]).replace("weights:v0", "weights :v0")
    assert "w.bin" in read(files["text/html"])
    show("run.finish()")


def test_a_run_is_renewed_while_it_goes_on(show: Show) -> None:
    (first,) = show("import treering; run = treering.init(name='on'); run.log({'loss': 8.5}); run")
    assert "8.5" in read(first["text/html"])
    deadline_s = time.monotonic() + 90
    seen = ""
    while "4.25" not in seen:
        assert time.monotonic() < deadline_s
        shown = show("import time; run.log({'loss': 4.25}); time.sleep(1)", renewals=True)
        assert {one["kind"] for one in shown} <= {"update_display_data"}
        seen = "".join(read(one["text/html"]) for one in shown)
    show("run.finish()")
    while "finished" not in seen:
        assert time.monotonic() < deadline_s
        seen = "".join(read(one["text/html"]) for one in show("time.sleep(1)", renewals=True))


def test_a_disabled_run_is_text(show: Show) -> None:
    (shown,) = show("import treering; treering.init(mode='disabled')")
    assert "text/html" not in shown


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_words: object) -> None:
        pass


def test_the_dashboard_below_a_cell(show: Show, kernel: tuple[Any, Path], tmp_path: Path) -> None:
    playwright = pytest.importorskip("playwright.sync_api")
    from browser import ARGUMENTS, chromium
    from dashboard_yard import ROOT

    sys.path.insert(0, str(ROOT))
    import hatch_build

    hatch_build.build()
    show("import treering; treering.init(id='framed', name='framed').finish()")
    (cell,) = show("%load_ext treering\n%treering framed --height 500")
    html = cell["text/html"]
    port = re.search(r"http://127\.0\.0\.1:(\d+)", html)
    assert port is not None
    (again,) = show("%treering")
    assert f":{port[1]}/" in again["text/html"]
    (linked,) = show("treering.Api().run('framed')")
    assert f'href="http://127.0.0.1:{port[1]}/p/runs/framed"' in linked["text/html"]
    (wrong,) = show("%treering --heigth 3")
    assert "usage" in wrong["text/plain"]
    (tmp_path / "page.html").write_text(f"<!doctype html><meta charset=utf-8><title>notebook</title>{html}")
    page_server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(tmp_path)))
    threading.Thread(target=page_server.serve_forever, daemon=True).start()
    with playwright.sync_playwright() as playing:
        browser = playing.chromium.launch(executable_path=chromium(), args=list(ARGUMENTS))
        for host in ("127.0.0.1", "localhost"):
            page = browser.new_context().new_page()
            page.set_default_timeout(60_000)
            page.goto(f"http://{host}:{page_server.server_port}/page.html")
            frame = page.frame_locator("iframe")
            playwright.expect(frame.get_by_role("heading", name="framed")).to_be_visible(timeout=60_000)
        page = browser.new_context().new_page()  # elsewhere there is an address, and no frame
        page.goto((tmp_path / "page.html").as_uri())
        playwright.expect(page.get_by_role("link", name=re.compile("127.0.0.1"))).to_be_visible()
        assert page.locator("iframe").count() == 0
        browser.close()
    page_server.shutdown()
    page_server.server_close()
    with Api(kernel[1]) as api:
        assert api.run("framed").state == "finished"
    (stopped,) = show("%treering stop")
    assert "Stopped" in stopped["text/html"]
