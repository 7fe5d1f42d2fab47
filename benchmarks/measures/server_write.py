"""16 processes that log 1,000 rows a second each to one server, while four pages watch it.

Every process records in a store of its own first, as `mode="online"` does, so all of that is part of the load. The
time of an append is what its client waits for it. Then the rows that the server has are counted. What the network
costs the thread that trains is the processor time of its `log()` calls, beside those of a run that is local.
"""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING, Any

from benchmarks.curves import rows
from benchmarks.harness import Bench, Figure, Values, percentile
from benchmarks.process import tree_cpu_s
from benchmarks.stores import KEY, serving
from benchmarks.trackers.base import UnavailableError

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.control import Control
    from benchmarks.process import Child
    from benchmarks.trackers.base import Tracker

FIGURES = (
    Figure("lost_rows", "16 runs x 1,000 rows/s to one server, 4 pages open: rows lost", "rows", 0.0, ratio=False,
           pick="most"),
    Figure("doubled_rows", "  rows doubled", "rows", 0.0, ratio=False, pick="most"),
    Figure("append_p99_ms", "  p99 of an append", "ms", 100.0, ratio=False, pick="median"),
    Figure("append_p50_ms", "  median of an append", "ms", ratio=False, pick="median"),
    Figure("server_cpu_s", "  processor time of the server for each second of it", "s", ratio=False, pick="median"),
    Figure("server_100k_s", "  processor time of the server for 100,000 rows", "s", ratio=False, pick="median"),
    Figure("writer_100k_s", "  processor time of the writers for 100,000 rows, logging and all", "s", ratio=False,
           pick="median"),
    Figure("events", "  events that a page got", "", ratio=False, pick="median"),
    Figure("online_us", "online: processor time of the training thread for a log()", "us", ratio=False),
    Figure("local_us", "  the same, local", "us", ratio=False),
    Figure("online_ratio", "  online against local", "x", 1.1, ratio=False, pick="median"),
)  # fmt: skip
PARAMETERS: dict[str, dict[str, Any]] = {
    "full": {"processes": 16, "rows_per_s": 1_000, "seconds": 10, "pages": 4, "alone_rows": 20_000},
    "tiny": {"processes": 2, "rows_per_s": 100, "seconds": 1, "pages": 1, "alone_rows": 200},
}
REPEATS = {"full": 3, "tiny": 1}
_AT_ONCE = 10


def rep(bench: Bench) -> Values:
    if bench.tracker != "treering":
        raise UnavailableError("no server that takes rows with their numbers")
    server = bench.child(role="server")
    server.wait_mark("ready")
    url = f"http://127.0.0.1:{(bench.scratch / 'port').read_text()}"
    alone = {mode: _alone(bench, mode, url) for mode in ("local", "online")}
    pages = bench.child_in(bench.scratch / "pages", role="pages", url=url)
    pages.wait_mark("open")
    before_s = tree_cpu_s(server.pid)
    spent, writers_s = _write(bench, url)
    cpu_s = tree_cpu_s(server.pid) - before_s
    pages.go()
    events = pages.result()["events"]
    server.go()
    found = server.result()
    wanted = bench.parameters["rows_per_s"] * bench.parameters["seconds"]
    hundred_thousands = wanted * bench.parameters["processes"] / 100_000
    return {
        "lost_rows": sum(wanted - len(set(steps)) for steps in found["steps"]),
        "doubled_rows": sum(len(steps) - len(set(steps)) for steps in found["steps"]),
        "append_p99_ms": percentile(spent, 0.99),
        "append_p50_ms": percentile(spent, 0.5),
        "server_cpu_s": cpu_s / bench.parameters["seconds"],
        "server_100k_s": cpu_s / hundred_thousands,
        "writer_100k_s": writers_s / hundred_thousands,
        "events": min(events),
        "online_us": alone["online"],
        "local_us": alone["local"],
        "online_ratio": alone["online"] / alone["local"],
    }


def _alone(bench: Bench, mode: str, url: str) -> float:
    child = bench.child_in(bench.scratch / f"alone-{mode}", role="alone", mode=mode, url=url)
    return float(child.result()["log_us"])


def _write(bench: Bench, url: str) -> tuple[list[float], float]:
    """Let all processes log; returns what each append took (ms), and what the processor did for all of it (s)."""
    children: list[Child] = [
        bench.child_in(bench.scratch / f"writer-{number}", role="writer", number=number, url=url)
        for number in range(bench.parameters["processes"])
    ]
    for child in children:
        child.wait_mark("started")
    for child in children:
        child.go()
    results = [child.result() for child in children]
    return [spent for result in results for spent in result["spent_ms"]], sum(result["cpu_s"] for result in results)


