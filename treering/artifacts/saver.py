"""The thread that saves a run's versions while the training goes on, one after another, in the order of the calls.

While nobody waits for them it works at leisure, since a training needs the processors more; from `wait` or the end of
the run on, and where versions come faster than that, it works as fast as it can.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from typing import TYPE_CHECKING

from treering.artifacts.pinning import PinGone
from treering.errors import NotFound, TreeringError
from treering.lease import Lease

if TYPE_CHECKING:
    from collections.abc import Callable

    from treering.artifacts.committing import Filed, Request
    from treering.store import Store

__all__ = ["LOCK", "Saver"]

#: Name of the lock in the folder of a run's pins; who holds it is saving them.
LOCK = "lock"
_RETRY_S, _MAX_RETRY_S = 1.0, 30.0
_BAR = 20
# Threads that a thread starts have its priority, too.
_NICE = 15
# Of two processors the saver takes one twentieth for its own thread, which is less than a tenth of one with those that
# help it: beside a training that needs both, any more of it is felt. Among more there is sooner an idle one.
_SHARE_OF_TWO = 0.05
# A rest comes after so much work; never a long one, for what the share is may be wrong.
_STINT_S, _LONGEST_REST_S = 0.002, 0.5


class Saver:
    """Saves what is handed to it, on a thread that starts with the first and ends with `close`.

    Args:
        open_store: called on the thread.
        run_id: whose versions they are.
        on_filed: told of each version that has become visible.
        on_failed: told of each that never will be, and why.
        warn: told, once for each kind, what is wrong; the saver goes on trying.
    """

    def __init__(
        self,
        open_store: Callable[[], Store],
        run_id: str,
        on_filed: Callable[[str, Filed], None],
        on_failed: Callable[[str, str], None],
        warn: Callable[[str, BaseException], None],
    ) -> None:
        self._open_store = open_store
        self._run_id = run_id
        self._on_filed = on_filed
        self._on_failed = on_failed
        self._warn = warn
        self._changed = threading.Condition()
        self._queue: list[Request] = []
        self._closing = False
        self._hurried = False
        self._worked_s = 0.0
        self._share = min(_SHARE_OF_TWO * (_processors() / 2) ** 2, 1.0)
        self._thread: threading.Thread | None = None
        self._lease: Lease | None = None
        #: Bytes of the present version that have been read, and of how many.
        self.progress, self.total = 0, 0

    def add(self, request: Request) -> None:
        """Save a version that is in the table of pending ones."""
        with self._changed:
            self._queue.append(request)
            if self._thread is None and not sys.is_finalizing():
                self._thread = threading.Thread(target=self._run, name=f"treering-save-{self._run_id}", daemon=True)
                try:
                    self._thread.start()
                except RuntimeError:  # the interpreter is ending; `close` does it
                    self._thread = None
            self._changed.notify_all()

    @property
    def waiting(self) -> int:
        """Number of versions that are not saved yet."""
        return len(self._queue)

    def describe(self) -> str:
        """Say on one line how far it is."""
        waiting = list(self._queue)
        name = f"{waiting[0].name}: " if waiting else ""
        more = f", {len(waiting) - 1} more to save" if len(waiting) > 1 else ""
        share = self.progress / self.total if self.total else 0.0
        bar = "█" * int(share * _BAR) + "░" * (_BAR - int(share * _BAR))
        return f"{name}{bar} {self.progress / 1e6:,.0f} of {self.total / 1e6:,.0f} MB{more}"

    @property
    def is_busy(self) -> bool:
        """Whether its thread is at work."""
        return self._thread is not None

    def wait(self, timeout_s: float | None) -> bool:
        """Wait until everything handed over is saved or has failed; False when time runs out first."""
        with self._changed:
            self.hurry()
            return self._changed.wait_for(lambda: not self._queue or self._thread is None, timeout_s)

    def hurry(self) -> None:
        """Work without rest until all that was handed over is saved: somebody waits for it."""
        with self._changed:
            self._hurried = bool(self._queue)
            self._changed.notify_all()

    def close(self, timeout_s: float) -> bool:
        """End after what is waiting; False when time runs out, in which case the next command saves the rest.

        Where no thread could be started (Python 3.12 and later, at exit) it is done here, whatever time it takes.
        """
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        thread = self._thread
        if thread is not None:
            thread.join(timeout_s)
        elif self._queue and not sys.is_finalizing():
            self._run()
        return not self._queue

    def _run(self) -> None:
        store: Store | None = None
        failures = 0
        if not self._closing:
            _give_way()
        try:
            while (request := self._next()) is not None:
                try:
                    store = self._open_store() if store is None else store
                    self._hold_lock(store, request)
                    self._save(store, request)
                    failures = 0
                except Exception as error:  # whatever is wrong with the store, the training goes on
                    self._warn(f"saving artifact {request.name!r}", error)
                    failures += 1
                    if self._rest(min(_RETRY_S * 2 ** (failures - 1), _MAX_RETRY_S)):
                        return
                    continue
                self._done()
                self._repack(store, request)
        finally:
            if store is not None:
                with contextlib.suppress(TreeringError):
                    store.close()
            if self._lease is not None:
                self._lease.release(unlink=True)
            _stop_keeper()
            with self._changed:
                self._thread = None
                self._changed.notify_all()

    def _hold_lock(self, store: Store, request: Request) -> None:
        """Show that somebody is saving these pins, for as long as there are any."""
        if self._lease is None:
            lease = Lease((store.folder / request.folder).parent / LOCK)
            if lease.acquire():
                self._lease = lease

    def _next(self) -> Request | None:
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._closing)
            return self._queue[0] if self._queue else None

    def _done(self) -> None:
        with self._changed:
            self._queue.pop(0)
            self._hurried &= bool(self._queue)
            self._changed.notify_all()

    def _rest(self, seconds: float) -> bool:
        """Wait before another try; True when there is to be none."""
        with self._changed:
            if self._closing:
                return True
            deadline = time.monotonic() + seconds
            self._changed.wait_for(lambda: self._closing, max(deadline - time.monotonic(), 0.0))
            return False

    def _save(self, store: Store, request: Request) -> None:
        from treering.artifacts.saving import drop_pending, save_pending

        self.progress, self.total = 0, 0
        try:
            filed = save_pending(store.database, store.folder, request, self._note, self._on_filed)
        except (PinGone, NotFound) as error:
            drop_pending(store.database, store.folder, request)
            self._on_failed(request.id, str(error))
            self._warn(f"saving artifact {request.name!r}", error)
            return
        if filed is None:
            self._on_failed(request.id, "somebody else has taken it over")

    def _repack(self, store: Store, request: Request) -> None:
        """Take the numbers of what was saved apart, until there is something to save, or the end."""
        from treering.artifacts.depot import Depot
        from treering.artifacts.repacking import repack_lately

        def stop() -> bool:
            self._breathe()
            return bool(self._queue) or self._closing

        try:
            repack_lately(Depot(store.database, store.folder), request.id, stop)
        except Exception as error:  # it is stored as well as before
            self._warn(f"repacking artifact {request.name!r}", error)

    def _note(self, size: int, total: int) -> None:
        self.progress, self.total = size, total
        self._breathe()

    def _breathe(self) -> None:
        """Rest for as long as it takes to keep to the share, unless somebody waits, or another version does."""
        worked_s = time.thread_time() - self._worked_s
        if worked_s < _STINT_S:
            return
        with self._changed:
            rest_s = min(worked_s * (1 / self._share - 1), _LONGEST_REST_S)
            self._changed.wait_for(lambda: self._closing or self._hurried or len(self._queue) > 1, rest_s)
        self._worked_s = time.thread_time()


def _processors() -> int:
    """Return how many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _give_way() -> None:
    """Let the training have the processor first, where threads have priorities of their own (Linux)."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)


def _stop_keeper() -> None:
    leasing = sys.modules.get("treering.artifacts.leasing")
    if leasing is not None:
        leasing.stop()
