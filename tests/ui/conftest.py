"""One store, one server and one browser for all tests of the dashboard; each test gets a page, watched for faults."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from browser import ARGUMENTS, chromium
from dashboard_yard import ROOT, TOKEN, Served, fill, serving
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect, sync_playwright


@pytest.fixture(scope="session")
def built() -> None:
    """The dashboard, built from what is in the tree now."""
    sys.path.insert(0, str(ROOT))
    import hatch_build

    hatch_build.build()


@pytest.fixture(scope="session")
def served(built: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The store of all tests that change nothing."""
    folder = tmp_path_factory.mktemp("dashboard") / "store"
    fill(folder)
    with serving(folder) as found:
        yield found


@pytest.fixture(scope="session")
def serve(built: None) -> Callable[..., Any]:
    """Serve a store of a test's own."""
    return serving


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    # Not for the whole session: while it is open, its event loop runs in this thread, and tests of others need theirs.
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=chromium(), args=list(ARGUMENTS))
        yield found
        found.close()


expect.set_options(timeout=60_000)  # the machines of tests are busy


@dataclass
class Visitor:
    """Somebody with a browser. What goes wrong meanwhile is collected, and must be nothing at the end."""

    context: BrowserContext
    page: Page
    faults: list[str] = field(default_factory=list)
    #: Faults that a test brings about on purpose, as parts of their texts.
    expected: list[str] = field(default_factory=list)

    def visit(self, served: Served, path: str = "/") -> Page:
        """Open a page as somebody does who followed the start address once."""
        if not self.context.cookies(served.url):
            self.page.goto(f"{served.url}/login?token={TOKEN}")
            self.page.wait_for_load_state("networkidle")
        self.page.goto(served.url + path)
        return self.page

    def _hear(self, message: ConsoleMessage) -> None:
        # That the tests read what is drawn is no fault of the page's.
        if message.type in {"error", "warning"} and "willReadFrequently" not in message.text:
            self.faults.append(message.text)

    def watch(self) -> None:
        """Collect faults of the page, and requests that leave the server."""
        page = self.page

        def asked(request: Any) -> None:
            if not request.url.startswith(("http://127.0.0.1:", "blob:http://127.0.0.1:", "data:image/")):
                self.faults.append(f"a request to {request.url[:200]}")

        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.faults.append(error.stack or str(error)))
        page.on("dialog", lambda dialog: (self.faults.append(f"a dialog: {dialog.message}"), dialog.dismiss()))
        page.on("request", asked)


@pytest.fixture
def visitor(browser: Browser) -> Iterator[Visitor]:
    """A visitor with a window of 1440x900, in the light."""
    context = browser.new_context(
        viewport={"width": 1440, "height": 900}, color_scheme="light", reduced_motion="reduce", accept_downloads=True
    )
    context.set_default_timeout(60_000)
    visitor = Visitor(context, context.new_page())
    visitor.watch()
    yield visitor
    context.close()
    unexpected = [text for text in visitor.faults if not any(part in text for part in visitor.expected)]
    assert not unexpected, unexpected
