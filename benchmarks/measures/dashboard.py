"""The dashboard in a real, headless Chromium: when something is seen, when a chart is, and how late a new point is.

`treering ui` runs in a process of its own, as users start it, and has answered one page before (its modules are loaded;
what the browser keeps is emptied for each page). Times count from the start of the navigation, or from the click, to
the change of the page, told by the page's own clock. `log() to pixels` counts from the call to the frame in which the
chart has the point; the run is written by the process that measures. The spike is one value among ten million: the
measure fails unless its pixels are there. Needs Playwright and a Chromium (`CHROMIUM`, or on the path).

Others are measured on the page of 12 runs, and by when they show a new point: with the same browser, warm as well, as
`benchmarks/dashboards.py` says. One that does not show it in time has no figure there. What is installed is counted
file by file, with all that a package requires, without extras.
"""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.dashboards import DASHBOARDS, DRAWN, installed_mb, served
from benchmarks.harness import Bench, Figure, Values
from benchmarks.process import MeasureError
from benchmarks.stores import builder_of, fill_axes, fill_spike, fill_table
from benchmarks.trackers.base import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Generator

    from playwright.sync_api import Browser, Page

    from benchmarks.control import Control
    from benchmarks.dashboards import Dashboard
    from benchmarks.trackers.base import Tracker

FIGURES = (
    Figure("paint_ms", "dashboard: first contentful paint, 12 runs x 2 curves x 2,000 points", "ms", 300.0),
    Figure("chart_ms", "  first chart", "ms", 800.0),
    Figure("script_kb", "  compressed JavaScript of the page", "kB", 400.0),
    Figure("many_chart_ms", "  first chart of 1,000 runs x 100 metrics", "ms", 1500.0),
    Figure("spike_chart_ms", "  chart of 10,000,000 points with one spike, which is seen", "ms", 1500.0),
    Figure("sort_ms", "  10,000 runs x 50 columns: click to sorted rows", "ms", 200.0),
    Figure("filter_ms", "  10,000 runs x 50 columns: Enter to filtered rows", "ms", 200.0),
    Figure("live_ms", "  log() to pixels", "ms", 1000.0),
    Figure("installed_mb", "  installed, with all that it requires", "MB", 150.0),
)
PARAMETERS: dict[str, dict[str, Any]] = {
    "full": {
        "runs": 1000,
        "metrics": 100,
        "spike": 10_000_000,
        "rows": 10_000,
        "columns": 50,
        "peer_points": 2000,
        "points": 20,
        "wait_s": 60,
    },
    "tiny": {
        "runs": 20,
        "metrics": 3,
        "spike": 50_000,
        "rows": 120,
        "columns": 5,
        "peer_points": 200,
        "points": 2,
        "wait_s": 5,
    },
}
REPEATS = {"full": 2, "tiny": 1}
_PEER_S = 150.0
_SUPPORT = Path(__file__).parents[2] / "tests" / "support"
# What tells of the first chart: the frame after the one in which its lines are there.
_WATCH = """new MutationObserver(() => {
  if (window.firstChart === undefined && document.querySelector('[data-lines]')) {
    window.firstChart = null;
    requestAnimationFrame(() => requestAnimationFrame(() => { window.firstChart = performance.now(); }));
  }
}).observe(document, {childList: true, subtree: true, attributes: true});"""
_COLOURED = """() => { const canvas = document.querySelector('[data-chart] canvas');
  const {data} = canvas.getContext('2d').getImageData(0, 0, canvas.width, Math.round(canvas.height * 0.25));
  let found = 0;
  for (let i = 0; i < data.length; i += 4)
    if (data[i + 3] > 128 && Math.max(...data.slice(i, i + 3)) - Math.min(...data.slice(i, i + 3)) > 60) found++;
  return found; }"""
_SCRIPTS = "performance.getEntriesByType('resource').filter(one => one.name.split('?')[0].endsWith('.js'))"
_FIRST_ROW = "document.querySelector('[data-run]')?.dataset.run"
_AFTER = """async ([act, want]) => {
  const start = performance.now();
  if (act === 'sort') document.querySelector('[title^="summary.s0 "]').click();
  while (true) {
    await new Promise(requestAnimationFrame);
    const first = document.querySelectorAll('[data-run]')[0];
    if (first && first.dataset.run !== want) return performance.now() - start;
    if (performance.now() - start > 60000) return -1;
  } }"""
_LIVE = """(count) => new Promise((done) => { const look = () => {
  const note = document.querySelector('[data-chart="loss"]')?.innerText ?? '';
  if (note.includes(`${count} pts`)) requestAnimationFrame(() => done(Date.now())); else requestAnimationFrame(look); };
  look(); })"""


