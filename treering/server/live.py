"""What is new, as it comes: one event stream for a page, and only differences in it.

The store is asked several times a second whether anything was committed, and only then what; of a metric only the
chunks with new rows are read. A client opens the stream first and reads its series then: what comes twice has the same
row number. While it is open, the runs that it watches are written to the store more often (`treering.onlookers`).
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from treering.api._listing import leaves
from treering.errors import NotFound, TreeringError, UsageError
from treering.onlookers import SAY_EVERY_S, say_gone, say_looking
from treering.server.shelf import stored, within
from treering.server.wire import clean, decode_cursor, encode_cursor, plain, plain_numbers, us
from treering.store.read_filter import Compare, Field
from treering.store.read_query import LISTED
from treering.store.reduce import thin
from treering.store.values import NUMERIC

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from treering.api import ApiRun
    from treering.server.shelf import Library, Shelf
    from treering.store.read_filter import Node

__all__ = ["Feed", "event_stream"]

_POLL_S = 0.1
# Asking costs the more the more is watched: so many times its processor time is the pause after it, within limits.
_PAUSE_PER_COST, _LONGEST_PAUSE_S = 9, 1.0
# A database that cannot say whether anything was committed is asked this often.
_ASK_S = 0.25
# What a list shows of a run that goes on.
_TELL_S = 1.0
_IDLE_S = 15.0
_CURSOR_S = 2.0
# A writer notes the time before its transaction is visible; looking back this far finds what came late.
_OVERLAP_US = 30_000_000
_MAX_POINTS = 2000
_MAX_LINES = 1000


class Feed:
    """One client's view: what it watches, and how far it has got.

    Args:
        shelf: gives the store.
        project: only its runs; None for all.
        runs: ids of runs whose rows are wanted.
        keys: metrics of them.
        x: x axis of their points.
        extras: "console", "system", "events": of which streams, besides, whole rows are wanted.

    Attributes:
        runs: each once.
    """

    def __init__(
        self,
        shelf: Shelf,
        project: str | None,
        runs: Sequence[str],
        keys: Sequence[str],
        x: str = "_step",
        extras: Sequence[str] = (),
    ) -> None:
        self._shelf = shelf
        self._project = project
        self.runs = list(dict.fromkeys(runs))
        self._keys = list(dict.fromkeys(keys))
        self._x = x
        self._streams = ["history", *extras]
        self._since_us = 0
        self._seen: dict[str, tuple[int, str, int]] = {}
        self._next: dict[str, list[int]] = {}
        self._watched: dict[str, ApiRun] = {}
        self._told_s: dict[str, float] = {}
        self._committed: list[object] = []
        self._asked_s = self._said_s = 0.0
        self._owes = True

    def start(self, cursor: str | None) -> dict[str, Any]:
        """Begin now, or where a cursor says; returns what the first event tells.

        Raises:
            UsageError: the cursor is none of ours.
        """
        library = self._shelf.library()
        known = library.by_ids(self.runs)
        self._next = self._ends(list(known.values()))
        self._watched = dict(known)  # all of them once, for a cursor may be of long ago
        newest = library.runs(self._project, order="-updated", limit=1)
        self._since_us = us(newest[0].updated) if len(newest) else time.time_ns() // 1000
        if cursor is None:
            self._seen = {run.id: _version(run) for run in library.chosen(self._changed())}
        else:
            self._take(decode_cursor(cursor))
        return {"next_rows": {run_id: ends[0] for run_id, ends in self._next.items()}}

    def _take(self, values: list[Any]) -> None:
        """Go back to where a cursor was made: the time, then id and next rows of each run."""
        width = 1 + len(self._streams)
        if not values or (len(values) - 1) % width or not isinstance(values[0], int):
            raise UsageError("the cursor belongs to another stream; begin without one")
        self._since_us = min(values[0], self._since_us)
        for at in range(1, len(values), width):
            run_id, *ends = values[at : at + width]
            if run_id in self._next and all(isinstance(end, int) for end in ends):
                self._next[run_id] = ends

    def cursor(self) -> str:
        """Return where this feed is, for `start`."""
        rows = [part for run_id, ends in self._next.items() for part in (run_id, *ends)]
        return encode_cursor([self._since_us, *rows])

    def poll(self) -> list[tuple[str, dict[str, Any]]]:
        """Return what has happened since the last call as (event, data) pairs."""
        library = self._shelf.library()
        now_s = time.monotonic()
        self._say_looking(library, now_s)
        if not self._is_due(library, now_s):
            return []
        recent = library.chosen(self._changed())
        changed = [run for run in recent if self._seen.get(run.id) != _version(run)]
        waiting = [run.id for run in changed if not self._is_worth_telling(run, now_s)]
        self._owes = bool(waiting)
        changed = [run for run in changed if run.id not in waiting]
        events: list[tuple[str, dict[str, Any]]] = []
        summaries = stored(changed, "summary") if changed else {}
        for run in changed:
            self._seen[run.id] = _version(run)
            self._told_s[run.id] = now_s
            self._since_us = max(self._since_us, us(run.updated))
            events.append(("run", _told(run, summaries[run.id])))
            if run.id in self.runs:
                self._watched[run.id] = run
        # A row of the console changes nothing in its run, so all that may still write are looked at.
        # How far they go is asked first: rows that come meanwhile are sent now and once more, and never left out.
        ends = self._ends(list(self._watched.values()))
        for run in list(self._watched.values()):
            events += self._news(run, ends[run.id])
            if not run.is_running:
                del self._watched[run.id]
        return events

    def _is_due(self, library: Library, now_s: float) -> bool:
        """Tell whether anything can have changed."""
        committed = library.committed()
        if committed is None:
            due = now_s - self._asked_s >= _ASK_S
        else:
            # Asked before the store is read: what is committed while it is read counts for the next time.
            due = committed != self._committed
            self._committed = committed
        late = self._owes and now_s - self._asked_s >= _ASK_S
        if due or late:
            self._asked_s = now_s
        return due or late

    def _is_worth_telling(self, run: ApiRun, now_s: float) -> bool:
        """Tell whether a list is to show a run anew: at once when it begins or ends, else once a second."""
        seen = self._seen.get(run.id)
        if seen is None or seen[1:] != _version(run)[1:]:
            return True
        return now_s - self._told_s.get(run.id, 0.0) >= _TELL_S

    def _say_looking(self, library: Library, now_s: float) -> None:
        if library.folder is not None and now_s - self._said_s >= SAY_EVERY_S:
            self._said_s = now_s
            for run in self._watched.values():
                if run.is_running:
                    say_looking(library.folder, run.id)

    def close(self) -> None:
        """Say that nobody looks any more."""
        folder = self._shelf.folder
        if folder is not None:
            for run_id in self.runs:
                say_gone(folder, run_id)

    def _news(self, run: ApiRun, ends: list[int]) -> list[tuple[str, dict[str, Any]]]:
        before = self._next.get(run.id, [0] * len(self._streams))
        self._next[run.id] = ends
        events: list[tuple[str, dict[str, Any]]] = []
        if ends[0] > before[0]:
            points = [part for key in self._keys if (part := self._points(run, key, before[0])) is not None]
            if points:
                events.append(("rows", {"run": run.id, "x": self._x, "series": points}))
        for stream, start, end in zip(self._streams[1:], before[1:], ends[1:], strict=True):
            if end > start:
                rows = [{"row": row, **plain(data)} for row, data in run.reader.scan(stream, first_row=start)]
                # Of the console, one that says `line` anew replaces what it said before.
                name = "lines" if stream == "console" else "rows"
                events.append((stream, {"run": run.id, name: rows[-_MAX_LINES:]}))
        return events

    def _points(self, run: ApiRun, key: str, first_row: int) -> dict[str, Any] | None:
        try:
            points = run.reader.newest("history", key, self._x, first_row)
        except NotFound:
            return None
        if points.kind not in NUMERIC or points.x.dtype == object:
            return None
        count = len(points.rows)
        kept = np.arange(count) if count <= _MAX_POINTS else thin(points.values, _MAX_POINTS, points.x)
        if not len(kept):
            return None
        arrays = {"rows": points.rows, "x": points.x, "values": points.values}
        return {"key": key, **{name: plain_numbers(array[kept]) for name, array in arrays.items()}}

    def _ends(self, runs: Sequence[ApiRun]) -> dict[str, list[int]]:
        """Return how many rows each stream of the runs has."""
        found: dict[tuple[str, str], int] = {}
        for source in {id(run.source): run.source for run in runs}.values():
            ids = [run.id for run in runs if run.source is source]
            for run_id, stream, next_row in source.database.query(
                f"SELECT run_id, stream, next_row FROM streams WHERE run_id IN ({LISTED[source.database.dialect]})",
                {"ids": msgspec.json.encode(ids).decode()},
            ):
                found[run_id, stream] = int(next_row)
        return {run.id: [found.get((run.id, stream), 0) for stream in self._streams] for run in runs}

    def _changed(self) -> Node:
        return within(self._project, Compare(Field("run", "updated"), ">", (self._since_us - _OVERLAP_US,)))


def _version(run: ApiRun) -> tuple[int, str, int]:
    return us(run.updated), run.state, run.attempt


def _told(run: ApiRun, summary: dict[str, Any]) -> dict[str, Any]:
    """Return what a list shows of a run; a later attempt says that curves have to be read anew."""
    last = leaves(plain(summary))
    return {
        "id": run.id,
        "project": clean(run.project),
        "name": clean(run.name),
        "state": run.state,
        "updated_us": us(run.updated),
        "ended_us": None if run.ended is None else us(run.ended),
        "attempt": run.attempt,
        "summary": {key: value for key, value in last.items() if isinstance(value, (int, float, str))},
    }


async def event_stream(feed: Feed, hello: dict[str, Any]) -> AsyncGenerator[bytes, None]:
    """Yield a feed's events as an event stream, for as long as somebody reads it; `hello` is from `Feed.start`."""
    yield _event("hello", hello, feed.cursor())
    sent_s = marked_s = time.monotonic()
    pause_s = _POLL_S
    while True:
        await asyncio.sleep(pause_s)
        try:
            events, cost_s = await asyncio.to_thread(_poll, feed)
            pause_s = min(max(cost_s * _PAUSE_PER_COST, _POLL_S), _LONGEST_PAUSE_S)
        except TreeringError as error:
            events = [("trouble", {"message": clean(str(error))})]
            await asyncio.sleep(_IDLE_S)
        now_s = time.monotonic()
        if events:
            yield b"".join([_event(name, data) for name, data in events])
            sent_s = now_s
            # The cursor names every run that is watched, so it is not part of every event.
            if now_s - marked_s > _CURSOR_S:
                marked_s = now_s
                yield _event("cursor", {}, feed.cursor())
        elif now_s - sent_s > _IDLE_S:
            sent_s = now_s
            yield b": still here\n\n"  # so that proxies keep it open


def _poll(feed: Feed) -> tuple[list[tuple[str, dict[str, Any]]], float]:
    """Return the news, and the seconds of processor time that they took."""
    begun_s = time.thread_time()
    return feed.poll(), time.thread_time() - begun_s


def _event(name: str, data: dict[str, Any], cursor: str | None = None) -> bytes:
    head = f"event: {name}\n" + ("" if cursor is None else f"id: {cursor}\n")
    return head.encode() + b"data: " + msgspec.json.encode(data) + b"\n\n"
