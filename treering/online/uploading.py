"""The thread that brings a run to a server while it goes on; the training never waits for it."""

from __future__ import annotations

import contextlib
import random
import sys
import threading
import time
from typing import TYPE_CHECKING

from treering.errors import NotFound, StoreError
from treering.online.client import Client, Conflict, RefusedKey, Unreachable
from treering.online.replica import Replica
from treering.onlookers import SAY_EVERY_S, hurried_s, is_hurried, say_gone, say_looking

if TYPE_CHECKING:
    from collections.abc import Callable

    from treering.online.credentials import Server
    from treering.store import Store

__all__ = ["Uploader"]

_RETRY_S, _MAX_RETRY_S = 1.0, 30.0
# An end waits so long for a server that does not answer, before it leaves the rest to `treering sync`.
_UNREACHABLE_S = 5.0
# Between two looks while somebody watches on the server; rows come to the store every 0.1 s then.
_WATCHED_S = 0.05
# A store is made by the run's writer; until then there is nothing to read.
_MAKING_S = 30.0


class Uploader(threading.Thread):
    """Brings one run to a server, from the store that it is recorded in.

    Args:
        open_store: called on this thread.
        server: where to.
        run_id: of the run.
        interval_s: seconds between two looks.
        warn: told, once for each kind, what is wrong; called on this thread.
    """

    def __init__(
        self,
        open_store: Callable[[], Store],
        server: Server,
        run_id: str,
        interval_s: float,
        warn: Callable[[str, BaseException], None],
    ) -> None:
        super().__init__(name=f"treering-upload-{run_id}", daemon=True)
        self.server = server
        self._open_store = open_store
        self._run_id = run_id
        self._interval_s = interval_s
        self._warn = warn
        self._wake = threading.Event()
        self._closing = self._stopped = False
        self._store: Store | None = None
        self._replica: Replica | None = None
        self._failures = 0
        self._retry_after_s = 0.0
        self._last_looks = 0
        self._said_s = 0.0
        self._begun_s = time.monotonic()
        #: Whether the server has all that there was when the run ended.
        self.complete = False

    def begin(self) -> None:
        """Start; where no thread can be started any more, as the interpreter is ending, `treering sync` does it."""
        if not sys.is_finalizing():
            with contextlib.suppress(RuntimeError):
                self.start()

    def run(self) -> None:
        """Bring over what is new until `close`."""
        client = Client(self.server.url, self.server.key)
        try:
            while not self._stopped:
                begun_s = time.monotonic()
                closing = self._closing  # asked first: what comes before `close` must still be brought over
                caught_up = self._try(client)
                if closing and caught_up:
                    self.complete = True
                    break
                self._last_looks += closing
                self._pass_on()
                self._wake.wait(self._pause_s(time.monotonic() - begun_s))
                self._wake.clear()
        finally:
            client.close()
            if self._store is not None:
                if self._said_s:
                    say_gone(self._store.folder, self._run_id)
                with contextlib.suppress(Exception):
                    self._store.close()

    def _pause_s(self, spent_s: float = 0.0) -> float:
        if not self._failures:
            if self._closing:
                return 0.05
            # A server that takes long has more to do than it can: it gets more rows at a time then, and less often.
            return hurried_s(_WATCHED_S, spent_s, self._interval_s) if self._is_watched() else self._interval_s
        longest_s = min(_RETRY_S * 2.0 ** (self._failures - 1), 2.0 if self._closing else _MAX_RETRY_S)
        # With chance in it, so that many runs do not come back to a server all at once.
        return max(longest_s * random.uniform(0.5, 1.0), self._retry_after_s)  # noqa: S311  # no secret

    def _is_watched(self) -> bool:
        """Tell whether somebody looks at the run on the server, and rows are to go there quickly for that."""
        return self._replica is not None and self._replica.watched and is_hurried(self._interval_s)

    def _pass_on(self) -> None:
        """Tell the run's writer, too, that somebody looks."""
        now_s = time.monotonic()
        if self._store is None or self._failures or not self._is_watched() or now_s - self._said_s < SAY_EVERY_S:
            return
        self._said_s = now_s
        say_looking(self._store.folder, self._run_id)

    def _try(self, client: Client) -> bool:
        try:
            replica = self._replica or self._meet(client)
            caught_up = replica is not None and replica.advance()
        except NotFound:
            return False  # the run is so young that the store does not know it yet
        except Exception as error:  # whatever is wrong with the server, the training goes on
            self._failures += 1
            self._retry_after_s = error.retry_after_s if isinstance(error, Unreachable) else 0.0
            if isinstance(error, Unreachable):
                self._warn("reaching the server (it gets later what it misses now)", error)
            elif not self._stopped:
                self._warn("bringing the run to the server", error)
            if isinstance(error, (RefusedKey, Conflict)):
                self._failures = max(self._failures, 5)  # it will be the same in a second
            return False
        self._failures = 0
        return caught_up

    def _meet(self, client: Client) -> Replica | None:
        """Open the store; None while its writer is still making it."""
        try:
            self._store = self._open_store()
        except StoreError:
            if time.monotonic() - self._begun_s < _MAKING_S:
                return None
            raise
        self._replica = Replica(self._store, client, self._run_id, self._tell)
        return self._replica

    def _tell(self, what: str) -> None:
        self._warn("bringing the run to the server", StoreError(what))

    @property
    def behind(self) -> tuple[int, int]:
        """Rows and versions that the server had not got at the last look."""
        replica = self._replica
        return (max(replica.rows_behind, 0), replica.versions_behind) if replica is not None else (0, 0)

    def close(self, timeout_s: float, say: Callable[[str], None]) -> bool:
        """Bring over what is left, for as long as that gets anywhere; True when the server has all of it.

        Args:
            timeout_s: how long at most.
            say: told how far it has got when that takes a while; called on this thread.
        """
        self._closing = True
        self._wake.set()
        start_s = said_s = time.monotonic()
        try:
            while self.is_alive() and (now_s := time.monotonic()) - start_s < timeout_s:
                self.join(0.05)
                if self._failures and self._last_looks and now_s - start_s > _UNREACHABLE_S:
                    break
                if now_s - said_s > 2.0:  # noqa: PLR2004  # seconds of patience
                    said_s = now_s
                    rows, versions = self.behind
                    say(f"{rows:,} rows and {versions} versions to go ...")
        finally:
            self.stop()
        return self.complete

    def stop(self) -> None:
        """Let the thread end after what it is doing."""
        self._stopped = True
        self._wake.set()
