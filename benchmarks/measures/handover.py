"""How long the training thread waits when it hands over a checkpoint of 1 GB, which is stored in the background.

The file is in the page cache and is written anew for each version, as frameworks do it. What counts is the call alone:
`log_artifact` in a plain loop, and `Training.checkpoint`, which is what each framework's hook for a saved file comes to
(Lightning promises that a second save to one path makes a new file, so there `linkable` is said as its hook says it).
The first call of a process is told apart from the ones after it; before it the run goes on for a few seconds, as one
does that has a checkpoint to save. `..._cpu_ms` is CPU time of that thread; the rest is spent waiting.

wandb copies the file and hashes it in the call (offline, with its defaults). `copy_hash_ms`, measured beside ours, is
what the same takes that a program does itself: `shutil.copyfile` and SHA-256.
"""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import statistics
import time
from importlib import import_module
from typing import TYPE_CHECKING, Any

from benchmarks.harness import Bench, Figure, Values
from benchmarks.trackers.base import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from benchmarks.control import Control
    from benchmarks.trackers.base import Tracker

FIGURES = (
    Figure("first_ms", "handing over a checkpoint of 1 GB: first log_artifact of a process", "ms", 5.0),
    Figure("later_ms", "  the ones after it", "ms", 5.0),
    Figure("later_cpu_ms", "    CPU time of the training thread", "ms"),
    Figure("hook_first_ms", "  first checkpoint in a framework's hook", "ms", 5.0),
    Figure("hook_ms", "  the ones after it", "ms", 5.0),
    Figure("hook_cpu_ms", "    CPU time of the training thread", "ms"),
    Figure("copy_hash_ms", "  the same file copied and hashed by the program itself", "ms", ratio=False),
)
PARAMETERS: dict[str, dict[str, Any]] = {
    "full": {"bytes": 10**9, "versions": 3, "before_s": 6.0},
    "tiny": {"bytes": 12 << 20, "versions": 2, "before_s": 0.0},
}
REPEATS = {"full": 2, "tiny": 1}
_BLOCK = 16 << 20


def rep(bench: Bench) -> Values:
    if bench.tracker not in {"treering", "wandb"}:
        raise UnavailableError("keeps no artifacts")
    values: Values = {}
    for way in ("call", "hook") if bench.tracker == "treering" else ("call",):
        child = bench.child_in(bench.scratch / way, name=way, way=way)
        values |= child.result()
        child.reap_orphans()
    return values


def child(tracker: Tracker, parameters: dict[str, Any], scratch: Path, control: Control) -> Values:
    os.chdir(scratch)
    tracker.load()
    log = tracker.init(scratch / "store", "handover")
    path = scratch / "weights.bin"
    _write(path, parameters["bytes"], 0)
    is_hook, ours = parameters["way"] == "hook", tracker.name == "treering"
    keep = _hook() if is_hook else _keep_in_treering if ours else _keep_in_wandb
    started = time.monotonic()
    log({"loss": 1.0}, 0)
    while time.monotonic() - started < parameters["before_s"]:  # it trains
        log({"loss": 1.0}, 0)
        time.sleep(0.05)
    waited: list[tuple[float, float]] = []
    for version in range(parameters["versions"]):
        if version:
            _write(path, parameters["bytes"], version)
        start, start_cpu = time.perf_counter(), time.thread_time()
        wait = keep(path, version)
        waited.append((time.perf_counter() - start, time.thread_time() - start_cpu))
        wait()
    first, later = waited[0][0] * 1e3, [wall_s * 1e3 for wall_s, _ in waited[1:]]
    cpu = statistics.median(cpu_s * 1e3 for _, cpu_s in waited[1:])
    if is_hook:
        found = {"hook_first_ms": first, "hook_ms": statistics.median(later), "hook_cpu_ms": cpu}
    else:
        found = {"first_ms": first, "later_ms": statistics.median(later), "later_cpu_ms": cpu}
        if ours:
            found["copy_hash_ms"] = _copied_and_hashed_s(path) * 1e3
    tracker.finish()
    return found


def _write(path: Path, size: int, seed: int) -> None:
    """A new file in the place of the old one."""
    block = random.Random(seed).randbytes(_BLOCK)
    path.unlink(missing_ok=True)
    with path.open("wb") as file:
        for at in range(0, size, _BLOCK):
            file.write(at.to_bytes(8, "little"))  # no two blocks alike
            file.write(block[8 : min(_BLOCK, size - at)])


def _keep_in_treering(path: Path, version: int) -> Callable[[], object]:
    return import_module("treering").log_artifact(path, name="model").wait


def _hook() -> Callable[[Path, int], Callable[[], object]]:
    treering, training = import_module("treering"), import_module("treering.training").Training("lightning")
    training.begin()

    def keep(path: Path, version: int) -> Callable[[], object]:
        training.checkpoint(path, step=version, linkable=True)
        return lambda: _stored(treering, version)

    return keep


def _stored(treering: Any, version: int) -> None:
    """Wait until the background has stored so many versions."""
    treering.run.flush()
    api = treering.Api(treering.run.store_dir)
    while len(api.versions(f"model-{treering.run.id}")) <= version:
        time.sleep(0.05)


def _keep_in_wandb(path: Path, version: int) -> Callable[[], object]:
    wandb = import_module("wandb")
    artifact = wandb.Artifact("model", type="model")
    artifact.add_file(str(path))
    wandb.run.log_artifact(artifact)
    return lambda: None  # nothing to wait for offline


def _copied_and_hashed_s(path: Path) -> float:
    copy = path.with_name("copy")
    start = time.perf_counter()
    shutil.copyfile(path, copy)
    digest = hashlib.sha256()
    with copy.open("rb", buffering=0) as file:
        while block := file.read(1 << 20):
            digest.update(block)
    took_s = time.perf_counter() - start
    copy.unlink()
    return took_s
