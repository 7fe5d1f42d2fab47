"""Reading rows that come over the network: what could not be stored or read later is refused here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import msgspec

from treering.errors import UnsupportedValue, UsageError
from treering.online.delivery import split_rows
from treering.records import Row
from treering.store.streams import STREAMS
from treering.store.uniform import read_rows
from treering.store.values import Carried

if TYPE_CHECKING:
    from treering.store.uniform import Block

__all__ = ["read_incoming"]

_MAX_DEPTH = 32
_MAX_KEYS = 100_000
_MAX_ROWS = 100_000
_LAST = 2**63


def read_incoming(body: bytes, stream: str, first_row: int, stop: int | None) -> tuple[list[Row | Block], int]:
    """Return the rows of a body, and the number behind them.

    Args:
        body: as `delivery.frame_rows` makes it.
        stream: that they belong to.
        first_row: that they begin with.
        stop: number behind the last of them, where the sender says so.

    Raises:
        UsageError: they cannot be stored; the text names the row.
    """
    records = split_rows(body)
    if len(records) > _MAX_ROWS:
        raise UsageError(f"{len(records):,} rows are too many at a time; send up to {_MAX_ROWS:,}")
    try:
        rows = list(read_rows(records))
    except (msgspec.MsgspecError, UnsupportedValue, ValueError, TypeError, RecursionError) as error:
        raise UsageError(f"the rows cannot be read: {str(error) or 'they are nested too deeply'}") from None
    number, at = STREAMS.index(stream), first_row
    for row in rows:
        if row.stream != number:
            raise UsageError(f"a row of stream {row.stream} came for {stream!r}, which is {number}")
        if row.row < at:
            raise UsageError(f"row {row.row} came where {at} or a later one was due; rows must ascend")
        at = row.next_row
        _check(row)
    if stop is not None and stop < at:
        raise UsageError(f"the rows go on to {at}, and stop is {stop}")
    end = at if stop is None else stop
    if end >= _LAST // 2:
        raise UsageError(f"row {end} is beyond what a stream holds")
    return rows, end


def _check(row: Row | Block) -> None:
    if not isinstance(row, Row):
        _check_keys(len(row.columns), row.row)
        return
    if not -_LAST <= row.step < _LAST or not 0 <= row.time_ns < _LAST:
        raise UsageError(f"row {row.row} has step {row.step} and time {row.time_ns}; both are integers of 64 bits")
    _check_keys(_measure(row.data, 0, row.row), row.row)


def _check_keys(count: int, row: int) -> None:
    if count > _MAX_KEYS:
        raise UsageError(f"row {row} has {count:,} keys; a row takes up to {_MAX_KEYS:,}")


def _measure(value: Any, depth: int, row: int) -> int:
    """Return how many keys a value has at all depths."""
    if depth > _MAX_DEPTH:
        raise UsageError(f"row {row} is nested more than {_MAX_DEPTH} deep; log flat values instead")
    if isinstance(value, Carried):
        return _measure(value.payload, depth + 1, row)
    if isinstance(value, dict):
        found = cast("dict[object, object]", value)
        return len(found) + sum(
            _measure(item, depth + 1, row) for item in found.values() if isinstance(item, (dict, list, Carried))
        )
    if isinstance(value, list):
        return sum(
            _measure(item, depth + 1, row)
            for item in cast("list[object]", value)
            if isinstance(item, (dict, list, Carried))
        )
    return 0
