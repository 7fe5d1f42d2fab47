"""Keeping a file of 1 GiB as an artifact, again after small changes, and getting it back; real checkpoints; many files.

Beside each save and download the same bytes are copied with `cp`, in the same process and minute and onto the same
disk, so that the ratio says more than the seconds. Files are in the page cache. *none* is `cp` and `sha256sum`.
The loop that a save is to leave alone is a training's: products of small matrices, with Python in between. It runs in
pairs of slices, with the saver at work and held, since the machine's speed drifts by more than what is looked for.

Checkpoints come two seconds apart and are repacked in what time is left; what they take is looked at when no version
waits to be repacked any more, and how long that takes after the last of them is a figure of its own.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import random
import shutil
import subprocess
import time
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.checkpoints import FROZEN, FULL, train
from benchmarks.harness import Bench, Figure, Values
from benchmarks.pairs import Gate, measured
from benchmarks.trackers.base import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.control import Control
    from benchmarks.trackers.base import Tracker

NEEDS_REFERENCE = True
FIGURES = (
    Figure("cp_s", "`cp` of a file of 1 GiB", "s", ratio=False),
    Figure("first_save_s", "first save of it, until it can be read back", "s"),
    Figure("first_save_cp", "the same, in times of `cp`", "x", 1.5),
    Figure("blocked_ms", "training thread blocked by a save of 1 GiB of numbers", "ms", 5.0),
    Figure("slowdown_percent", "training loop beside it, slower by", "%", 3.0, ratio=False, pick="median"),
    Figure("slowdown_error", "  give or take (95 %)", "%", ratio=False, pick="median"),
    Figure(
        "repack_percent",
        "training loop beside the repacking that follows, slower by",
        "%",
        3.0,
        ratio=False,
        pick="median",
    ),
    Figure("repack_error", "  give or take (95 %)", "%", ratio=False, pick="median"),
    Figure("stored_gb", "bytes stored by 5 versions, each with 5 % changed and 1 KB inserted", "GB", 1.3),
    Figure("stored_full", "5 checkpoints of a training with AdamW, 100 steps apart, in times of one", "x", 4.0),
    Figure("stored_frozen", "5 checkpoints of a fine-tuning with 70 % frozen, in times of one", "x", 2.6),
    Figure("settled_s", "until they take that room, from the last of them on", "s"),
    Figure("download_cp", "download and verify 1 GiB, in times of `cp`", "x", 1.5),
    Figure("download_coded_cp", "the same of numbers in planes, in times of `cp`", "x", 2.0),
    Figure("many_save_s", "an artifact of 100,000 small files", "s", 20.0),
    Figure("many_list_ms", "listing it", "ms", 200.0),
)
PARAMETERS: dict[str, dict[str, Any]] = {
    "full": {
        "bytes": 1 << 30,
        "versions": 5,
        "files": 100_000,
        "loop_s": 2.0,
        "slice_s": 0.1,
        "pairs": 300,
        "training": {"width": 256, "layers": 10, "before": 100, "apart": 100, "versions": 5},
    },
    "tiny": {
        "bytes": 12 << 20,
        "versions": 2,
        "files": 200,
        "loop_s": 0.1,
        "slice_s": 0.01,
        "pairs": 2,
        "training": {"width": 32, "layers": 1, "before": 1, "apart": 1, "versions": 2},
    },
}
REPEATS = {"full": 2, "tiny": 1}
_BLOCK = 16 << 20
_REPACKED_S = 600.0


def rep(bench: Bench) -> Values:
    if bench.tracker not in _KEEPERS:
        raise UnavailableError("keeps no artifacts")
    # Trained once for all trackers and repetitions.
    checkpoints = bench.fixture.parent / "checkpoints"
    if not checkpoints.exists() and all(map(importlib.util.find_spec, ("torch", "safetensors"))):
        train(checkpoints, **bench.parameters["training"])
    values: Values = bench.child(checkpoints=str(checkpoints)).result()
    return values


def child(tracker: Tracker, parameters: dict[str, Any], scratch: Path, control: Control) -> dict[str, Any]:
    tracker.load()
    store = scratch / "store"
    tracker.init(store, "artifacts")
    name = next(name for name in _KEEPERS if name in (tracker.packages or ("none",)))
    keep = _KEEPERS[name](store)
    keep(_small(scratch), "warm")()  # imports, helpers
    found = _checkpoints(keep, parameters["checkpoints"], store, parameters["loop_s"])
    path = scratch / "weights.bin"
    _write(path, parameters["bytes"])
    _copied_s(path)
    found |= _first_save(keep, path)
    found |= _changed(keep, path, parameters["versions"], store)
    if name == "treering":
        found |= _download(path, "model", "download_cp")
        found |= _beside(path, parameters["slice_s"], parameters["pairs"])
        found |= _download(path, "beside", "download_coded_cp")
        found |= _many(scratch / "many", parameters["files"])
    tracker.finish()
    return found


# -- trackers ---------------------------------------------------------------------------------------------------------


def _treering(_store: Path) -> Any:
    def keep(path: Path, name: str) -> Any:
        return import_module("treering").log_artifact(path, name=name).wait

    return keep


def _wandb(_store: Path) -> Any:
    wandb = import_module("wandb")

    def keep(path: Path, name: str) -> Any:
        artifact = wandb.Artifact(name, type="model")
        (artifact.add_dir if path.is_dir() else artifact.add_file)(str(path))
        wandb.run.log_artifact(artifact)
        return _nothing  # to wait for offline

    return keep


def _mlflow(_store: Path) -> Any:
    mlflow = import_module("mlflow")
    numbers = iter(range(1_000_000))

    def keep(path: Path, name: str) -> Any:
        log = mlflow.log_artifacts if path.is_dir() else mlflow.log_artifact
        log(str(path), f"{name}/{next(numbers)}")
        return _nothing

    return keep


def _copies(store: Path) -> Any:
    numbers = iter(range(1_000_000))

    def keep(path: Path, name: str) -> Any:
        place = store / f"{name}-{next(numbers)}"
        subprocess.run(["cp", "-r", str(path), str(place)], check=True)
        files = [str(file) for file in place.rglob("*")] if place.is_dir() else [str(place)]
        subprocess.run(["sha256sum", *files], check=True, stdout=subprocess.DEVNULL)
        return _nothing

    return keep


def _nothing() -> None: ...


#: Each makes, for a store, what takes a path and a name and returns what waits until the content can be read back.
_KEEPERS: dict[str, Callable[[Path], Any]] = {
    "treering": _treering,
    "wandb": _wandb,
    "mlflow": _mlflow,
    "none": _copies,
}


# -- saving -----------------------------------------------------------------------------------------------------------


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


def _first_save(keep: Any, path: Path) -> dict[str, float]:
    before_s = _copied_s(path)
    start = time.perf_counter()
    keep(path, "model")()
    save_s = time.perf_counter() - start
    copy_s = (before_s + _copied_s(path)) / 2
    return {"cp_s": copy_s, "first_save_s": save_s, "first_save_cp": save_s / copy_s}


def _changed(keep: Any, path: Path, versions: int, store: Path) -> dict[str, float]:
    """Change 5 % in one place, and insert 1 KB near the start, into a new file of the same name; again and again."""
    draw = random.Random(1)
    before = _stored(store) - path.stat().st_size  # the first one is there
    for _ in range(versions - 1):
        data = bytearray(path.read_bytes())
        span = len(data) // 20
        at = draw.randrange(len(data) - span)
        data[at : at + span] = draw.randbytes(span)
        data[100_000:100_000] = draw.randbytes(1000)
        path.unlink()
        path.write_bytes(data)
        keep(path, "model")()
    return {"stored_gb": (_stored(store) - before) / 1e9}


def _stored(store: Path) -> int:
    """Bytes of all files; in a store of treering of what artifacts are made of, and not of rows and journals."""
    place = store / "blobs" if (store / "blobs").is_dir() else store
    total = 0
    for file in place.rglob("*"):
        with contextlib.suppress(FileNotFoundError):  # taken away meanwhile
            total += file.stat().st_size if file.is_file() else 0
    return total


def _checkpoints(keep: Any, folder: str, store: Path, pause_s: float) -> dict[str, float]:
    """Keep row after row of real checkpoints, with time in between as a training has it."""
    found: dict[str, float] = {}
    for kind in (FULL, FROZEN):
        places = sorted(Path(folder, kind).glob("*"))
        before, one = _stored(store), 1
        for place in places:
            one = sum(file.stat().st_size for file in place.iterdir())
            # Written into the same folder again, as most trainings do.
            last = store.parent / "last"
            shutil.rmtree(last, ignore_errors=True)
            shutil.copytree(place, last)
            keep(last, kind)()
            time.sleep(pause_s)
        if places:
            settled_s = _settled(store)
            found[f"stored_{kind}"] = (_stored(store) - before) / one
            if settled_s is not None:
                found["settled_s"] = max(found.get("settled_s", 0.0), settled_s)
    return found


def _settled(store: Path) -> float | None:
    """Wait until no version waits to be repacked, and return the seconds; None for trackers that have no such thing."""
    if not (store / "blobs").is_dir():
        return None
    start = time.monotonic()
    while not _is_settled(store):
        if time.monotonic() - start > _REPACKED_S:
            raise TimeoutError(f"versions are not repacked after {_REPACKED_S:.0f} s")
        time.sleep(0.05)
    return time.monotonic() - start


def _is_settled(store: Path) -> bool:
    with import_module("treering.store").Store.open(store, read_only=True) as opened:
        return not import_module("treering.artifacts.backlog").waiting(opened.database)


# -- beside a training ------------------------------------------------------------------------------------------------


def _beside(path: Path, slice_s: float, pairs: int) -> dict[str, float]:
    """Save numbers while a loop runs, and let it run on while they are repacked; see `benchmarks.pairs`."""
    import numpy as np

    draw = np.random.default_rng(0)
    size = path.stat().st_size
    path.unlink()
    with path.open("wb") as file:
        for _ in range(0, size, _BLOCK):
            (draw.standard_normal(_BLOCK // 4, np.float32) * np.float32(0.02)).tofile(file)
    work = _work()
    store = import_module("treering").run.store_dir
    gate = Gate()
    with gate.before_saves():
        start = time.perf_counter()
        artifact = import_module("treering").log_artifact(path, name="beside")
        blocked_s = time.perf_counter() - start
        # Nobody waits for it, which would make it hurry.
        saving = measured(gate, work, lambda: artifact.state != "saved", slice_s, pairs)
        while artifact.state != "saved":
            time.sleep(0.01)
        repacking = measured(gate, work, lambda: not _is_settled(store), slice_s, pairs)
    _settled(store)
    return {
        "blocked_ms": blocked_s * 1e3,
        "slowdown_percent": saving.percent,
        "slowdown_error": saving.error,
        "repack_percent": repacking.percent,
        "repack_error": repacking.error,
    }


def _work() -> Callable[[], object]:
    """Return a bit of work as a training does it."""
    import numpy as np

    matrix = np.ones((192, 192), dtype=np.float32)

    def work() -> None:
        nonlocal matrix
        for _ in range(5):
            matrix = np.minimum(matrix @ matrix, 1.0)

    return work


# -- and back ---------------------------------------------------------------------------------------------------------


def _download(path: Path, name: str, key: str) -> dict[str, float]:
    treering = import_module("treering")
    treering.run.flush()
    version = treering.Api(treering.run.store_dir).version(name)
    before_s = _copied_s(path)
    start = time.perf_counter()
    version.download(path.with_name("out"))
    took_s = time.perf_counter() - start
    shutil.rmtree(path.with_name("out"))
    return {key: 2 * took_s / (before_s + _copied_s(path))}


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
