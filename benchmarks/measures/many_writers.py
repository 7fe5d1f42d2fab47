"""16 processes that log into one store at the same time, against one process alone.

Each logs at a training loop's pace, then a burst at full speed; then a reader counts what came through. Processes
start together, so that `init` is contended too.
"""

from __future__ import annotations

import time
import warnings
from typing import TYPE_CHECKING, Any

from benchmarks.curves import rows
from benchmarks.harness import Bench, Figure, Values, percentile

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.control import Control
    from benchmarks.process import Child
    from benchmarks.trackers.base import Tracker

FIGURES = (
    Figure("errors", "16 processes into one store: errors and warnings", "", 0.0, ratio=False, pick="most"),
    Figure("lost_rows", "16 processes into one store: rows lost", "rows", 0.0, ratio=False, pick="most"),
    Figure("p99_us", "16 processes into one store: p99 of log(), 100 calls a second each", "us"),
    Figure("alone_p99_us", "  one process alone, at the same pace", "us"),
    Figure("p99_ratio", "  p99 against one process alone", "x", 1.5, ratio=False, pick="median"),
    Figure("init_ms", "  slowest init() of 16 at once", "ms"),
)
PARAMETERS: dict[str, dict[str, Any]] = {
    "full": {"processes": 16, "paced_calls": 500, "paced_per_s": 100, "burst_rows": 2_000},
    "tiny": {"processes": 2, "paced_calls": 5, "paced_per_s": 100, "burst_rows": 10},
}
REPEATS = {"full": 3, "tiny": 1}


def rep(bench: Bench) -> Values:
    alone = _together(bench, bench.scratch / "alone", 1)
    folder = bench.scratch / "together"
    results = _together(bench, folder, bench.parameters["processes"])
    wanted = bench.parameters["paced_calls"] + bench.parameters["burst_rows"]
    found = bench.child_in(folder, name="reader", read=len(results)).result()
    spent = [value for result in results for value in result["spent_us"]]
    p99, alone_p99 = percentile(spent, 0.99), percentile(alone[0]["spent_us"], 0.99)
    return {
        "errors": sum(len(result["errors"]) for result in results),
        "lost_rows": sum(wanted - count for count in found["rows"]),
        "p99_us": p99,
        "alone_p99_us": alone_p99,
        "p99_ratio": p99 / alone_p99,
        "init_ms": max(result["init_ms"] for result in results),
    }


def _together(bench: Bench, folder: Path, processes: int) -> list[dict[str, Any]]:
    children: list[Child] = [
        bench.child_in(folder, name=f"writer-{number}", read=0, number=number) for number in range(processes)
    ]
    for mark in ("loaded", "started"):
        for child in children:
            child.wait_mark(mark)
        for child in children:
            child.go()
    results = [child.result() for child in children]
    children[0].reap_orphans()
    return results


def child(tracker: Tracker, parameters: dict[str, Any], scratch: Path, control: Control) -> dict[str, Any]:
    store = scratch / "store"
    if parameters["read"]:
        tracker.load_reader()
        return {"rows": [len(set(tracker.steps(store, f"run-{number}"))) for number in range(parameters["read"])]}
    for package in tracker.host_packages:
        __import__(package)
    tracker.load()
    table, spent = rows(1_000, 10), [0.0] * parameters["paced_calls"]
    now, pace_s = time.perf_counter_ns, 1.0 / parameters["paced_per_s"]
    control.mark("loaded")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        start = time.perf_counter()
        log = tracker.init(store, f"run-{parameters['number']}")
        init_ms = (time.perf_counter() - start) * 1e3
        control.mark("started")
        due = time.monotonic() + pace_s * parameters["number"] / 16
        for step in range(len(spent)):
            time.sleep(max(0.0, due - time.monotonic()))
            due += pace_s
            start_ns = now()
            log(table[step % 1_000], step)
            spent[step] = (now() - start_ns) / 1e3
        for step in range(len(spent), len(spent) + parameters["burst_rows"]):
            log(table[step % 1_000], step)
        tracker.finish()
    return {"spent_us": spent, "errors": [str(warning.message) for warning in caught], "init_ms": init_ms}
