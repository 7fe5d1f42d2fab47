"""Whether somebody looks at a run while it goes on: its writer then moves rows to the store several times a second.

Who looks says so with a file of the run's name in the store, touched every second; the writer looks at its age when it
has moved rows anyway. So it costs nothing where nobody looks, and a reader that was killed is soon forgotten.
"""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["SAY_EVERY_S", "Pace", "say_gone", "say_looking"]

FOLDER = "watched"
SAY_EVERY_S = 1.0
_BELIEVED_S = 5.0
_QUICK_S = 0.1
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

    def interval_s(self) -> float:
        """Return seconds to wait now."""
        if not _QUICK_S < self.usual_s <= _LONGEST_S:
            return self.usual_s
        try:
            age_s = time.time() - os.stat(self._path).st_mtime
        except OSError:
            return self.usual_s
        return _QUICK_S if abs(age_s) < _BELIEVED_S else self.usual_s


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
