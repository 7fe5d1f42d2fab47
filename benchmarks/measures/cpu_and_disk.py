"""CPU time of everything a tracker runs, and what it leaves on disk, for 100,000 rows of 10 noisy metrics.

CPU: user and system time of the whole process tree, from before `init` until every process has ended, less the same
program without a tracker, per scalar. Each row is a fresh dict of fresh floats, as a training makes it. Disk: space
that the finished store occupies (as `du` counts it), per scalar.
"""

from __future__ import annotations

import os
import resource
from typing import TYPE_CHECKING, Any

from benchmarks.curves import columns
from benchmarks.harness import Bench, Figure, Outcome, Values
from benchmarks.process import tree_cpu_s
from benchmarks.trackers import REFERENCE

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.control import Control
    from benchmarks.trackers.base import Tracker

NEEDS_REFERENCE = True
METRICS = 10
FIGURES = (
    Figure("cpu_us", "CPU of the whole process tree per scalar, until finished", "us", 0.5, known=("trackio", 4.1)),
    Figure("bytes", "disk per scalar, 10 float32 metrics a row", "bytes", 5.0, pick="median"),
    Figure("rows_per_s", "rows a second from first log() to the end of finish()", "/s", ratio=False, pick="most"),
)
PARAMETERS: dict[str, dict[str, Any]] = {"full": {"rows": 100_000}, "tiny": {"rows": 200}}
REPEATS = {"full": 5, "tiny": 1}


def rep(bench: Bench) -> Values:
    child = bench.child()
    child.wait_mark("ready")
    reaped_before = _reaped_s()
    cpu_before = tree_cpu_s(child.pid)
    child.go()
    result = child.result()
    child.reap_orphans()
    scalars = bench.parameters["rows"] * METRICS
    # All of the tree is reaped now; before the mark the child had used `cpu_before`.
    result["cpu_us"] = (_reaped_s() - reaped_before - cpu_before) / scalars * 1e6
    if bench.tracker != REFERENCE:
        result["bytes"] = _occupied_bytes(bench.store) / scalars
    return result


def finish(outcome: Outcome) -> None:
    """Take off what the program costs without a tracker."""
    own = outcome.median("cpu_us", REFERENCE)
    for tracker, found in outcome.values["cpu_us"].items():
        if own is not None and tracker != REFERENCE:
            found[:] = [value - own for value in found]


def child(tracker: Tracker, parameters: dict[str, Any], scratch: Path, control: Control) -> Values:
    import time

    for package in tracker.host_packages:
        __import__(package)
    keys, numbers = columns(parameters["rows"], METRICS)
    tracker.load()
    control.mark("ready")
    log = tracker.init(scratch / "store", "cpu")
    start = time.perf_counter()
    for step, values in enumerate(zip(*numbers, strict=True)):
        log(dict(zip(keys, values, strict=True)), step)
    tracker.finish()
    return {"rows_per_s": parameters["rows"] / (time.perf_counter() - start)}


def _reaped_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _occupied_bytes(folder: Path) -> int:
    return sum(os.lstat(path).st_blocks * 512 for path in [folder, *folder.rglob("*")])
