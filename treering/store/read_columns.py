"""Reading one column: its chunks fetched, checked, decoded and joined.

A decoded column is remembered, up to a bound for the whole process: a chunk is named by its place and its checksum, so
what is remembered is either still right or recognised as old, and a live run's column is decoded only where it grew.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from treering.errors import CorruptData
from treering.store.columns import Chunk, decode_chunk, decode_into
from treering.store.values import NUMERIC

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from treering.store.database import Database

    Rows = npt.NDArray[np.int64]
    Values = npt.NDArray[Any]

__all__ = [
    "CACHE",
    "Column",
    "ColumnCache",
    "Damage",
    "empty_column",
    "fetch_chunks",
    "join_chunks",
    "read_column",
    "read_column_end",
]

_CHUNK_FIELDS = "first_row, last_row, count, kind, level, min, max, nan_count, rows, data, checksum"
#: Integers up to here have an exact float64.
_EXACT = 2**53
#: Kinds that are decoded straight into one array.
_FAST = frozenset({"float64", "int64"})


class Damage(NamedTuple):
    """Rows of a column that cannot be read; `message` says where and why."""

    first_row: int
    last_row: int
    message: str


@dataclass(frozen=True)
class Column:
    """The values of one column, ascending by row.

    Attributes:
        key: its name.
        kind: kind of its values; "json" where kinds are mixed that no number holds.
        values: (n,) float64, int64, bool or, for the other kinds, objects. Shared and not writeable.
        first_row: number of the first row.
        sparse_rows: (n,) row numbers; None where every row from the first on has a value.
        damage: what is missing because it cannot be read.
    """

    key: str
    kind: str
    values: Values
    first_row: int
    sparse_rows: Rows | None
    damage: tuple[Damage, ...] = ()

    @property
    def rows(self) -> Rows:
        """(n,) row numbers."""
        if self.sparse_rows is not None:
            return self.sparse_rows
        return np.arange(self.first_row, self.first_row + len(self.values), dtype=np.int64)

    def rows_at(self, positions: npt.NDArray[Any]) -> Rows:
        """Return the row numbers of the values at some positions, without making all the others."""
        if self.sparse_rows is not None:
            chosen: Rows = self.sparse_rows[positions]
            return chosen
        rows: Rows = positions + self.first_row
        return rows

    def select(self, chosen: npt.NDArray[Any]) -> Column:
        """Return the values that a mask or positions choose."""
        rows = self.rows[chosen]
        return Column(self.key, self.kind, self.values[chosen], int(rows[0]) if len(rows) else 0, rows, self.damage)


def empty_column(key: str, kind: str = "float64", damage: tuple[Damage, ...] = ()) -> Column:
    """Return a column without a value."""
    dtype = kind if kind in ("int64", "bool") else "float64" if kind in NUMERIC else "object"
    return Column(key, kind, np.empty(0, dtype=dtype), 0, None, damage)


class ColumnCache:
    """Decoded columns, the least recently used ones dropped first; any thread may use it.

    Args:
        limit_bytes: bound on the bytes of all columns together; a column of more than half of it is not kept.
    """

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self._lock = threading.Lock()
        self._entries: OrderedDict[object, _Entry] = OrderedDict()
        self._bytes = 0

    def get(self, key: object) -> _Entry | None:
        """Return what is remembered, which may be old."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is not None:
                self._entries.move_to_end(key)
            return entry

    def put(self, key: object, entry: _Entry) -> None:
        """Remember a column of numbers."""
        if entry.size > self.limit_bytes // 2:
            return
        with self._lock:
            old = self._entries.pop(key, None)
            self._bytes += entry.size - (old.size if old else 0)
            self._entries[key] = entry
            while self._bytes > self.limit_bytes:
                _, dropped = self._entries.popitem(last=False)
                self._bytes -= dropped.size

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._entries.clear()
            self._bytes = 0


class _Entry(NamedTuple):
    prints: list[tuple[Any, ...]]  # (first_row, checksum) of each chunk
    column: Column
    size: int  # bytes, those left out that all columns share

    @classmethod
    def of(cls, prints: list[tuple[Any, ...]], column: Column) -> _Entry:
        rows = column.sparse_rows
        own = 0 if column.values.base is _COUNTING.numbers else column.values.nbytes
        return cls(prints, column, own + (0 if rows is None else rows.nbytes) + 64 * len(prints))