def rep(bench: Bench) -> Values:
    if bench.tracker != "treering" and bench.tracker not in DASHBOARDS:
        raise UnavailableError("no dashboard of its own that runs here")
    # The browser is driven from our own process: a peer's may have other releases of what that needs.
    child = bench.child_in(bench.scratch, "treering", "dashboard", shown=bench.tracker)
    if bench.tracker != "treering":
        child.timeout_s = _PEER_S  # one that hangs has no figures, and costs the others none
    try:
        return child.result()
    except MeasureError:
        child.reap_orphans(0)  # its server and its browser
        raise


def child(tracker: Tracker, parameters: dict[str, Any], scratch: Path, control: Control) -> Values:
    try:
        from playwright.sync_api import sync_playwright
    except ModuleNotFoundError as error:
        raise UnavailableError("Playwright is not installed") from error
    sys.path.insert(0, str(_SUPPORT))
    from browser import ARGUMENTS, chromium

    store = scratch / "store"
    peer = DASHBOARDS.get(parameters["shown"])
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=list(ARGUMENTS))
        try:
            if peer is not None:
                return _measure_peer(browser, peer, store, parameters)
            tracker.load()
            _fill(store, parameters)
            with _server(store) as url:
                return _measure(browser, url, store, parameters) | {"installed_mb": installed_mb("treering")}
        finally:
            browser.close()
            shutil.rmtree(store, ignore_errors=True)


def _measure_peer(browser: Browser, peer: Dashboard, store: Path, parameters: dict[str, Any]) -> Values:
    peer.write(store, 12, parameters["peer_points"])
    values: Values = {"installed_mb": installed_mb(peer.package, peer.python)}
    with served(peer, store) as address:
        for _ in range(2):  # the first time so that the server has its modules
            with browser.new_context(viewport={"width": 1440, "height": 900}) as context:
                page = context.new_page()
                page.goto(address + peer.page, wait_until="commit")
                values["chart_ms"] = _drawn(page)
                paint = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? -1"
                values["paint_ms"] = page.evaluate(paint)
                values["script_kb"] = (
                    page.evaluate(f"{_SCRIPTS}.reduce((sum, one) => sum + one.encodedBodySize, 0)") / 1000
                )
        late = _live_of_peer(browser, peer, store, address, parameters)
    if late is not None:
        values["live_ms"] = late
    # What the browser does not tell is no figure: some paint nothing that counts, or keep their scripts in the page.
    return {key: value for key, value in values.items() if value > 0}


def _drawn(page: Page, unlike: str = "", wait_s: float = 60.0) -> float:
    """Wait for a picture, or another one, and return when it was there, ms since the page was asked for."""
    code = f"""async (unlike) => {{ const drawn = {DRAWN}; const end = performance.now() + {1000 * wait_s};
      while (performance.now() < end) {{
        const now = drawn();
        if (now && now !== unlike) return performance.now();
        await new Promise((done) => setTimeout(done, 30));
      }} return -1; }}"""
    at = float(page.evaluate(code, unlike))
    if at < 0:
        raise MeasureError(f"nothing is drawn on {page.url} within {wait_s:.0f} s")
    return at


def _live_of_peer(
    browser: Browser, peer: Dashboard, store: Path, address: str, parameters: dict[str, Any]
) -> float | None:
    """Return how late a new point is seen, ms; None if it is not."""
    if not peer.live:
        return None
    writer = peer.run(peer.live, str(store), store=store)
    assert writer.stdin is not None
    assert writer.stdout is not None
    late: list[float] = []
    try:
        while writer.stdout.readline().strip() not in {"ready", ""}:
            pass
        with browser.new_context(viewport={"width": 1440, "height": 900}) as context:
            page = context.new_page()
            page.goto(address + peer.page, wait_until="commit")
            _drawn(page)
            for _ in range(min(parameters["points"], 3)):
                before = _settled(page)
                writer.stdin.write("\n")
                writer.stdin.flush()
                start = float(writer.stdout.readline().split()[-1])
                _drawn(page, before, parameters["wait_s"])
                late.append(1000 * (time.time() - start))
    except (MeasureError, IndexError, ValueError):
        return None
    finally:
        writer.kill()
        writer.wait()
    return statistics.median(late)


def _settled(page: Page) -> str:
    """Return the picture once it has not changed for two seconds."""
    before, since = page.evaluate(DRAWN), time.monotonic()
    deadline_s = since + 60
    while time.monotonic() - since < 2:
        time.sleep(0.1)
        now = page.evaluate(DRAWN)
        if now != before:
            before, since = now, time.monotonic()
        if time.monotonic() > deadline_s:
            raise MeasureError("the picture never comes to rest")
    return str(before)


