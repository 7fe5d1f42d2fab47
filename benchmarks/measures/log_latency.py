"""`log()` on the caller's thread: at full speed (calls back to back) and paced, as a training loop calls it.

Every call is timed by itself. What two readings of the clock cost with nothing between them is measured in the same
process and taken off; the reference, a function that does nothing, shows what is left of that.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from benchmarks.curves import rows
from benchmarks.harness import Bench, Figure, Values, percentile

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.control import Control
    from benchmarks.trackers.base import LogFunction, Tracker

NEEDS_REFERENCE = True
FIGURES = (
    Figure("p50_10", "log() of 10 scalars, full speed, median", "us", 1.0, known=("trackio", 14.7)),
    Figure("p99_10", "log() of 10 scalars, full speed, p99", "us", 5.0),
    Figure("p50_1", "log() of 1 scalar, full speed, median", "us", 0.7, known=("trackio", 5.2)),
    Figure("p99_1", "log() of 1 scalar, full speed, p99", "us"),
    Figure("p50_1000", "log() of 1,000 scalars, full speed, median", "us", 15.0, known=("trackio", 1032.0)),
    Figure("p99_1000", "log() of 1,000 scalars, full speed, p99", "us"),
    Figure("paced_p50_10", "log() of 10 scalars, 500 calls a second, median", "us"),
    Figure("paced_p99_10", "log() of 10 scalars, 500 calls a second, p99", "us"),
    Figure("worst_10", "log() of 10 scalars, full speed, slowest call", "us"),
)
PARAMETERS: dict[str, dict[str, Any]] = {
    "full": {"calls": {"10": 100_000, "1": 100_000, "1000": 2_000}, "paced_calls": 2_000, "paced_per_s": 500},
    "tiny": {"calls": {"10": 200, "1": 200, "1000": 5}, "paced_calls": 20, "paced_per_s": 500},
}
REPEATS = {"full": 5, "tiny": 1}


def rep(bench: Bench) -> Values:
    values: Values = {}
    for metrics, calls in bench.parameters["calls"].items():
        child = bench.child_in(bench.scratch / metrics, metrics=int(metrics), calls=_affordable(bench.tracker, calls))
        values |= child.result()
        child.reap_orphans()
    return values


def _affordable(tracker: str, calls: int) -> int:
    """Fewer calls where one takes hundreds of microseconds: wandb and TensorBoard would take minutes."""
    return max(200, calls // 10) if tracker in ("wandb", "tensorboard", "tensorboardx") and calls > 200 else calls


def child(tracker: Tracker, parameters: dict[str, Any], scratch: Path, control: Control) -> Values:
    metrics: int = parameters["metrics"]
    for package in tracker.host_packages:
        __import__(package)
    tracker.load()
    # Few enough to stay in the processor's caches: a training has just made the numbers that it logs.
    table = rows(2 if metrics > 100 else 64, metrics)
    log = tracker.init(scratch / "store", "latency")
    for step in range(100):
        log(table[step % len(table)], step)
    values: Values = {}
    if metrics == 10:
        spent = _timed(log, table, 100, parameters["paced_calls"], 1.0 / parameters["paced_per_s"])
        values |= {"paced_p50_10": percentile(spent, 0.5), "paced_p99_10": percentile(spent, 0.99)}
    spent = _timed(log, table, 100 + parameters["paced_calls"], parameters["calls"], 0.0)
    values |= {f"p50_{metrics}": percentile(spent, 0.5), f"p99_{metrics}": percentile(spent, 0.99)}
    values[f"worst_{metrics}"] = spent[-1]
    tracker.finish()
    return values


def _timed(log: LogFunction, table: list[dict[str, float]], first_step: int, calls: int, pace_s: float) -> list[float]:
    """Microseconds of every call."""
    now, size = time.perf_counter_ns, len(table)
    spent = [0.0] * calls
    due = time.monotonic()
    for call in range(calls):
        row, step = table[call % size], first_step + call
        start = now()
        log(row, step)
        spent[call] = now() - start
        if pace_s:
            due += pace_s
            time.sleep(max(0.0, due - time.monotonic()))
    clock = _clock_ns()
    return [(nanoseconds - clock) / 1000 for nanoseconds in spent]


def _clock_ns() -> float:
    """What timing nothing takes, at the median."""
    now, spent = time.perf_counter_ns, [0.0] * 5_000
    for call in range(len(spent)):
        start = now()
        spent[call] = now() - start
    return percentile(spent, 0.5)
