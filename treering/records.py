"""What a journal's records say.

A row is `[stream, row, step, time_ns, data]` with the stream's number; everything else that happens to a run is an
operation, `[-1, name, time_ns, fields]`. Rows carry their number, operations set values, and both are applied in
order from a position that is kept with the result: so replaying any part twice changes nothing.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

from treering.store.streams import CONSOLE, EVENTS, HISTORY, STREAMS, SYSTEM
from treering.store.values import decode, encode

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "CONSOLE",
    "EVENTS",
    "HISTORY",
    "OPERATION",
    "STREAMS",
    "SYSTEM",
    "Operation",
    "Row",
    "parse",
    "write_operation",
]

OPERATION = -1


class Row(NamedTuple):
    """One call of `log`; `data` is as the user nested it."""

    stream: int
    row: int
    step: int
    time_ns: int
    data: dict[str, Any]


class Operation(NamedTuple):
    """One change of a run; `name` is a method of `treering.store.runs.Runs`, less its "apply_"."""

    name: str
    time_ns: int
    fields: dict[str, Any]


def write_operation(name: str, fields: Mapping[str, Any]) -> bytes:
    """Encode one operation, happening now."""
    return encode((OPERATION, name, time.time_ns(), fields))


def parse(data: bytes) -> Row | Operation:
    """Decode one record."""
    values = decode(data)
    return Operation(*values[1:]) if values[0] == OPERATION else Row(*values)
