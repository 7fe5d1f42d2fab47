"""Keeping one large file as an artifact, again after small changes, and getting it back; and 100,000 small files.

Beside each save and download the same bytes are copied with `cp`, in the same process and minute, so that the ratio
says more than the seconds. Files are in the page cache.
"""

from __future__ import annotations

import os
import random
import subprocess
import threading
import time
from importlib import import_module
from typing import TYPE_CHECKING, Any

from benchmarks.harness import Bench, Figure, Values
from benchmarks.trackers.base import UnavailableError

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.control import Control
    from benchmarks.trackers.base import Tracker

FIGURES = (
    Figure("first_save_s", "first save of a file of 1 GiB, until it can be read back", "s"),
    Figure("first_save_cp", "the same, in times of `cp`", "x", 1.5),
    Figure("blocked_ms", "training thread blocked by it", "ms", 5.0),
    Figure("slowdown_percent", "a loop of small matrix products beside it, slower by", "%", 3.0, ratio=False),
    Figure("stored_gb", "bytes stored by 5 versions, each with 5 % changed and 1 KB inserted", "GB", 1.3),
    Figure("download_cp", "download and verify, in times of `cp`", "x", 1.5),
    Figure("many_save_s", "an artifact of 100,000 small files", "s", 20.0),
    Figure("many_list_ms", "listing it", "ms", 200.0),
)
PARAMETERS: dict[str, dict[str, Any]] = {
    "full": {"bytes": 1 << 30, "versions": 5, "files": 100_000},
    "tiny": {"bytes": 12 << 20, "versions": 2, "files": 200},
}
REPEATS = {"full": 3, "tiny": 1}
_BLOCK = 16 << 20


def rep(bench: Bench) -> Values:
    if bench.tracker not in {"treering", "wandb"}:
        raise UnavailableError("keeps no artifacts")
    values: Values = bench.child().result()
    return values


def child(tracker: Tracker, parameters: dict[str, Any], scratch: Path, control: Control) -> dict[str, Any]:
    tracker.load()
    tracker.init(scratch / "store", "artifacts")
    keep = _KEEPERS["treering" if "treering" in tracker.packages else "wandb"]
    path = scratch / "weights.bin"
    _write(path, parameters["bytes"])
    keep(_small(scratch), "warm")()  # imports, helpers
    _copied_s(path)
    found = _saved(keep, path, parameters)
    if keep is _keep_in_treering:
        found |= _read_back(path)
        found |= _many(scratch / "many", parameters["files"])
    tracker.finish()
    size = sum(file.stat().st_size for file in (scratch / "store").rglob("*") if file.is_file())
    found.setdefault("stored_gb", size / 1e9)
    return found


def _write(path: Path, size: int) -> None:
    draw = random.Random(0)
    with path.open("wb") as file:
        for _ in range(0, size, _BLOCK):
            file.write(draw.randbytes(min(_BLOCK, size)))


def _small(scratch: Path) -> Path:
    path = scratch / "small.bin"
    path.write_bytes(bytes(range(256)) * 30_000)
    return path


def _copied_s(path: Path) -> float:
    copy = path.with_name("copy")
    start = time.perf_counter()
    subprocess.run(["cp", str(path), str(copy)], check=True)
    took_s = time.perf_counter() - start
    copy.unlink()
    return took_s


def _keep_in_treering(path: Path, name: str) -> Any:
    artifact = import_module("treering").log_artifact(path, name=name)
    return artifact.wait


def _keep_in_wandb(path: Path, name: str) -> Any:
    wandb = import_module("wandb")
    artifact = wandb.Artifact(name, type="model")
    artifact.add_file(str(path))
    wandb.run.log_artifact(artifact)
    return lambda: None  # nothing to wait for offline


_KEEPERS = {"treering": _keep_in_treering, "wandb": _keep_in_wandb}


def _saved(keep: Any, path: Path, parameters: dict[str, Any]) -> dict[str, Any]:
    copy_s = _copied_s(path)
    alone_s = _loop_s()
    start = time.perf_counter()
    wait = keep(path, "model")
    blocked_s = time.perf_counter() - start
    busy = threading.Event()
    waiter = threading.Thread(target=lambda: (wait(), busy.set()))
    waiter.start()
    beside: list[float] = []
    while not busy.is_set() or not beside:
        beside.append(_loop_s())
    waiter.join()
    save_s = time.perf_counter() - start
    draw = random.Random(1)
    for _ in range(parameters["versions"] - 1):
        _change(path, draw)
        keep(path, "model")()
    return {
        "first_save_s": save_s,
        "first_save_cp": save_s / copy_s,
        "blocked_ms": blocked_s * 1e3,
        "slowdown_percent": (sum(beside) / len(beside) / alone_s - 1) * 100,
    }


def _loop_s() -> float:
    """Seconds of a bit of work as a training does it: it takes Python's lock now and then."""
    import numpy as np

    matrix = np.ones((192, 192), dtype=np.float32)
    start = time.perf_counter()
    for _ in range(100):
        matrix = np.minimum(matrix @ matrix, 1.0)
    return time.perf_counter() - start


def _change(path: Path, draw: random.Random) -> None:
    """Change 5 % in one place, and insert 1 KB near the start, into a new file of the same name."""
    data = bytearray(path.read_bytes())
    span = len(data) // 20
    at = draw.randrange(len(data) - span)
    data[at : at + span] = draw.randbytes(span)
    data[100_000:100_000] = draw.randbytes(1000)
    path.unlink()
    path.write_bytes(data)


def _read_back(path: Path) -> dict[str, float]:
    treering = import_module("treering")
    treering.run.flush()
    stored = sum(version.stored for version in treering.Api(treering.run.store_dir).versions("model"))
    version = treering.Api(treering.run.store_dir).version("model")
    copy_s = _copied_s(path)
    start = time.perf_counter()
    version.download(path.with_name("out"))
    return {"download_cp": (time.perf_counter() - start) / copy_s, "stored_gb": stored / 1e9}


def _many(folder: Path, count: int) -> dict[str, float]:
    treering = import_module("treering")
    draw = random.Random(2)
    for number in range(count):
        place = folder / f"{number // 1000}"
        if number % 1000 == 0:
            place.mkdir(parents=True)
        with open(os.path.join(place, f"{number}.txt"), "wb") as file:
            file.write(draw.randbytes(200 + number % 800))
    start = time.perf_counter()
    treering.log_artifact(folder, name="many").wait()
    save_s = time.perf_counter() - start
    version = treering.Api(treering.run.store_dir).version("many")
    start = time.perf_counter()
    found = version.files()
    list_ms = (time.perf_counter() - start) * 1e3
    assert len(found) == count
    return {"many_save_s": save_s, "many_list_ms": list_ms}