def _fill(store: Path, parameters: dict[str, Any]) -> None:
    builder = builder_of(store)
    steps = np.arange(2000)
    for number in range(12):
        run = builder.run(f"small{number}", project="small", config={"lr": number}, summary={"loss": float(number)})
        for key, values in (("loss", np.exp(-steps / 400) + number / 20), ("acc", 1 - np.exp(-steps / 400))):
            run.column(key, "float64", steps, values)
        fill_axes(run, 2000)
    with builder.database.transaction():
        for number in range(parameters["runs"]):
            run = builder.run(f"wide{number}", project="wide", config={"lr": number}, summary={"m0": float(number)})
            rows = [
                (step, {f"s{key % 10}/m{key}": float(number * key % 97 + step) for key in range(parameters["metrics"])})
                for step in range(10)
            ]
            run.log(rows, batch=len(rows))
    fill_spike(builder, parameters["spike"])
    fill_table(builder, parameters["rows"], parameters["columns"])
    builder.database.close()


@contextmanager
def _server(store: Path) -> Generator[str]:
    code = "from treering.cli import main; main()"
    command = [sys.executable, "-c", code, "ui", "--no-browser", "--port", "0", "--dir", str(store)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if "login?token=" in line:
                yield line.split()[-1]
                return
        raise MeasureError("`treering ui` printed no address")
    finally:
        process.terminate()
        process.wait(30)


def _measure(browser: Browser, login: str, store: Path, parameters: dict[str, Any]) -> Values:
    url = login.partition("/login")[0]
    with _page(browser, login) as page:  # so that the server has its modules
        _open(page, f"{url}/small")
    values: Values = {}
    with _page(browser, login) as page:
        values["chart_ms"] = _open(page, f"{url}/small")
        values["paint_ms"] = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
        values["script_kb"] = page.evaluate(f"{_SCRIPTS}.reduce((sum, one) => sum + one.encodedBodySize, 0)") / 1000
    with _page(browser, login) as page:
        values["many_chart_ms"] = _open(page, f"{url}/wide")
    with _page(browser, login) as page:
        values["spike_chart_ms"] = _open(page, f"{url}/spike")
        if page.evaluate(_COLOURED) < 3:  # pixels of one line
            raise MeasureError("the spike is not on the picture")
    with _page(browser, login) as page:
        values |= _table(page, f"{url}/rows")
    with _page(browser, login) as page:
        values["live_ms"] = _live(page, url, store, parameters["points"])
    return values


@contextmanager
def _page(browser: Browser, login: str) -> Generator[Page]:
    """A page of a browser that has kept nothing but the way in."""
    with browser.new_context(viewport={"width": 1440, "height": 900}) as context:
        page = context.new_page()
        context.request.get(login)
        page.add_init_script(_WATCH)
        yield page


def _open(page: Page, url: str) -> float:
    page.goto(url, wait_until="commit")
    _wait(page, "() => window.firstChart > 0")
    return float(page.evaluate("window.firstChart"))


def _wait(page: Page, condition: str) -> None:
    """Wait frame by frame; Playwright's own way evaluates texts, which the page's policy refuses."""
    tick = "await new Promise(requestAnimationFrame)"
    code = f"async () => {{ const end = performance.now() + 120000; while (!({condition})()) "
    if not page.evaluate(f"{code} {{ {tick}; if (performance.now() > end) return false; }} return true; }}"):
        raise MeasureError(f"the page has not come to {condition}")


def _table(page: Page, url: str) -> Values:
    page.goto(url)
    _wait(page, f"() => {_FIRST_ROW}")
    page.wait_for_load_state("networkidle")
    first = page.evaluate(_FIRST_ROW)
    sort_ms = page.evaluate(_AFTER, ["sort", first])
    page.wait_for_timeout(300)
    first = page.evaluate(_FIRST_ROW)
    box = page.get_by_label("Filter runs")
    box.evaluate("input => input.addEventListener('keydown', () => { window.pressed = performance.now(); })")
    box.fill("config.c0 > 500 and config.c1 < 300 and summary.s0 > 100")
    page.keyboard.press("Enter")
    _wait(page, f"() => {_FIRST_ROW} !== {first!r}")
    filter_ms = page.evaluate("performance.now() - window.pressed")
    return {"sort_ms": sort_ms, "filter_ms": filter_ms}


def _live(page: Page, url: str, store: Path, points: int) -> float:
    import treering

    with treering.init(dir=store, project="live") as run:
        run.log({"loss": 1.0})
        _open(page, f"{url}/live")
        late: list[float] = []
        for number in range(points):
            page.evaluate("count => { window.seen = undefined; }", number)
            page.evaluate(f"count => {{ ({_LIVE})(count).then((at) => {{ window.seen = at; }}); }}", number + 2)
            time.sleep(0.3 + 0.07 * (number % 7))  # at any moment of whatever goes round
            start = time.time()
            run.log({"loss": 1.0 / (number + 2)})
            _wait(page, "() => window.seen > 0")
            late.append(page.evaluate("window.seen") - 1000 * start)
    return statistics.median(late)
