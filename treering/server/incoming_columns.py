"""Reading columns that come over the network: what they say of themselves is not believed.

The bytes of a column go into the store as they came, once they have been decoded here: into memory of the size that
was announced, which is bounded. Smallest and largest value, and all else that is known of them, is found out here.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np

from treering.errors import CorruptData, UsageError
from treering.online.delivery import read_columns
from treering.store.batch import index_name
from treering.store.columns import CHUNK_ROWS, adopt_chunk, decode_numbers
from treering.store.packed import PackedColumn, PackedRows
from treering.store.values import NUMERIC

if TYPE_CHECKING:
    import numpy.typing as npt

    from treering.online.delivery import ColumnPiece

__all__ = ["read_incoming_columns"]

_MAX_COLUMNS = 100_000
_MAX_VALUES = 4 << 20
_LAST = 2**62


def read_incoming_columns(body: bytes, first_row: int, stop: int) -> PackedRows:
    """Return the rows that a body of columns holds.

    Args:
        body: an array of `ColumnPiece`.
        first_row: that they begin with, or a later one.
        stop: number behind the last of them.

    Raises:
        UsageError: they cannot be stored; the text names the column.
    """
    pieces = read_columns(body)
    if len(pieces) > _MAX_COLUMNS:
        raise UsageError(f"{len(pieces):,} columns are too many at a time; send up to {_MAX_COLUMNS:,}")
    if sum(max(piece.count, 0) for piece in pieces) > _MAX_VALUES:
        raise UsageError(f"the columns hold too many values at a time; send up to {_MAX_VALUES:,}")
    if stop > _LAST:
        raise UsageError(f"row {stop} is beyond what a stream holds")
    columns = [_read(piece, first_row, stop) for piece in pieces]
    return PackedRows(columns, _check_axes(columns))


def _read(piece: ColumnPiece, first_row: int, stop: int) -> PackedColumn:
    where = f"column {piece.key[:200]!r}"
    if piece.kind not in NUMERIC:
        raise UsageError(f"{where} is of kind {piece.kind[:40]!r}; columns hold {', '.join(sorted(NUMERIC))}")
    if index_name(piece.key) != piece.key:
        raise UsageError(f"{where} has a name that no column can have; send it as rows")
    if not 0 < piece.count <= CHUNK_ROWS:
        raise UsageError(f"{where} has {piece.count:,} values; send 1 to {CHUNK_ROWS:,} at a time")
    if not first_row <= piece.first_row <= piece.last_row < stop:
        raise UsageError(
            f"{where} has rows {piece.first_row} to {piece.last_row}; {first_row} to {stop - 1} were announced"
        )
    sent_as = "int64" if piece.kind == "bool" else piece.kind
    try:
        rows = _rows(piece)
        values = decode_numbers(sent_as, piece.data, piece.count)
    except CorruptData as error:
        raise UsageError(f"{where} cannot be read: {error}") from None
    if piece.kind == "bool":
        return PackedColumn(piece.key, piece.kind, rows, values != 0, None)
    chunk = adopt_chunk(piece.kind, (piece.first_row, piece.last_row), values, piece.rows, piece.data)
    return PackedColumn(piece.key, piece.kind, rows, values, chunk)


def _rows(piece: ColumnPiece) -> range | npt.NDArray[np.int64]:
    """Return the numbers of a column's rows, which ascend."""
    if piece.rows is None:
        if piece.last_row - piece.first_row + 1 != piece.count:
            raise CorruptData(f"{piece.count:,} values cannot fill rows {piece.first_row} to {piece.last_row}")
        return range(piece.first_row, piece.last_row + 1)
    distances = decode_numbers("int64", piece.rows, piece.count)
    ends = int(distances[0]), int(distances[-1])
    if ends != (0, piece.last_row - piece.first_row) or not bool((distances[1:] > distances[:-1]).all()):
        raise CorruptData("its rows do not ascend from the first to the last")
    return distances + piece.first_row


def _check_axes(columns: list[PackedColumn]) -> int:
    """See that each value has a step and a time, and each row of a column one value; returns the last step."""
    axes = {key: [column for column in columns if column.key == key] for key in ("_step", "_time")}
    for key, found in axes.items():
        if len(found) != 1 or found[0].kind != "int64":
            raise UsageError(f"column {key!r} is missing, or is not of integers; each row has one")
    ((steps,), (times,)) = axes.values()
    if int(times.values.min()) < 0:
        raise UsageError("column '_time' has a time before 1970; it is microseconds since then")
    if not _same(steps.rows, times.rows):
        raise UsageError("columns '_step' and '_time' have different rows")
    for column in columns:
        if not _within(column.rows, steps.rows):
            raise UsageError(f"column {column.key[:200]!r} has values in rows without a step")
    for key, alike in groupby(sorted(columns, key=lambda column: column.key), lambda column: column.key):
        parts = list(alike)
        if len(parts) > 1:
            rows = np.concatenate([np.asarray(part.rows) for part in parts])
            if len(np.unique(rows)) != len(rows):
                raise UsageError(f"column {key[:200]!r} has two values in a row")
    return int(steps.values[-1])


def _same(some: range | npt.NDArray[np.int64], others: range | npt.NDArray[np.int64]) -> bool:
    if isinstance(some, range) and isinstance(others, range):
        return some == others
    return np.array_equal(np.asarray(some), np.asarray(others))


def _within(some: range | npt.NDArray[np.int64], others: range | npt.NDArray[np.int64]) -> bool:
    if isinstance(others, range):
        return some[0] >= others[0] and some[-1] <= others[-1]
    return bool(np.isin(np.asarray(some), others, assume_unique=True).all())
