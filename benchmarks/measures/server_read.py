"""What a page asks of a server: curves, a spike among ten million points, a table of runs, and what happens meanwhile.

The server is a process of its own; a time is what a client waits for the whole answer, median of seven after two that
are not counted. The batch of curves holds more points than the server keeps decoded. `run event` counts from `log()` in
a run of the same machine to the event in the client, at any moment of whatever goes round. An idle page has watched a
run that goes on and logs nothing.
"""

from __future__ import annotations

import json
import statistics
import threading
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.harness import Bench, Figure, Values
from benchmarks.process import MeasureError
from benchmarks.stores import KEY, builder_of, fill_axes, fill_spike, fill_table, serving
from benchmarks.trackers.base import UnavailableError

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.control import Control
    from benchmarks.trackers.base import Tracker

FIGURES = (
    Figure("batch_ms", "one query: 100 runs x 100,000 points for 800 px", "ms", 150.0, ratio=False),
    Figure("spike_ms", "one spike in 10,000,000 points, which is in the answer", "ms", 100.0, ratio=False),
    Figure("runs_ms", "10,000 runs x 50 columns, filtered and sorted: page of 100", "ms", 100.0, ratio=False),
    Figure("many_runs_ms", "  100,000 runs", "ms", 300.0, ratio=False),
    Figure("event_ms", "run event to event in the client, median", "ms", ratio=False),
    Figure("event_p95_ms", "  95 of 100", "ms", 300.0, ratio=False),
    Figure("idle_bytes_s", "idle page, bytes a second", "B/s", 5000.0, ratio=False),
)
PARAMETERS: dict[str, dict[str, Any]] = {
    "full": {
        "runs": 100,
        "points": 100_000,
        "spike": 10_000_000,
        "rows": 10_000,
        "many_rows": 100_000,
        "columns": 50,
        "events": 40,
        "idle_s": 20,
    },
    "tiny": {
        "runs": 3,
        "points": 1_000,
        "spike": 50_000,
        "rows": 120,
        "many_rows": 150,
        "columns": 6,
        "events": 2,
        "idle_s": 1,
    },
}
REPEATS = {"full": 3, "tiny": 1}
_REPEATS, _WARM = 7, 2


def rep(bench: Bench) -> Values:
    if bench.tracker != "treering":
        raise UnavailableError("no server that answers such questions")
    store = bench.prepared(role="fill")
    server = bench.child(role="server", store=str(store / "served"))
    server.wait_mark("ready")
    url = f"http://127.0.0.1:{(bench.scratch / 'port').read_text()}"
    client = bench.child_in(bench.scratch / "client", role="client", url=url, store=str(store / "served"))
    values = client.result()
    server.go()
    server.result()
    return values


def child(tracker: Tracker, parameters: dict[str, Any], scratch: Path, control: Control) -> dict[str, Any]:
    del tracker
    work = {"fill": _fill, "server": _serve, "client": _ask}[parameters["role"]]
    return work(parameters, scratch, control)


def _fill(parameters: dict[str, Any], scratch: Path, control: Control) -> dict[str, Any]:
    del control
    builder = builder_of(scratch / "served")
    steps = np.arange(parameters["points"])
    noise = np.random.default_rng(7)
    for number in range(parameters["runs"]):
        run = builder.run(f"curve{number}", project="curves")
        loss = np.exp(-steps / 40_000) + 0.1 * noise.standard_normal(len(steps))
        run.column("loss", "float64", steps, loss.astype(np.float32).astype(np.float64))
        fill_axes(run, len(steps))
    fill_spike(builder, parameters["spike"])
    fill_table(builder, parameters["rows"], parameters["columns"], "rows")
    fill_table(builder, parameters["many_rows"], parameters["columns"], "many")
    builder.database.close()
    return {}


def _serve(parameters: dict[str, Any], scratch: Path, control: Control) -> dict[str, Any]:
    from pathlib import Path

    with serving(Path(parameters["store"]), scratch):
        control.mark("ready")
    return {}


