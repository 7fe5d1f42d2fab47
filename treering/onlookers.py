"""Whether somebody looks at a run while it goes on: its writer then moves rows to the store several times a second.

Who looks says so with a file of the run's name in the store, touched every second; the writer looks at its age when it
has moved rows anyway. So it costs nothing where nobody looks, and a reader that was killed is soon forgotten. Who looks
at a run on a server is known there (`Onlookers`); the answer to whatever its writer sends says so, and the thread that
sends touches the file.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

__all__ = ["SAY_EVERY_S", "Onlookers", "Pace", "hurried_s", "is_hurried", "say_gone", "say_looking"]

FOLDER = "watched"
SAY_EVERY_S = 1.0
_BELIEVED_S = 5.0
_QUICK_S = 0.1
# A machine or a disk that has more to do than it can makes a move take long; hurrying would add to that.
_PAUSE_PER_MOVE = 8
#: Whoever asks for longer intervals than this has a reason.
_LONGEST_S = 2.0


class Pace:
    """How long a run's writer waits between two moves.

    Args:
        folder: of the store.
        run_id: of the run.
        usual_s: the interval while nobody looks.
    """

    def __init__(self, folder: Path, run_id: str, usual_s: float) -> None:
        self._path = os.path.join(folder, FOLDER, run_id)
        self.usual_s = usual_s

    def interval_s(self, spent_s: float = 0.0) -> float:
        """Return seconds to wait now, after a move that took `spent_s`."""
        if not is_hurried(self.usual_s):
            return self.usual_s
        try:
            age_s = time.time() - os.stat(self._path).st_mtime
        except OSError:
            return self.usual_s
        return hurried_s(_QUICK_S, spent_s, self.usual_s) if abs(age_s) < _BELIEVED_S else self.usual_s


def hurried_s(quick_s: float, spent_s: float, usual_s: float) -> float:
    """Return the pause while somebody looks: `quick_s`, but the longer, up to `usual_s`, the longer the work took."""
    return min(max(quick_s, spent_s * _PAUSE_PER_MOVE), usual_s)


def is_hurried(usual_s: float) -> bool:
    """Tell whether rows that go at this interval, in seconds, go more often while somebody looks."""
    return _QUICK_S < usual_s <= _LONGEST_S


class Onlookers:
    """Which runs are looked at through this server, by how many; any thread may call any method."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._runs: Counter[str] = Counter()

    def come(self, runs: Iterable[str]) -> None:
        """Take note of one who looks at these runs."""
        with self._lock:
            self._runs.update(runs)

    def go(self, runs: Iterable[str]) -> None:
        """Take note that he has gone."""
        with self._lock:
            self._runs.subtract(left := list(runs))
            for run_id in left:
                if self._runs[run_id] <= 0:
                    del self._runs[run_id]

    def look_at(self, run_id: str) -> bool:
        """Tell whether anybody looks at a run."""
        return run_id in self._runs


def say_looking(folder: Path, run_id: str) -> None:
    """Say that somebody looks at a run; where that cannot be written, its rows come at their usual pace."""
    path = folder / FOLDER / run_id
    with contextlib.suppress(OSError):
        try:
            os.utime(path)
        except FileNotFoundError:
            path.parent.mkdir(mode=0o700, exist_ok=True)
            path.touch(mode=0o600)


def say_gone(folder: Path, run_id: str) -> None:
    """Say that one who looked has gone; others who look say so again."""
    with contextlib.suppress(OSError):
        (folder / FOLDER / run_id).unlink()