class _Counting:
    """The numbers 0, 1, 2, ... once for all columns that count, as steps nearly always do.

    Attributes:
        numbers: as many as have been needed; not writeable.
    """

    _MOST = 10 << 20  # 80 MiB of them

    def __init__(self) -> None:
        self.numbers: Rows = np.empty(0, dtype=np.int64)

    def shared(self, column: Column) -> Column:
        """Return the column with a view of these numbers for its values, if that is what they are."""
        values = column.values
        if values.dtype != np.int64 or len(values) < 2:  # noqa: PLR2004  # nothing to gain
            return column
        start, stop = int(values[0]), int(values[-1]) + 1
        if start < 0 or stop > self._MOST or stop - start != len(values):
            return column
        numbers = self.numbers
        if stop > len(numbers):
            # Twice as many as before, so that a run that goes on does not make them anew with every row.
            numbers = np.arange(min(max(stop, 2 * len(numbers)), self._MOST), dtype=np.int64)
            numbers.setflags(write=False)
            self.numbers = numbers
        view = numbers[start:stop]
        return replace(column, values=view) if bool((view == values).all()) else column


_COUNTING = _Counting()


#: What this process remembers.
CACHE = ColumnCache(96 << 20)


def read_column(database: Database, column_id: int, key: str, where: str) -> Column:
    """Return a whole column.

    Args:
        database: to read from; nothing is written.
        column_id: id in `columns`.
        key: the column's name.
        where: run and column, for the text of damage.
    """
    name = (getattr(database, "path", None) or id(database), column_id)
    known = CACHE.get(name)
    if known is not None:
        prints = _prints(database, column_id)
        if prints == known.prints:
            return known.column
        column = _grown(database, column_id, known, prints, where)
        if column is not None:
            column = _COUNTING.shared(column)
            CACHE.put(name, _Entry.of(prints, column))
            return column
    chunks = fetch_chunks(database, column_id)
    column = _COUNTING.shared(join_chunks(key, chunks, where))
    if column.values.dtype != object and not column.damage:
        CACHE.put(name, _Entry.of([(chunk.first_row, chunk.checksum) for chunk in chunks], column))
    return column


def read_column_end(database: Database, column_id: int, key: str, where: str, low: int) -> Column:
    """Return a column from the chunk on that holds the row `low`, or else the last row before it.

    Args:
        database: to read from.
        column_id: id in `columns`.
        key: the column's name.
        where: run and column, for the text of damage.
        low: number of a row.
    """
    before = "SELECT MAX(first_row) FROM chunks WHERE column_id = :id AND first_row <= :low"
    ((first_row,),) = database.query(before, {"id": column_id, "low": low})
    return join_chunks(key, fetch_chunks(database, column_id, low=low if first_row is None else first_row), where)


def _prints(database: Database, column_id: int) -> list[tuple[Any, ...]]:
    return database.query(
        "SELECT first_row, checksum FROM chunks WHERE column_id = :id ORDER BY first_row", {"id": column_id}
    )


def _grown(
    database: Database, column_id: int, known: _Entry, prints: list[tuple[Any, ...]], where: str
) -> Column | None:
    """Return the known column with what came after its last unchanged chunk, or None where that does not fit."""
    shared = 0
    for old, new in zip(known.prints, prints, strict=False):
        if old != new:
            break
        shared += 1
    if shared in (0, len(prints)):
        return None
    next_row = prints[shared][0]
    chunks = fetch_chunks(database, column_id, low=next_row)
    if [(chunk.first_row, chunk.checksum) for chunk in chunks] != prints[shared:]:
        return None  # the writer merged chunks in between
    column = known.column
    tail = join_chunks(column.key, chunks, where)
    if tail.kind != column.kind or tail.damage or tail.first_row < next_row:
        return None
    if (
        column.sparse_rows is None
        and tail.sparse_rows is None
        and tail.first_row <= column.first_row + len(column.values)
    ):
        values: Values = np.concatenate((column.values[: tail.first_row - column.first_row], tail.values))
        values.setflags(write=False)
        return Column(column.key, column.kind, values, column.first_row, None)
    rows = column.rows
    kept = int(np.count_nonzero(rows < next_row))
    joined: Values = np.concatenate((column.values[:kept], tail.values))
    return _column(column.key, column.kind, np.concatenate((rows[:kept], tail.rows)), joined, ())


