"""The table of runs: the last value of each of 20 metrics of 1,000 runs, read by a fresh process."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING, Any

from benchmarks.curves import rows
from benchmarks.harness import Bench, Figure, Values
from benchmarks.process import MeasureError

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.control import Control
    from benchmarks.trackers.base import Tracker

FIGURES = (
    Figure("cold_ms", "last values of 1,000 runs x 20 metrics, first read of a process", "ms", 20.0),
    Figure("warm_ms", "last values of 1,000 runs x 20 metrics, again", "ms", 20.0),
)
PARAMETERS: dict[str, dict[str, Any]] = {"full": {"runs": 1_000, "rows": 20}, "tiny": {"runs": 5, "rows": 3}}
REPEATS = {"full": 5, "tiny": 1}
_METRICS = 20


def rep(bench: Bench) -> Values:
    if bench.repetition == 0:
        bench.child_in(bench.scratch, name="probe", write=False, probe=True).result()
    folder = bench.prepared(write=True)
    return bench.child_in(folder, name="reader", write=False).result()


def child(tracker: Tracker, parameters: dict[str, Any], scratch: Path, control: Control) -> Values:
    store, table = scratch / "store", rows(parameters["rows"], _METRICS)
    if parameters["write"]:
        for package in tracker.host_packages:
            __import__(package)
        tracker.load()
        tracker.write_many(store, parameters["runs"], table)
        return {}
    tracker.load_reader()
    if parameters.get("probe"):
        return {}
    spent: list[float] = []
    last: dict[str, dict[str, float]] = {}
    for _ in range(4):
        start = time.perf_counter()
        last = tracker.last_values(store)
        spent.append((time.perf_counter() - start) * 1e3)
    if len(last) != parameters["runs"] or any(run.items() < table[-1].items() for run in last.values()):
        raise MeasureError(f"{len(last)} runs came back, the first with {next(iter(last.values()), None)}")
    return {"cold_ms": spent[0], "warm_ms": statistics.median(spent[1:])}
