"""A thread that takes work off the training: it waits for devices and writes the rows that come of that."""

from __future__ import annotations

import contextlib
import os
import queue
import threading
import time
from collections.abc import Callable

from treering._notice import warn_once
from treering.errors import TreeringWarning

__all__ = ["Clerk", "clerk"]

Job = Callable[[], None]
# A device that has stopped answering must not fill the memory with what it was asked for.
_MOST_WAITING = 256


class Clerk:
    """Does jobs in the order in which they come, one at a time, on a thread of its own."""

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[Job] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._given = 0
        self._done = 0
        self._lock = threading.Lock()

    def give(self, job: Job) -> bool:
        """Have a job done soon; returns False, and forgets it, when too many are waiting."""
        if self._given - self._done >= _MOST_WAITING:
            return False
        with self._lock:
            self._given += 1
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="treering-clerk", daemon=True)
                self._thread.start()
        self._jobs.put(job)
        return True

    def wait(self, timeout_s: float) -> bool:
        """Wait until all that was given before this call is done; False when the time runs out."""
        target, deadline = self._given, time.monotonic() + timeout_s
        if threading.current_thread() is self._thread:
            return False
        while self._done < target:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.0005)
        return True

    def _work(self) -> None:
        while True:
            job = self._jobs.get()
            try:
                job()
            except Exception as error:  # whatever it is, the jobs after it are done
                with contextlib.suppress(TreeringWarning):  # warnings may be errors; not on this thread
                    warn_once(f"trouble while watching a model: {type(error).__name__}: {error}. The training goes on.")
            del job  # its tensors
            self._done += 1


_clerk = Clerk()


def clerk() -> Clerk:
    """Return this process's clerk."""
    return _clerk


def _in_forked_child() -> None:
    global _clerk  # the parent's thread is not here
    _clerk = Clerk()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_forked_child)
