"""Peak memory that a tracker adds to a program that has torch loaded, its helpers included.

Resident memory of the whole process tree, looked at every 20 ms; less what the tree had before the tracker was
imported, and less what the same program gains without one. First at a training loop's pace, then at full speed.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from benchmarks.curves import rows
from benchmarks.harness import Bench, Figure, Outcome, Values
from benchmarks.process import Child, tree_rss_bytes
from benchmarks.trackers import REFERENCE

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.control import Control
    from benchmarks.trackers.base import Tracker

NEEDS_REFERENCE = True
FIGURES = (
    Figure("paced_mb", "peak memory added to training, 500 rows of 10 a second", "MB", 40.0, pick="median"),
    Figure("burst_mb", "peak memory added to training, 100,000 rows at full speed", "MB", 40.0, pick="median"),
)
PARAMETERS: dict[str, dict[str, Any]] = {
    "full": {"paced_rows": 4_000, "paced_per_s": 500, "burst_rows": 100_000},
    "tiny": {"paced_rows": 20, "paced_per_s": 500, "burst_rows": 100},
}
REPEATS = {"full": 3, "tiny": 1}


def rep(bench: Bench) -> Values:
    child = bench.child()
    child.wait_mark("bare")
    before = tree_rss_bytes(child.pid)
    paced = _peak(child, "paced")
    burst = _peak(child, None)
    child.result()
    child.reap_orphans()
    return {"paced_mb": (paced - before) / 1e6, "burst_mb": (max(paced, burst) - before) / 1e6}


def _peak(child: Child, mark: str | None) -> int:
    """The largest memory seen from now until the child reaches `mark` or ends."""
    child.go()
    peak = 0
    while not (child.at_mark() if mark else not child.running()):
        peak = max(peak, tree_rss_bytes(child.pid))
        time.sleep(0.02)
    if mark:
        child.wait_mark(mark)
    return peak


def finish(outcome: Outcome) -> None:
    """Take off what the program gains without a tracker."""
    for key, found in outcome.values.items():
        own = outcome.median(key, REFERENCE) or 0.0
        for tracker, values in found.items():
            if tracker != REFERENCE:
                values[:] = [value - own for value in values]


def child(tracker: Tracker, parameters: dict[str, Any], scratch: Path, control: Control) -> Values:
    import torch

    model = torch.nn.Linear(64, 64)
    model(torch.randn(8, 64)).sum().backward()
    table = rows(1_000, 10)
    control.mark("bare")
    tracker.load()
    log = tracker.init(scratch / "store", "memory")
    due, pace_s = time.monotonic(), 1.0 / parameters["paced_per_s"]
    for step in range(parameters["paced_rows"]):
        log(table[step % 1_000], step)
        due += pace_s
        time.sleep(max(0.0, due - time.monotonic()))
    control.mark("paced")
    for step in range(parameters["paced_rows"], parameters["paced_rows"] + parameters["burst_rows"]):
        log(table[step % 1_000], step)
    tracker.finish()
    return {}
