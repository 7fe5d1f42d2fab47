"""The thread that saves a run's versions while the training goes on, one after another, in the order of the calls.

While nobody waits for them it works at leisure, since a training needs the processors more; from `wait` or the end of
the run on, and where versions come faster than that, it works as fast as it can. When nothing is to be saved it repacks
what waits for that in the store.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from typing import TYPE_CHECKING

from treering.artifacts.pacing import Pace
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
        self._ends_s = self._catch_up_s = 0.0
        self._failures = 0
        self._pace = Pace()
        self._thread: threading.Thread | None = None
        self._lease: Lease | None = None
        self._store: Store | None = None
        #: Bytes of the present version that have been read, and of how many; bytes looked at to be repacked.
        self.progress, self.total, self.repacked = 0, 0, 0

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
        if not waiting:
            return f"storing checkpoints in less room, {self.repacked / 1e6:,.0f} MB done"
        name = f"{waiting[0].name}: "
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

    def close(self, timeout_s: float, *, catch_up_s: float = 0.0) -> bool:
        """End after what is waiting; False when time runs out, in which case the next command saves the rest.

        Where no thread could be started (Python 3.12 and later, at exit) it is done here, whatever time it takes.

        Args:
            timeout_s: to wait for that.
            catch_up_s: to go on repacking after it, if there is something; what is left is for somebody else.
        """
        with self._changed:
            self._closing = True
            self._catch_up_s = catch_up_s
            self._changed.notify_all()
        thread = self._thread
        if thread is not None:
            thread.join(timeout_s)
        elif self._queue and not sys.is_finalizing():
            self._run()
        return self._thread is None and not self._queue

    def _run(self) -> None:
        try:
            while (request := self._next()) is not None:
                if self._attempt(request):
                    self._catch_up(request)
                elif self._rest(min(_RETRY_S * 2 ** (self._failures - 1), _MAX_RETRY_S)):
                    return
        finally:
            if self._store is not None:
                with contextlib.suppress(TreeringError):
                    self._store.close()
                self._store = None
            if self._lease is not None:
                self._lease.release(unlink=True)
            _stop_keeper()
            with self._changed:
                self._thread = None
                self._changed.notify_all()

    def _attempt(self, request: Request) -> bool:
        """Save a version; False when that is to be tried again."""
        try:
            if self._store is None:
                self._store = self._open_store()
            self._hold_lock(self._store, request)
            self._save(self._store, request)
        except Exception as error:  # whatever is wrong with the store, the training goes on
            self._warn(f"saving artifact {request.name!r}", error)
            self._failures += 1
            return False
        self._failures = 0
        self._done()
        return True

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
            filed = save_pending(store.database, store.folder, request, self._note, self._on_filed, self._note_help)
        except (PinGone, NotFound) as error:
            drop_pending(store.database, store.folder, request)
            self._on_failed(request.id, str(error))
            self._warn(f"saving artifact {request.name!r}", error)
            return
        if filed is None:
            self._on_failed(request.id, "somebody else has taken it over")

    def _catch_up(self, request: Request) -> None:
        """Repack what waits for it, and save in between what is handed over meanwhile."""
        from treering.artifacts.backlog import catch_up
        from treering.artifacts.depot import Depot

        store = self._store
        if store is None:
            return
        try:
            catch_up(Depot(store.database, store.folder), stop=self._is_repacking_over, progress=self._note_repacked)
        except Exception as error:  # it is stored as well as before
            self._warn(f"repacking artifact {request.name!r}", error)

    def _is_repacking_over(self) -> bool:
        while self._queue:
            if not self._attempt(self._queue[0]):
                return True
        self._breathe()
        if not self._closing:
            return False
        self._ends_s = self._ends_s or time.monotonic() + self._catch_up_s
        return time.monotonic() >= self._ends_s

    def _note_repacked(self, size: int) -> None:
        self.repacked += size
        self._breathe()

    def _note_help(self, seconds: float) -> None:
        self._pace.helped_s += seconds

    def _note(self, size: int, total: int) -> None:
        self.progress, self.total = size, total
        self._breathe()

    def _breathe(self) -> None:
        """Rest for as long as it takes to keep to the share, unless somebody waits, or another version does."""
        rest_s = self._pace.rest_s()
        if not rest_s:
            return
        began_s = time.monotonic()
        with self._changed:
            self._changed.wait_for(lambda: self._closing or self._hurried or len(self._queue) > 1, rest_s)
        self._pace.rested(time.monotonic() - began_s)


def _stop_keeper() -> None:
    leasing = sys.modules.get("treering.artifacts.leasing")
    if leasing is not None:
        leasing.stop()
