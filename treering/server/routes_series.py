"""Curves: one question for a whole wall of charts, answered with arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from fastapi import APIRouter, Response

from treering.api import ApiRun
from treering.errors import NotFound, UsageError
from treering.server.routes_runs import Open
from treering.server.shapes import SeriesQuery
from treering.server.wire import PackedSeries, clean, pack_series
from treering.store.read_columns import Column
from treering.store.reader import RunReader, Segment
from treering.store.values import NUMERIC

__all__ = ["SERIES_TYPE", "router"]

SERIES_TYPE = "application/vnd.treering.series"
_MAX_SERIES = 10_000
_MAX_POINTS = 20_000_000
_NONE = np.empty(0)

router = APIRouter(tags=["series"])


@router.post(
    "/series",
    response_class=Response,
    responses={200: {"content": {SERIES_TYPE: {"schema": {"type": "string", "format": "binary"}}}}},
)
def series(library: Open, query: SeriesQuery) -> Response:
    """Read many metrics of many runs; the form of the answer is described at `wire.pack_series`.

    Per pixel the smallest and the largest value are kept, so no spike is lost, and no answer is larger than the screen.
    A run or metric that is not there is in the head with `error`, and without points.
    """
    count = len(query.runs) * len(query.keys)
    if count > _MAX_SERIES or 2 * count * query.width > _MAX_POINTS:
        raise UsageError(
            f"{len(query.runs)} runs x {len(query.keys)} keys at {query.width} pixels is too much at once; ask for up "
            f"to {_MAX_SERIES:,} series and {_MAX_POINTS // 2:,} pixels in all"
        )
    runs = library.by_ids(list(dict.fromkeys(query.runs)))
    parts = [part for run_id in query.runs for part in _read(runs.get(run_id), run_id, query)]
    return Response(pack_series(parts), media_type=SERIES_TYPE)


class _OnceReader(RunReader):
    """Reads each column of a run once, for one answer: all of its metrics share the x axis."""

    def __init__(self, run: ApiRun) -> None:
        super().__init__(run.source.database, run.id)
        self._segments: dict[tuple[str, bool], list[Segment]] = {}
        self._columns: dict[tuple[str, str, bool], Column] = {}

    def segments(self, stream: str = "history", *, superseded: bool = False) -> list[Segment]:
        """As in `RunReader`."""
        found = self._segments.get((stream, superseded))
        if found is None:
            found = self._segments[stream, superseded] = super().segments(stream, superseded=superseded)
        return found

    def column(self, stream: str, key: str, *, superseded: bool = False) -> Column:
        """As in `RunReader`."""
        found = self._columns.get((stream, key, superseded))
        if found is None:
            found = self._columns[stream, key, superseded] = super().column(stream, key, superseded=superseded)
        return found


def _read(run: ApiRun | None, run_id: str, query: SeriesQuery) -> list[PackedSeries]:
    if run is None:
        return [_nothing(run_id, key, f"there is no run {run_id!r}") for key in query.keys]
    reader = _OnceReader(run)
    for key in query.keys:  # the x axis is read after the last of them, and so has a place for every row
        reader.column(query.stream, key, superseded=query.superseded)
    return [_read_one(reader, key, query) for key in query.keys]


def _read_one(reader: RunReader, key: str, query: SeriesQuery) -> PackedSeries:
    """Read one metric of one run, down to what `query.width` pixels can show."""
    try:
        points = reader.points(
            query.stream,
            key,
            query.x,
            start=query.start,
            stop=query.stop,
            samples=2 * query.width + 2,
            superseded=query.superseded,
            log=query.log_x,
        )
    except NotFound as error:
        return _nothing(reader.run_id, key, str(error))
    if points.kind not in NUMERIC or points.x.dtype == object:
        return _nothing(
            reader.run_id, key, f"{key!r} over {query.x!r} holds no numbers; it is {points.kind}", points.kind
        )
    head: dict[str, Any] = {
        "run": reader.run_id,
        "key": clean(key),
        "kind": points.kind,
        "total": points.total,
        "without_x": points.without_x,
        "last_row": int(points.rows[-1]) if len(points.rows) else None,
        "damage": [clean(item.message) for item in points.damage],
    }
    return PackedSeries(head, points.x, points.values)


def _nothing(run_id: str, key: str, why: str, kind: str | None = None) -> PackedSeries:
    head = {"run": clean(run_id), "key": clean(key), "kind": kind, "total": 0, "error": clean(why)}
    return PackedSeries(head, _NONE, _NONE)
