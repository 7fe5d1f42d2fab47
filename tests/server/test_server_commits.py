"""Changes that come at the same time go into one transaction, in which one that fails leaves the others alone."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from treering.errors import NotFound, StoreError
from treering.online.delivery import AttemptPart, RunDocument
from treering.server.commits import Commits
from treering.server.inbox import Inbox
from treering.store.arrivals import Arrival, Gap

BEGAN_US = 1_767_225_600_000_000
RUNS = [f"run-{number}" for number in range(6)]


def document() -> RunDocument:
    return RunDocument(
        version=1, project="p", name="n", state="running", created_us=BEGAN_US, attempt=1,
        attempts=[AttemptPart(1, "running", BEGAN_US, 0)],
    )  # fmt: skip


@pytest.fixture
def inbox(tmp_path: Path) -> Iterator[Inbox]:
    inbox = Inbox(tmp_path)
    for run_id in RUNS:
        inbox.arrival(run_id).put(document(), "f")
    yield inbox
    inbox.close()


def appending(first_row: int, stop: int) -> Callable[[], Callable[[Arrival], int]]:
    return lambda: lambda arrival: arrival.append("history", first_row, stop, [])


def made_at_once(inbox: Inbox, wanted: list[tuple[str, Any]]) -> tuple[list[Any], list[str]]:
    """Ask for changes while another one is being made; returns what became of them, and what SQLite was told."""
    told: list[str] = []

    async def ask(commits: Commits) -> list[Any]:
        begun, going_on = threading.Event(), threading.Event()

        def wait() -> Callable[[Arrival], None]:
            begun.set()
            assert going_on.wait(30)
            inbox.store.database._connection.set_trace_callback(told.append)  # type: ignore[attr-defined]
            return lambda _arrival: None

        first = asyncio.ensure_future(commits.change(RUNS[0], wait))
        await asyncio.to_thread(begun.wait, 30)
        others = [asyncio.ensure_future(commits.change(run_id, read)) for run_id, read in wanted]
        await asyncio.sleep(0)  # each has asked by now
        assert commits._jobs.qsize() == len(others)
        going_on.set()
        await first
        return await asyncio.gather(*others, return_exceptions=True)

    commits = Commits(inbox)
    try:
        return asyncio.run(ask(commits)), told
    finally:
        commits.close()


def test_what_comes_together_is_one_transaction(inbox: Inbox) -> None:
    found, told = made_at_once(inbox, [(run_id, appending(0, 3)) for run_id in RUNS])
    assert found == [3] * len(RUNS)
    assert [statement for statement in told if statement in {"BEGIN IMMEDIATE", "COMMIT"}] == [
        "BEGIN IMMEDIATE",
        "COMMIT",
    ]


def test_one_that_fails_leaves_the_others_alone(inbox: Inbox) -> None:
    def refuse() -> Callable[[Arrival], int]:
        raise NotFound("unreadable")

    def half(arrival: Arrival) -> int:
        arrival.append("history", 3, 9, [])
        raise ValueError("after half of it")

    wanted = [
        (RUNS[0], appending(0, 3)),
        (RUNS[0], lambda: half),
        (RUNS[0], appending(3, 5)),  # after what was taken back
        (RUNS[1], appending(7, 9)),
        (RUNS[2], refuse),
        (RUNS[3], appending(0, 1)),
        ("nobody", appending(0, 1)),
    ]
    (one, broken, more, gap, unread, last, nobody), _ = made_at_once(inbox, wanted)
    assert (one, more, last) == (3, 5, 1)
    assert [type(error) for error in (broken, gap, unread, nobody)] == [ValueError, Gap, NotFound, NotFound]
    rows = inbox.store.database.query("SELECT run_id, next_row FROM streams WHERE next_row > 0 ORDER BY run_id")
    assert rows == [(RUNS[0], 5), (RUNS[3], 1)]


def test_a_transaction_that_fails_is_told_to_all_and_forgotten(inbox: Inbox) -> None:
    def cut_off(arrival: Arrival) -> int:
        arrival.append("history", 0, 9, [])
        arrival.database.execute("ROLLBACK")  # as SQLite does by itself when the disk is full
        raise StoreError("disk full")

    found, _ = made_at_once(inbox, [(RUNS[1], appending(0, 3)), (RUNS[2], lambda: cut_off), (RUNS[3], appending(0, 1))])
    assert all(isinstance(error, StoreError) for error in found)
    found, _ = made_at_once(inbox, [(RUNS[1], appending(0, 2)), (RUNS[2], appending(0, 4))])
    assert found == [2, 4]  # what had been rolled back is not remembered


def test_large_bodies_are_read_beside_the_others(inbox: Inbox) -> None:
    names: list[str] = []

    def read() -> Callable[[Arrival], int]:
        names.append(threading.current_thread().name)
        return lambda arrival: arrival.append("history", 0, 1, [])

    async def ask(commits: Commits) -> list[int]:
        return [await commits.change(run_id, read, size) for run_id, size in ((RUNS[0], 10), (RUNS[1], 8 << 20))]

    commits = Commits(inbox)
    assert asyncio.run(ask(commits)) == [1, 1]
    commits.close()
    assert names[0] == "treering-commits" != names[1]
