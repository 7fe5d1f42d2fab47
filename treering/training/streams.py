"""What the machines of other ranks do, in the system stream of the run that rank 0 writes.

A rank that records nothing measures its process and its machine, and appends what it finds to a file of its own in the
store's folder; rank 0 brings what is new into the run's stream `system`, as `rank1/process/cpu_percent`, and deletes
the files when the run ends. They find each other by what their launcher told all of them, or by the run's id. No call
is made that another process would have to answer, and none waits for another.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

from treering import records

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from treering._run import Run
    from treering.settings import Settings

__all__ = ["Collector", "Sender", "meeting_place", "stream_settings"]

# What launchers set alike for all processes of one training.
_SHARED = (
    *("MASTER_ADDR", "MASTER_PORT", "TORCHELASTIC_RUN_ID", "SLURM_JOB_ID", "SLURM_STEP_ID"),
    *("OMPI_MCA_ess_base_jobid", "PMIX_NAMESPACE"),
)
_POLL_S = 1.0
# A file of another machine, whose processes cannot be looked at, is of an earlier training when it is older.
_STALE_S = 120.0

_met: Counter[str] = Counter()


def meeting_place(run_id: str | None, environ: Mapping[str, str] | None = None) -> str | None:
    """Name what the processes of this training have in common; None where nothing is known.

    Each call is for one training more: all processes go through the same ones, in the same order.

    Args:
        run_id: that the user gave to all of them.
        environ: the variables of this process.
    """
    from xxhash import xxh3_64_hexdigest

    env = os.environ if environ is None else environ
    shared = [f"{name}={env[name]}" for name in _SHARED if env.get(name)]
    with contextlib.suppress(ValueError, KeyError, TypeError):
        shared.append(json.dumps(json.loads(env["TF_CONFIG"])["cluster"], sort_keys=True))
    shared = [f"id={run_id}"] if run_id else shared
    if not shared:
        return None
    name = xxh3_64_hexdigest("\n".join(shared).encode("utf-8", "surrogateescape"))
    _met[name] += 1
    return f"{name}-{_met[name]}"


def _folder(store: Path, place: str) -> Path:
    return store / "ranks" / place


class Sender:
    """Measures the machine on a thread, and writes it down where rank 0 looks; begins at once.

    Args:
        rank: of this process; not 0.
        store: its folder.
        place: see `meeting_place`.
        interval_s: seconds between two measurements.
    """

    def __init__(self, rank: int, store: Path, place: str, interval_s: float) -> None:
        self._path = _folder(store, place) / f"{rank}-{socket.gethostname()}-{os.getpid()}.jsonl"
        self._store = store
        self._interval_s = interval_s
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._work, name="treering-rank", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Measure once more, and end; what rank 0 has not read by its run's end is lost."""
        self._stopped.set()
        self._thread.join(2 * _POLL_S)

    def _work(self) -> None:
        # Trouble with the folder, or with the machine's counters, is not worth a word on a rank that records nothing.
        with contextlib.suppress(Exception):
            from treering.capture.system import SystemSampler

            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._path.touch()
            sampler = SystemSampler(self._store)
            going = True
            while going:
                values = sampler.sample()
                if not self._path.exists():
                    return  # rank 0 has ended the run
                with self._path.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(values) + "\n")
                going = not self._stopped.wait(self._interval_s)


class Collector:
    """Brings what senders write into a run, on a thread, until the run ends; begins at once."""

    def __init__(self, run: Run, place: str) -> None:
        self._run = run
        self._folder = _folder(run.store_dir, place)
        self._read: dict[Path, int] = {}
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._work, name="treering-ranks", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Bring in the last of it, and delete the files."""
        self._stopped.set()
        self._thread.join()
        self._collect()
        with contextlib.suppress(OSError):
            for path in self._files():
                path.unlink(missing_ok=True)
            self._folder.rmdir()

    def forget(self) -> None:
        """In a forked child, where the thread is not: nothing."""

    def _files(self) -> list[Path]:
        return sorted(self._folder.glob("*.jsonl"))

    def _work(self) -> None:
        with contextlib.suppress(OSError):
            for path in self._files():
                if _is_left_over(path):
                    path.unlink(missing_ok=True)
        while not self._stopped.wait(_POLL_S):
            self._collect()

    def _collect(self) -> None:
        with contextlib.suppress(OSError):
            for path in self._files():
                rank = path.name.partition("-")[0]
                for values in self._new_lines(path):
                    self._run.log_stream(records.SYSTEM, {f"rank{rank}/{name}": one for name, one in values.items()})

    def _new_lines(self, path: Path) -> Iterator[dict[str, Any]]:
        with path.open("rb") as file:
            file.seek(self._read.get(path, 0))
            data = file.read()
        whole = data.rpartition(b"\n")[0]
        self._read[path] = self._read.get(path, 0) + len(whole) + bool(whole)
        for line in whole.splitlines():
            with contextlib.suppress(ValueError):
                yield json.loads(line)


def _is_left_over(path: Path) -> bool:
    """Whether a file is of a training that did not come to its end, and that had the same meeting place."""
    _, _, writer = path.stem.partition("-")
    host, _, process = writer.rpartition("-")
    if host != socket.gethostname():
        return time.time() - path.stat().st_mtime > _STALE_S
    import psutil

    return not psutil.pid_exists(int(process))


def stream_settings() -> tuple[Settings, Path]:
    """Return this process's settings, and the folder of the store where rank 0 of the same program looks."""
    from treering.places import find_store
    from treering.settings import resolve

    settings = resolve({})
    return settings, find_store(settings)
