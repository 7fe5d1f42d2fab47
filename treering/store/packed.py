"""Rows that go over the network in columns, encoded as they are in the chunks of both stores.

What a training logs is mostly numbers. Their chunks are sent as they were written: neither side makes a row of them,
and the server has to read them only to see that they are what they say. Whatever else is logged goes as rows.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from treering.errors import CorruptData
from treering.online.delivery import ColumnPiece
from treering.store.batch import ColumnPart
from treering.store.columns import CHUNK_ROWS, Chunk, decode_chunk, encode_chunks, is_intact
from treering.store.values import NUMERIC

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from treering.store.database import Database

__all__ = ["ColumnsPage", "PackedColumn", "PackedRows", "columns_page"]

#: A page holds about so many values, which is 4 MB at most.
_PAGE_VALUES = 1 << 19
_MOST_COLUMNS = 1 << 14
#: Fewer rows than this are sent as rows: their chunks are not packed, and each has its head.
_LEAST_ROWS = 32


class ColumnsPage(NamedTuple):
    """All that a stream has from `first_row` until before `stop`, in columns."""

    first_row: int
    stop: int
    pieces: list[ColumnPiece]


def columns_page(database: Database, run_id: str, stream: str, low: int, end: int) -> ColumnsPage | None:
    """Return the next rows of a run as columns; None where they are few, or hold more than numbers.

    Args:
        database: may be read-only.
        run_id: whose rows, superseded ones too.
        stream: one of the four.
        low: the first row.
        end: the row before which the page ends at the latest.
    """
    if end - low < _LEAST_ROWS:
        return None
    ((width,),) = database.query(
        "SELECT COUNT(*) FROM columns WHERE run_id = :run AND stream = :stream", {"run": run_id, "stream": stream}
    )
    if not 0 < width <= _MOST_COLUMNS:
        return None
    stop = min(end, low + min(CHUNK_ROWS, _PAGE_VALUES // int(width)))
    found = database.query(
        "SELECT k.key, c.kind, c.first_row, c.last_row, c.count, c.level, c.rows, c.data, c.checksum "
        "FROM columns k JOIN chunks c ON c.column_id = k.id WHERE k.run_id = :run AND k.stream = :stream "
        "AND c.last_row >= :low AND c.first_row < :stop ORDER BY k.id, c.kind, c.first_row",
        {"run": run_id, "stream": stream, "low": low, "stop": stop},
    )
    if any(row[1] not in NUMERIC for row in found):
        return None
    pieces: list[ColumnPiece] = []
    try:
        for (key, kind), rows in groupby(found, lambda row: (row[0], row[1])):
            chunks = [
                Chunk(first, last, count, kind, level, None, None, 0, row_bytes, data, checksum)
                for _, _, first, last, count, level, row_bytes, data, checksum in rows
            ]
            piece = _piece(key, chunks, low, stop)
            pieces += [] if piece is None else [piece]
    except CorruptData:
        return None  # as rows, what can still be read goes over, and what cannot is told
    return ColumnsPage(low, stop, pieces) if pieces else None


def _piece(key: str, chunks: list[Chunk], low: int, stop: int) -> ColumnPiece | None:
    """Return what chunks of one column and kind have between two rows."""
    chunk = chunks[0]
    if len(chunks) > 1 or chunk.first_row < low or chunk.last_row >= stop or chunk.kind == "bool":
        parts = [decode_chunk(one) for one in chunks]
        rows, values = (np.concatenate([part[at] for part in parts]) for at in (0, 1))
        order = np.argsort(rows, kind="stable")  # chunks of several levels may lie among each other
        order = order[slice(*np.searchsorted(rows[order], (low, stop)).tolist())]
        if not len(order):
            return None
        kind = "int64" if chunk.kind == "bool" else chunk.kind
        rows, values = rows[order], values[order].astype(kind, copy=False)
        chunk = next(encode_chunks(kind, rows, values))._replace(kind=chunk.kind)
    elif not is_intact(chunk):
        raise CorruptData(key)
    return ColumnPiece(key, chunk.kind, chunk.first_row, chunk.last_row, chunk.count, chunk.rows, chunk.data)


class PackedColumn(NamedTuple):
    """Values of one kind and column.

    Attributes:
        rows: their numbers; a `range` where each row has one.
        values: as many.
        chunk: what holds them; None where they have still to be encoded.
    """

    key: str
    kind: str
    rows: range | npt.NDArray[np.int64]
    values: npt.NDArray[Any]
    chunk: Chunk | None

    def since(self, row: int) -> PackedColumn | None:
        """Return the part from `row` on."""
        if self.rows[0] >= row:
            return self
        start = row - self.rows[0] if isinstance(self.rows, range) else int(np.searchsorted(self.rows, row))
        if start >= len(self.rows):
            return None
        return self._replace(rows=self.rows[start:], values=self.values[start:], chunk=None)

    def encoded(self) -> tuple[ColumnPart, list[Chunk]]:
        """Return them as a store takes them."""
        rows: Sequence[int] = self.rows if isinstance(self.rows, range) else self.rows.tolist()
        part = ColumnPart(self.key, self.kind, rows, self.values)
        return part, [self.chunk] if self.chunk is not None else list(encode_chunks(self.kind, self.rows, self.values))


class PackedRows(NamedTuple):
    """Rows of one stream, checked.

    Attributes:
        columns: `_step` and `_time` among them, which have all rows that the others have.
        last_step: the step of the last row.
    """

    columns: list[PackedColumn]
    last_step: int

    def since(self, row: int) -> list[tuple[ColumnPart, list[Chunk]]]:
        """Return what is to be stored from `row` on."""
        return [part.encoded() for column in self.columns if (part := column.since(row)) is not None]