def _ask(parameters: dict[str, Any], scratch: Path, control: Control) -> dict[str, Any]:
    del scratch, control
    import httpx

    with httpx.Client(
        base_url=f"{parameters['url']}/api/v1/", headers={"Authorization": f"Bearer {KEY}"}, timeout=120
    ) as client:
        runs = [f"curve{number}" for number in range(parameters["runs"])]
        values: Values = {
            "batch_ms": _median_ms(client, "POST", "series", json={"runs": runs, "keys": ["loss"], "width": 800})[0]
        }
        spike = {"runs": ["spike"], "keys": ["loss"], "width": 800}
        values["spike_ms"], answer = _median_ms(client, "POST", "series", json=spike)
        if 9.0 not in np.frombuffer(answer[8 + int.from_bytes(answer[:4], "little") :], dtype="<f8"):
            raise MeasureError("the spike is not in the answer")
        values["runs_ms"] = _runs_ms(client, "rows")
        values["many_runs_ms"] = _runs_ms(client, "many")
    return {**values, **_live(parameters)}


def _runs_ms(client: Any, project: str) -> float:
    """The slowest of several ways to look at a table."""
    asked = [
        {"order": "-summary.s0"},
        {"order": "config.c1, name", "filter": "config.c0 > 500 and summary.s1 < 300"},
        {"order": "-created", "filter": "name ~ '*7*'"},
    ]
    columns = {"project": project, "column": ["config.*", "summary.*"], "limit": 100}
    return max(_median_ms(client, "GET", "runs", params={**columns, **one})[0] for one in asked)


def _median_ms(client: Any, method: str, path: str, **what: Any) -> tuple[float, bytes]:
    taken: list[float] = []
    content = b""
    for _ in range(_WARM + _REPEATS):
        start = time.perf_counter()
        answer = client.request(method, path, **what)
        taken.append((time.perf_counter() - start) * 1e3)
        if answer.status_code != 200:  # HTTP's own number
            raise MeasureError(answer.text[:500])
        content = answer.content
    return statistics.median(taken[_WARM:]), content


class _Page:
    """Reads the event stream on a thread of its own."""

    def __init__(self, url: str, run: str) -> None:
        self.bytes = 0
        self.opened = threading.Event()
        self.seen: dict[float, float] = {}
        self.came = threading.Condition()
        threading.Thread(target=self._read, args=(url, run), daemon=True).start()

    def _read(self, url: str, run: str) -> None:
        import httpx

        asked = {"project": "live", "run": run, "key": "loss"}
        try:
            with (
                httpx.Client(headers={"Authorization": f"Bearer {KEY}"}, timeout=60) as client,
                client.stream("GET", f"{url}/api/v1/live", params=asked) as answer,
            ):
                for line in answer.iter_lines():
                    self.bytes += len(line) + 1
                    self.opened.set()
                    if line.startswith("data:") and '"series"' in line:
                        self._note(json.loads(line[5:]), time.perf_counter())
        except httpx.HTTPError:
            return  # the server has ended

    def _note(self, told: dict[str, Any], now_s: float) -> None:
        with self.came:
            for value in told["series"][0]["values"]:
                self.seen.setdefault(value, now_s)
            self.came.notify_all()

    def wait(self, value: float) -> float:
        """When a value came."""
        with self.came:
            if not self.came.wait_for(lambda: value in self.seen, 30):
                raise MeasureError(f"{value} never came")
            return self.seen[value]


def _live(parameters: dict[str, Any]) -> Values:
    import treering

    settings = {"quiet": True, "console": False, "system_interval_s": 0}
    with treering.init(project="live", dir=parameters["store"], settings=settings) as run:
        run.log({"loss": -1.0})
        run.flush()
        page = _Page(parameters["url"], run.id)
        page.opened.wait(30)
        time.sleep(2.5)  # until the run knows that somebody looks
        late_ms: list[float] = []
        for number in range(parameters["events"]):
            time.sleep(0.2 + 0.037 * (number % 11))
            start = time.perf_counter()
            run.log({"loss": float(number)})
            late_ms.append((page.wait(float(number)) - start) * 1e3)
        time.sleep(2.5)
        before = page.bytes
        time.sleep(parameters["idle_s"])
        idle = (page.bytes - before) / parameters["idle_s"]
    late_ms.sort()
    return {
        "event_ms": statistics.median(late_ms),
        "event_p95_ms": late_ms[int(len(late_ms) * 0.95)],
        "idle_bytes_s": idle,
    }
