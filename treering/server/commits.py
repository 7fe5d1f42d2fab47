"""What many runs send at the same time, made visible in one transaction.

A commit waits for the disk, and a lock that goes from one request's thread to the next waits for the machine's
processors at each step: where these are busy with the runs themselves, sixteen requests one after the other take ten
times as long as all of them at once. So one thread makes every change, and takes all that has come meanwhile together.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from concurrent.futures import Future
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypeVar

from starlette.concurrency import run_in_threadpool

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from treering.server.inbox import Inbox
    from treering.store.arrivals import Arrival
    from treering.store.database import Database

__all__ = ["Commits"]

T = TypeVar("T")
#: Reads what came, and returns what then changes the run.
Reading: TypeAlias = "Callable[[], Callable[[Arrival], T]]"

# All changes of a transaction wait for its last one.
_AT_ONCE = 64
# What takes long to read is read beside the others.
_LARGE = 128 << 10


class _Job(NamedTuple):
    run_id: str
    read: Reading[Any]
    done: Future[Any]


class _Step(NamedTuple):
    arrival: Arrival
    change: Callable[[Arrival], Any]
    done: Future[Any]


class Commits:
    """Changes runs for any request.

    Args:
        inbox: has the store.
    """

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    async def change(self, run_id: str, read: Reading[T], size: int = 0) -> T:
        """Change a run; returns, or raises, what the change does, once it is on the disk.

        Args:
            run_id: of the run.
            read: called on another thread, outside of a transaction; what it returns is called inside of one.
            size: bytes that `read` has before it.
        """
        if size > _LARGE:
            change = await run_in_threadpool(read)
            return await self._put(run_id, lambda: change)
        return await self._put(run_id, read)

    async def _put(self, run_id: str, read: Reading[T]) -> T:
        done: Future[T] = Future()
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="treering-commits", daemon=True)
                self._thread.start()
        self._jobs.put(_Job(run_id, read, done))
        return await asyncio.wrap_future(done)

    def close(self) -> None:
        """End, after what has come so far."""
        with self._lock:
            thread, self._thread = self._thread, None
        if thread is not None:
            self._jobs.put(None)
            thread.join()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            jobs: list[_Job | None] = [job]
            while len(jobs) < _AT_ONCE and jobs[-1] is not None:
                try:
                    jobs.append(self._jobs.get_nowait())
                except queue.Empty:
                    break
            self._make([one for one in jobs if one is not None])
            if jobs[-1] is None:
                return

    def _make(self, jobs: Sequence[_Job]) -> None:
        by_database: dict[int, list[_Step]] = {}
        for run_id, read, done in jobs:
            if not done.set_running_or_notify_cancel():
                continue
            try:
                change = read()
                arrival = self._inbox.arrival(run_id)
            except BaseException as error:
                done.set_exception(error)
                continue
            database = arrival.database
            # Servers that share a database would wait for each other's runs, in whatever order they took them.
            place = id(database) if database.dialect == "sqlite" else id(done)
            by_database.setdefault(place, []).append(_Step(arrival, change, done))
        for steps in by_database.values():
            outcomes = [_alone(steps[0])] if len(steps) == 1 else _together(steps)
            for step, (result, failure) in zip(steps, outcomes, strict=True):
                if failure is None:
                    step.done.set_result(result)
                else:
                    step.done.set_exception(failure)


_Outcome: TypeAlias = "tuple[Any, BaseException | None]"


def _alone(step: _Step) -> _Outcome:
    try:
        return step.change(step.arrival), None
    except BaseException as error:
        return None, error


def _together(steps: Sequence[_Step]) -> list[_Outcome]:
    """Make changes in one transaction; one that fails leaves the others as they are."""
    arrivals = list({id(step.arrival): step.arrival for step in steps}.values())
    database = arrivals[0].database
    try:
        with ExitStack() as held:
            for arrival in arrivals:  # before the database, in which order everybody else takes the two
                held.enter_context(arrival.held())
            with database.transaction():
                return [_within(database, step) for step in steps]
    except BaseException as error:  # the whole transaction failed
        return [(None, error)] * len(steps)


def _within(database: Database, step: _Step) -> _Outcome:
    database.execute("SAVEPOINT step")
    outcome = _alone(step)
    if outcome[1] is not None:
        database.execute("ROLLBACK TO step")
    database.execute("RELEASE step")
    return outcome
