"""What is new, as it comes: one event stream for a page, and only differences in it.

The store is asked a few times a second, with one small statement while nothing happens. A client opens the stream
first and reads its series then: what comes twice has the same row number.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from treering.api._listing import leaves
from treering.errors import NotFound, TreeringError, UsageError
from treering.server.shelf import stored, within
from treering.server.wire import decode_cursor, encode_cursor, plain, us
from treering.store.read_filter import Compare, Field
from treering.store.reduce import thin
from treering.store.values import NUMERIC

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from treering.api import ApiRun
    from treering.server.shelf import Shelf
    from treering.store.read_filter import Node

__all__ = ["Feed", "event_stream"]

_POLL_S = 0.2
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
        console: whether their console's lines are wanted.
    """

    def __init__(
        self,
        shelf: Shelf,
        project: str | None,
        runs: Sequence[str],
        keys: Sequence[str],
        x: str = "_step",
        *,
        console: bool = False,
    ) -> None:
        self._shelf = shelf
        self._project = project
        self._runs = list(dict.fromkeys(runs))
        self._keys = list(dict.fromkeys(keys))
        self._x = x
        self._streams = ["history", *(["console"] if console else [])]
        self._since_us = 0
        self._seen: dict[str, tuple[int, str, int]] = {}
        self._next: dict[str, list[int]] = {}
        self._watched: dict[str, ApiRun] = {}

    def start(self, cursor: str | None) -> dict[str, Any]:
        """Begin now, or where a cursor says; returns what the first event tells.

        Raises:
            UsageError: the cursor is none of ours.
        """
        library = self._shelf.library()
        known = library.by_ids(self._runs)
        self._next = {run_id: self._ends(run) for run_id, run in known.items()}
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
        recent = library.chosen(self._changed())
        changed = [run for run in recent if self._seen.get(run.id) != _version(run)]
        events: list[tuple[str, dict[str, Any]]] = []
        summaries = stored(changed, "summary") if changed else {}
        for run in changed:
            self._seen[run.id] = _version(run)
            self._since_us = max(self._since_us, us(run.updated))
            events.append(("run", _told(run, summaries[run.id])))
            if run.id in self._runs:
                self._watched[run.id] = run
        # A row of the console changes nothing in its run, so those that may still write are asked one by one.
        for run in list(self._watched.values()):
            events += self._news(run)
            if not run.is_running:
                del self._watched[run.id]
        return events

    def _news(self, run: ApiRun) -> list[tuple[str, dict[str, Any]]]:
        before = self._next.get(run.id, [0] * len(self._streams))
        # How far it goes is asked first: rows that come meanwhile are sent now and once more, and never left out.
        ends = self._ends(run)
        self._next[run.id] = ends
        events: list[tuple[str, dict[str, Any]]] = []
        if ends[0] > before[0]:
            points = [part for key in self._keys if (part := self._points(run, key, before[0])) is not None]
            if points:
                events.append(("rows", {"run": run.id, "x": self._x, "series": points}))
        if len(ends) > 1 and ends[1] > before[1]:
            events.append(("console", {"run": run.id, "lines": _lines(run, before[1])}))
        return events

    def _points(self, run: ApiRun, key: str, first_row: int) -> dict[str, Any] | None:
        try:
            points = run.reader.points("history", key, self._x)
        except NotFound:
            return None
        if points.kind not in NUMERIC or points.x.dtype == object:
            return None
        start = int(np.searchsorted(points.rows, first_row))
        kept = np.arange(start, len(points.rows))
        if len(kept) > _MAX_POINTS:
            kept = start + thin(points.values[start:], _MAX_POINTS, points.x[start:])
        if not len(kept):
            return None
        arrays = {"rows": points.rows, "x": points.x, "values": points.values}
        return {"key": key, **{name: plain(array[kept].tolist()) for name, array in arrays.items()}}

    def _ends(self, run: ApiRun) -> list[int]:
        return [run.reader.next_row(stream) for stream in self._streams]

    def _changed(self) -> Node:
        return within(self._project, Compare(Field("run", "updated"), ">", (self._since_us - _OVERLAP_US,)))


def _version(run: ApiRun) -> tuple[int, str, int]:
    return us(run.updated), run.state, run.attempt


def _told(run: ApiRun, summary: dict[str, Any]) -> dict[str, Any]:
    """Return what a list shows of a run; a later attempt says that curves have to be read anew."""
    last = leaves(plain(summary))
    return {
        "id": run.id,
        "project": run.project,
        "name": run.name,
        "state": run.state,
        "updated_us": us(run.updated),
        "ended_us": None if run.ended is None else us(run.ended),
        "attempt": run.attempt,
        "summary": {key: value for key, value in last.items() if isinstance(value, (int, float, str))},
    }


def _lines(run: ApiRun, first_row: int) -> list[dict[str, Any]]:
    """Return rows of the console from one on; one that says `line` anew replaces what it said before."""
    rows = [{"row": row, **plain(data)} for row, data in run.reader.scan("console", first_row=first_row)]
    return rows[-_MAX_LINES:]


async def event_stream(feed: Feed, hello: dict[str, Any]) -> AsyncGenerator[bytes, None]:
    """Yield a feed's events as an event stream, for as long as somebody reads it; `hello` is from `Feed.start`."""
    yield _event("hello", hello, feed.cursor())
    sent_s = marked_s = time.monotonic()
    while True:
        await asyncio.sleep(_POLL_S)
        try:
            events = await asyncio.to_thread(feed.poll)
        except TreeringError as error:
            events = [("trouble", {"message": str(error)})]
            await asyncio.sleep(_IDLE_S)
        now_s = time.monotonic()
        if events:
            for name, data in events:
                yield _event(name, data)
            sent_s = now_s
            # The cursor names every run that is watched, so it is not part of every event.
            if now_s - marked_s > _CURSOR_S:
                marked_s = now_s
                yield _event("cursor", {}, feed.cursor())
        elif now_s - sent_s > _IDLE_S:
            sent_s = now_s
            yield b": still here\n\n"  # so that proxies keep it open


def _event(name: str, data: dict[str, Any], cursor: str | None = None) -> bytes:
    head = f"event: {name}\n" + ("" if cursor is None else f"id: {cursor}\n")
    return head.encode() + b"data: " + msgspec.json.encode(plain(data)) + b"\n\n"