def fetch_chunks(database: Database, column_id: int, *, low: int | None = None, high: int | None = None) -> list[Chunk]:
    """Return a column's chunks as stored, ascending by first row, in one statement and so of one moment.

    Args:
        database: to read from.
        column_id: id in `columns`.
        low: leave out chunks that lie wholly before this row.
        high: leave out chunks that lie wholly after this row.
    """
    condition = ""
    if low is not None:
        condition += " AND last_row >= :low"
    if high is not None:
        condition += " AND first_row <= :high"
    rows = database.query(
        f"SELECT {_CHUNK_FIELDS} FROM chunks WHERE column_id = :id{condition} ORDER BY first_row",
        {"id": column_id, "low": low, "high": high},
    )
    return [Chunk(*row) for row in rows]


def join_chunks(key: str, chunks: Sequence[Chunk], where: str) -> Column:
    """Decode chunks of one column and join them; what is damaged is left out and named."""
    kinds = {chunk.kind for chunk in chunks}
    if len(kinds) == 1 and kinds <= _FAST:
        return _join_numbers(key, chunks, where)
    parts: list[tuple[Rows, Any]] = []
    sound: set[str] = set()
    damage: list[Damage] = []
    for chunk in chunks:
        try:
            parts.append(decode_chunk(chunk, where))
        except CorruptData as error:
            damage.append(Damage(chunk.first_row, chunk.last_row, str(error)))
        else:
            sound.add(chunk.kind)
    if not parts:
        return empty_column(key, chunks[0].kind if chunks else "float64", tuple(damage))
    kind, values = _joined([values for _, values in parts], sound)
    return _column(key, kind, np.concatenate([rows for rows, _ in parts]), values, tuple(damage))


def _join_numbers(key: str, chunks: Sequence[Chunk], where: str) -> Column:
    kind = chunks[0].kind
    values: Values = np.empty(sum(chunk.count for chunk in chunks), dtype=kind)
    parts: list[tuple[Chunk, Rows | None]] = []
    damage: list[Damage] = []
    at = 0
    for chunk in chunks:
        try:
            parts.append((chunk, decode_into(chunk, values[at : at + chunk.count], where)))
        except CorruptData as error:
            damage.append(Damage(chunk.first_row, chunk.last_row, str(error)))
        else:
            at += chunk.count
    if not parts:
        return empty_column(key, kind, tuple(damage))
    values = values[:at]
    first, last = parts[0][0].first_row, parts[-1][0].last_row
    if last - first + 1 == at and all(rows is None for _, rows in parts):
        values.setflags(write=False)
        return Column(key, kind, values, first, None, tuple(damage))
    spans = [
        np.arange(chunk.first_row, chunk.last_row + 1, dtype=np.int64) if rows is None else rows
        for chunk, rows in parts
    ]
    return _column(key, kind, np.concatenate(spans), values, tuple(damage))


def _column(key: str, kind: str, rows: Rows, values: Values, damage: tuple[Damage, ...]) -> Column:
    if len(rows) > 1 and not bool((rows[1:] > rows[:-1]).all()):  # chunks of several kinds interleave
        order = np.argsort(rows, kind="stable")
        rows, values = rows[order], values[order]
    values.setflags(write=False)
    contiguous = len(rows) > 0 and int(rows[-1] - rows[0]) + 1 == len(rows)
    return Column(key, kind, values, int(rows[0]) if len(rows) else 0, None if contiguous else rows, damage)


def _joined(parts: list[Any], kinds: set[str]) -> tuple[str, Values]:
    """Join values of several chunks in the narrowest type that holds all of them exactly."""
    if len(kinds) == 1 and kinds <= NUMERIC:
        (kind,) = kinds
        return kind, np.concatenate(parts)
    if kinds <= NUMERIC:
        if kinds == {"bool", "int64"}:
            return "int64", np.concatenate([np.asarray(part, dtype=np.int64) for part in parts])
        if all(_fits_float(part) for part in parts):
            return "float64", np.concatenate([np.asarray(part, dtype=np.float64) for part in parts])
    objects = [value for part in parts for value in (part.tolist() if isinstance(part, np.ndarray) else part)]
    kind = kinds.pop() if len(kinds) == 1 else "json"
    return kind, np.fromiter(objects, dtype=object, count=len(objects))


def _fits_float(part: Values) -> bool:
    return part.dtype.kind != "i" or bool(((part >= -_EXACT) & (part <= _EXACT)).all())
