"""SIGKILL while logging at full speed: rows whose `log()` had returned and that cannot be read back.

The proof with 200 kill points is a test; this shows the share that each tracker loses. Only the training process is
killed, and helpers of the tracker get time to write what they hold.
"""

from __future__ import annotations

import mmap
import random
import struct
import time
from typing import TYPE_CHECKING, Any

from benchmarks.curves import rows
from benchmarks.harness import Bench, Figure, Values

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.control import Control
    from benchmarks.trackers.base import Tracker

FIGURES = (
    Figure(
        "lost_percent",
        "rows lost on SIGKILL at full speed, median of kill points",
        "%",
        0.0,
        ratio=False,
        pick="median",
    ),
    Figure(
        "lost_worst_percent", "rows lost on SIGKILL at full speed, worst kill point", "%", 0.0, ratio=False, pick="most"
    ),
    Figure("wrong_rows", "rows read back twice or out of order after SIGKILL", "rows", 0.0, ratio=False, pick="most"),
)
PARAMETERS: dict[str, dict[str, Any]] = {
    "full": {"kills": 5, "least_s": 0.05, "most_s": 3.0},
    "tiny": {"kills": 1, "least_s": 0.05, "most_s": 0.1},
}
REPEATS = {"full": 2, "tiny": 1}
_COUNT = struct.Struct("<q")


def rep(bench: Bench) -> Values:
    chance = random.Random(bench.repetition)
    lost: list[float] = []
    wrong = 0
    for number in range(bench.parameters["kills"]):
        folder = bench.scratch / f"kill-{number}"
        delay_s = chance.uniform(bench.parameters["least_s"], bench.parameters["most_s"])
        acknowledged = _kill_after(bench, folder, delay_s)
        found = bench.child_in(folder, name="reader", read=True).result()
        lost.append(max(0.0, acknowledged - found["rows"]) / acknowledged * 100)
        wrong += found["wrong"]
    lost.sort()
    return {"lost_percent": lost[len(lost) // 2], "lost_worst_percent": lost[-1], "wrong_rows": wrong}


def _kill_after(bench: Bench, folder: Path, delay_s: float) -> int:
    """Rows acknowledged when the process died."""
    process = bench.child_in(folder, name="writer", read=False)
    process.wait_mark("ready")
    process.go()
    time.sleep(delay_s)
    process.kill()
    process.reap_orphans()
    acknowledged: int = _COUNT.unpack((folder / "acknowledged").read_bytes())[0]
    return max(acknowledged, 1)


def child(tracker: Tracker, parameters: dict[str, Any], scratch: Path, control: Control) -> dict[str, Any]:
    store = scratch / "store"
    if parameters["read"]:
        tracker.load_reader()
        steps = tracker.steps(store, "killed")
        return {"rows": len(set(steps)), "wrong": sum(step != row for row, step in enumerate(steps))}
    tracker.load()
    table = rows(1_000, 10)
    log = tracker.init(store, "killed")
    with (scratch / "acknowledged").open("w+b") as file:
        file.write(_COUNT.pack(0))
        file.flush()
        count = mmap.mmap(file.fileno(), _COUNT.size)
        control.mark("ready")
        for step in range(1 << 40):
            log(table[step % 1_000], step)
            _COUNT.pack_into(count, 0, step + 1)
    return {}