def child(tracker: Tracker, parameters: dict[str, Any], scratch: Path, control: Control) -> dict[str, Any]:
    del tracker
    work = {"server": _serve, "pages": _watch, "writer": _log, "alone": _log_alone}[parameters["role"]]
    return work(parameters, scratch, control)


def _serve(parameters: dict[str, Any], scratch: Path, control: Control) -> dict[str, Any]:
    import treering

    store = scratch / "server"
    with serving(store, scratch):
        control.mark("ready")
    with treering.Api(store) as api:
        runs = [api.run(f"run-{number}") for number in range(parameters["processes"])]
        return {"steps": [run.history("m0").values.astype(int).tolist() for run in runs]}


def _watch(parameters: dict[str, Any], scratch: Path, control: Control) -> dict[str, Any]:
    del scratch
    import httpx

    seen = [0] * parameters["pages"]
    asked: dict[str, Any] = {"run": [f"run-{number}" for number in range(parameters["processes"])], "key": "m1"}

    def look(page: int) -> None:
        client = httpx.Client(headers={"Authorization": f"Bearer {KEY}"}, timeout=60)
        try:
            with client.stream("GET", f"{parameters['url']}/api/v1/live", params=asked) as answer:
                for line in answer.iter_lines():
                    seen[page] += line.startswith("event:")
        except httpx.HTTPError:
            return  # the server has ended

    for page in range(parameters["pages"]):
        threading.Thread(target=look, args=(page,), daemon=True).start()
    while min(seen) < 1:
        time.sleep(0.01)
    control.mark("open")
    return {"events": list(seen)}


def _start(parameters: dict[str, Any], scratch: Path, run_id: str, mode: str) -> Any:
    import treering

    settings = {"url": parameters["url"], "api_key": KEY, "quiet": True, "finish_timeout_s": 120}
    os.environ["TREERING_SYSTEM_INTERVAL_S"] = "0"
    return treering.init("bench", id=run_id, dir=scratch / "store", mode=mode, settings=settings)


def _table(count: int) -> list[dict[str, float]]:
    """Rows of ten metrics, the first of which is the row's number."""
    table = rows(1_000, 10)
    return [
        {f"m{at}": (float(number) if at == 0 else value) for at, value in enumerate(table[number % 1_000].values())}
        for number in range(count)
    ]


def _log(parameters: dict[str, Any], scratch: Path, control: Control) -> dict[str, Any]:
    from treering.online.client import Client

    spent_ms: list[float] = []
    append = Client._append  # measured where the client waits

    def timed(self: Client, *arguments: Any, **options: Any) -> int:
        start = time.perf_counter()
        try:
            return append(self, *arguments, **options)
        finally:
            spent_ms.append((time.perf_counter() - start) * 1e3)

    setattr(Client, "_append", timed)  # noqa: B010  # the same
    per_s, count = parameters["rows_per_s"], parameters["rows_per_s"] * parameters["seconds"]
    table = _table(count)
    run = _start(parameters, scratch, f"run-{parameters['number']}", "online")
    control.mark("started")
    # Processes that are started together would write together for ever.
    due = time.monotonic() + parameters["number"] / parameters["processes"]
    time.sleep(max(0.0, due - time.monotonic()))
    before_s = time.process_time()
    _log_paced(run.log, table, per_s)
    run.finish()
    return {"spent_ms": spent_ms, "cpu_s": time.process_time() - before_s}


def _log_paced(log: Any, table: list[dict[str, float]], per_s: int) -> None:
    due = time.monotonic()
    for start in range(0, len(table), _AT_ONCE):
        for row in table[start : start + _AT_ONCE]:
            log(row)
        due += _AT_ONCE / per_s
        time.sleep(max(0.0, due - time.monotonic()))


def _log_alone(parameters: dict[str, Any], scratch: Path, control: Control) -> dict[str, Any]:
    del control
    table = _table(parameters["alone_rows"])
    run = _start(parameters, scratch, f"alone-{parameters['mode']}", parameters["mode"])
    log, spent_ns = run.log, 0
    due = time.monotonic()
    for start in range(0, len(table), 100):
        begin_ns = time.thread_time_ns()
        for row in table[start : start + 100]:
            log(row)
        spent_ns += time.thread_time_ns() - begin_ns
        due += 100 / 4_000
        time.sleep(max(0.0, due - time.monotonic()))
    run.finish()
    return {"log_us": spent_ns / 1e3 / len(table)}
