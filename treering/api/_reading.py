"""From columns to `Series` and `History`."""

from __future__ import annotations

from datetime import date, datetime, time
from typing import TYPE_CHECKING, Any

import numpy as np

from treering.api._series import History, Series
from treering.api._tables import Filled
from treering.errors import UsageError
from treering.store.reduce import distinct, thin
from treering.store.values import NUMERIC

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy.typing as npt

    from treering.store.reader import Points, RunReader

    Revive = Callable[[object], Any]

__all__ = ["read_history", "read_series"]


def read_series(reader: RunReader, stream: str, key: str, x: str, options: Mapping[str, Any], revive: Revive) -> Series:
    """Read one metric; `options` are those of `RunReader.points`, with times as users give them."""
    points = reader.points(stream, key, x, **_placed(x, options))
    return Series(
        key,
        _values(points, revive),
        kind=points.kind,
        x_key=x,
        x=_x(x, points.x),
        row_numbers=points.rows,
        total=points.total,
        without_x=points.without_x,
        damage=points.damage,
    )


def read_history(
    reader: RunReader, stream: str, keys: list[str], x: str, options: Mapping[str, Any], revive: Revive
) -> History:
    """Read several metrics over one x axis."""
    given = _placed(x, options)
    samples = given.pop("samples")
    parts = {key: reader.points(stream, key, x, **given) for key in dict.fromkeys(keys)}
    rows, places = _union(list(parts.values()))
    if samples is not None:
        rows, places = _thinned(list(parts.values()), rows, places, samples)
    columns = {key: (points.kind, _filled(points, rows, revive)) for key, points in parts.items()}
    damage = {item: None for points in parts.values() for item in points.damage}
    return History(columns, x_key=x, x=_x(x, places), row_numbers=rows, damage=list(damage))


def _union(parts: list[Points]) -> tuple[npt.NDArray[np.int64], npt.NDArray[Any]]:
    """Return the rows in which any of the metrics has a value, and their places on the x axis."""
    if not parts:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    first = parts[0]
    if all(len(part.rows) == len(first.rows) and bool((part.rows == first.rows).all()) for part in parts[1:]):
        return first.rows, first.x
    every_row = np.concatenate([part.rows for part in parts])
    rows = distinct(every_row)
    places: npt.NDArray[Any] = np.empty(len(rows), dtype=np.result_type(*(part.x.dtype for part in parts)))
    for part in parts:
        places[np.searchsorted(rows, part.rows)] = part.x
    return rows, places


def _thinned(
    parts: list[Points], rows: npt.NDArray[np.int64], places: npt.NDArray[Any], samples: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[Any]]:
    chosen = [part.rows[thin(part.values, samples, part.x)] for part in parts]
    if not chosen:
        return rows, places
    kept = distinct(np.concatenate(chosen))
    return kept, places[np.searchsorted(rows, kept)]


def _filled(points: Points, rows: npt.NDArray[np.int64], revive: Revive) -> Filled:
    """Spread a metric's values over the rows of a table."""
    values = _values(points, revive)
    if len(rows) == len(points.rows) and bool((rows == points.rows).all()):
        return Filled(values)
    if not len(values):
        return Filled(np.zeros(len(rows), dtype=values.dtype), np.ones(len(rows), dtype=np.bool_))
    at = np.searchsorted(points.rows, rows)
    at[at == len(values)] = 0
    missing = points.rows[at] != rows
    return Filled(values[at], missing if missing.any() else None)


def _values(points: Points, revive: Revive) -> npt.NDArray[Any]:
    """Return values that belong to the caller, media as the objects that were logged."""
    if points.kind in NUMERIC:
        return points.values if points.values.flags.writeable else np.array(points.values)
    values = points.values.tolist()
    if points.kind != "text":
        values = [revive(value) for value in values]
    objects: npt.NDArray[Any] = np.fromiter(values, dtype=object, count=len(values))
    return objects


def _x(x: str, places: npt.NDArray[Any]) -> npt.NDArray[Any]:
    if x == "_time":
        return places.astype("datetime64[us]")
    return places if places.flags.writeable else np.array(places)


def _placed(x: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options with `start` and `stop` as numbers on the x axis."""
    return {**options, **{name: _place(x, name, options[name]) for name in ("start", "stop")}}


def _place(x: str, name: str, value: object) -> float | None:
    if value is None or (isinstance(value, (int, float)) and x != "_time"):
        return value
    if x != "_time":
        raise UsageError(f"{name}={value!r}: the x axis {x!r} takes a number")
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.replace("Z", "+00:00"))
        except ValueError:
            raise UsageError(
                f"{name}={value!r}: the x axis '_time' takes a datetime or a text such as '2026-01-31'"
            ) from None
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime.combine(value, time())  # midnight where the user is, see below
    if isinstance(value, datetime):
        return round(value.timestamp() * 1e6)  # without a zone it is local time
    if isinstance(value, np.datetime64):
        return int(value.astype("datetime64[us]").astype(np.int64))
    if isinstance(value, (int, float)):
        return value * 1e6  # seconds since 1970
    raise UsageError(f"{name}={value!r}: the x axis '_time' takes a datetime, an ISO text or seconds since 1970")
