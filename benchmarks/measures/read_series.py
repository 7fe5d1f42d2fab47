"""A series of 1,000,000 points: open the store, decode, reduce to 2,000 with the extremes kept.

Every read opens the store anew. Cold: the first read of that series by a fresh process, which has read a short series
from another store before, so that all modules are imported. Warm: the same again, median of five. Files are in the
page cache. The first row includes what readers import when first used.
"""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING, Any

from benchmarks.curves import KEYS, rows
from benchmarks.harness import Bench, Figure, Values
from benchmarks.process import MeasureError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from benchmarks.control import Control
    from benchmarks.reduce import Series
    from benchmarks.trackers.base import Tracker

FIGURES = (
    Figure("first_ms", "first read of a process (10 points), with what is imported for it", "ms"),
    Figure("cold_ms", "series of 1,000,000 points: open, decode, reduce to 2,000; cold", "ms", 25.0),
    Figure("warm_ms", "series of 1,000,000 points: open, decode, reduce to 2,000; warm", "ms", 6.0),
)
PARAMETERS: dict[str, dict[str, Any]] = {"full": {"points": 1_000_000}, "tiny": {"points": 5_000}}
REPEATS = {"full": 5, "tiny": 1}
_CHART_POINTS = 2_000


def rep(bench: Bench) -> Values:
    if bench.repetition == 0:
        bench.child_in(bench.scratch, name="probe", write=False, probe=True).result()
    folder = bench.prepared(write=True)
    return bench.child_in(folder, name="reader", write=False).result()


def child(tracker: Tracker, parameters: dict[str, Any], scratch: Path, control: Control) -> Values:
    store, key = scratch / "store", KEYS[0]
    if parameters["write"]:
        _write(tracker, scratch / "short", "short", 10)
        _write(tracker, store, "long", parameters["points"])
        return {}
    tracker.load_reader()
    if parameters.get("probe"):
        return {}
    spent: list[float] = []
    x: Sequence[float] | Series = ()
    y: Sequence[float] | Series = ()
    start = time.perf_counter()
    tracker.series(scratch / "short", "short", key, _CHART_POINTS)
    first_ms = (time.perf_counter() - start) * 1e3
    for _ in range(6):
        start = time.perf_counter()
        x, y = tracker.series(store, "long", key, _CHART_POINTS)
        spent.append((time.perf_counter() - start) * 1e3)
    if not _CHART_POINTS / 2 <= len(x) == len(y) <= _CHART_POINTS * 1.1:
        raise MeasureError(f"{len(x)} points came back")
    truth = [row[key] for row in _table(parameters["points"])]
    if abs(max(y) - max(truth)) > 1e-6 or abs(min(y) - min(truth)) > 1e-6:
        raise MeasureError("the extremes are not in the reduced series")
    return {"first_ms": first_ms, "cold_ms": spent[0], "warm_ms": statistics.median(spent[1:])}


def _table(points: int) -> list[dict[str, float]]:
    """100,000 different values, said ten times over."""
    return rows(min(points, 100_000), 1)


def _write(tracker: Tracker, store: Path, name: str, points: int) -> None:
    for package in tracker.host_packages:
        __import__(package)
    tracker.load()
    table = _table(points)
    log = tracker.init(store, name)
    for step in range(points):
        log(table[step % len(table)], step)
    tracker.finish()
