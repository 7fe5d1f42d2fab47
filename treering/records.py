"""What a journal's records say.

A row is `[stream, row, step, time_ns, data]` with the stream's number; everything else that happens to a run is an
operation, `[-1, 0, 0, time_ns, {"name": name, "fields": fields}]`. Rows carry their number, operations set values, and
both are applied in order from a position that is kept with the result: so replaying any part twice changes nothing.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from treering.store.streams import CONSOLE, EVENTS, HISTORY, STREAMS, SYSTEM
from treering.store.values import encode, read_extension

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = [
    "CONSOLE",
    "EVENTS",
    "HISTORY",
    "OPERATION",
    "STREAMS",
    "SYSTEM",
    "Operation",
    "Row",
    "decode_record",
    "write_operation",
]

OPERATION = -1


class Row(msgspec.Struct, array_like=True, gc=False):
    """One call of `log`; `data` is as the user nested it."""

    stream: int
    row: int
    step: int
    time_ns: int
    data: dict[Any, Any]

    @property
    def next_row(self) -> int:
        """Number behind this row."""
        return self.row + 1

    @property
    def last_step(self) -> int:
        """The step, under the name that a block of rows has for its last one."""
        return self.step

    def step_from(self, row: int) -> int:  # noqa: ARG002  # a block has several to choose from
        """Return the step."""
        return self.step

    def since(self, row: int) -> Row | None:
        """Return this row where it is `row` or a later one."""
        return self if self.row >= row else None


class Operation(NamedTuple):
    """One change of a run; `name` is a method of `treering.store.runs.RunWriter`, less its "apply_"."""

    name: str
    time_ns: int
    fields: dict[str, Any]

    @classmethod
    def of(cls, record: Row) -> Operation:
        """Return the operation that a record of "stream" `OPERATION` holds."""
        return cls(record.data["name"], record.time_ns, record.data["fields"])


def write_operation(name: str, fields: Mapping[str, Any]) -> bytes:
    """Encode one operation, happening now."""
    return encode((OPERATION, 0, 0, time.time_ns(), {"name": name, "fields": fields}))


#: Decode one record, of a row or of an operation; the writer's hottest call.
decode_record: Callable[[bytes], Row] = msgspec.msgpack.Decoder(Row, ext_hook=read_extension).decode
