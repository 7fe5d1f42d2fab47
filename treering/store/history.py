"""Writing streams: rows in, chunks out, small chunks merged as they pile up.

A column's fresh chunks are as small as a flush made them. Sixteen chunks of one level (about 16**level values each)
become one of the next, so that a long run ends as chunks of 65,536 values of which each was rewritten at most four
times. One `HistoryWriter` writes one run, so what it remembers of levels and statistics needs no reading back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from treering.errors import CorruptData
from treering.store.batch import ColumnPart, Settle, to_columns
from treering.store.columns import CHUNK_ROWS, FAN_IN, FULL_LEVEL, Chunk, decode_chunk, encode_chunks, merge_chunks
from treering.store.stats import ColumnStats
from treering.store.values import encode

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from treering.records import Row
    from treering.store.database import Database
    from treering.store.uniform import Block

__all__ = ["ColumnState", "HistoryWriter", "PreparedRows", "read_chunks"]

_CHUNK_FIELDS = "first_row, last_row, count, kind, level, min, max, nan_count, rows, data, checksum"
_INSERT_CHUNK = (
    f"INSERT INTO chunks (column_id, {_CHUNK_FIELDS}) VALUES (:column_id, :first_row, :last_row, :count, :kind, "
    ":level, :min, :max, :nan_count, :rows, :data, :checksum)"
)


class PreparedRows(NamedTuple):
    """Rows of one stream as encoded columns; `next_row` is the number behind the last of them."""

    stream: str
    next_row: int
    parts: list[tuple[ColumnPart, list[Chunk]]]


class ColumnState:
    """What the writer remembers of one column.

    Attributes:
        id: the column's id in the database.
        stats: of all its values.
        loose: for each kind and level below the full one, the first rows and counts of its chunks in order.
    """

    __slots__ = ("id", "key", "kind", "loose", "stats")

    def __init__(self, column_id: int, key: str, stats: ColumnStats) -> None:
        self.id = column_id
        self.key = key
        self.kind = ""
        self.stats = stats
        self.loose: dict[tuple[str, int], list[tuple[int, int]]] = {}


class HistoryWriter:
    """Appends to the streams of one run; lives on the run's writing thread.

    Args:
        database: all methods but `load` belong inside one of its transactions.
        run_id: exists in `runs`.
    """

    def __init__(self, database: Database, run_id: str) -> None:
        self.database = database
        self.run_id = run_id
        self.columns: dict[tuple[str, str], ColumnState] = {}
        self._next_rows: dict[str, int] = {}
        #: Chunks that could not be merged with others, in words.
        self.damage: list[str] = []

    def load(self) -> None:
        """Read back what an earlier attempt, or a failed transaction, left behind."""
        run = {"run_id": self.run_id}
        self._next_rows = dict(self.database.query("SELECT stream, next_row FROM streams WHERE run_id = :run_id", run))
        self.columns = {}
        by_id: dict[int, ColumnState] = {}
        for column_id, stream, key, kind, stats in self.database.query(
            "SELECT id, stream, key, kind, stats FROM columns WHERE run_id = :run_id", run
        ):
            state = ColumnState(column_id, key, msgspec.msgpack.decode(stats, type=ColumnStats))
            state.kind = kind
            self.columns[stream, key] = by_id[column_id] = state
        for column_id, kind, level, first_row, count in self.database.query(
            "SELECT column_id, chunks.kind, level, first_row, chunks.count FROM chunks JOIN columns ON id = column_id "
            "WHERE run_id = :run_id AND level < :full ORDER BY first_row",
            {**run, "full": FULL_LEVEL},
        ):
            by_id[column_id].loose.setdefault((kind, level), []).append((first_row, count))

    def next_row(self, stream: str) -> int:
        """Return the row that `append` expects next."""
        return self._next_rows.get(stream, 0)

    def prepare(self, stream: str, rows: Sequence[Row | Block], settle: Settle | None = None) -> PreparedRows | None:
        """Encode rows, ascending by number; the database is not touched, so that its lock is held only briefly.

        Args:
            stream: one of `records.STREAMS`.
            rows: those already stored are left out.
            settle: brings a media value's bytes to where they stay.

        Returns:
            None when every row is stored already.
        """
        expected = self.next_row(stream)
        if rows[0].row < expected:
            rows = [part for row in rows if (part := row.since(expected)) is not None]
        if not rows:
            return None
        parts = [(part, list(encode_chunks(part.kind, part.rows, part.values))) for part in to_columns(rows, settle)]
        return PreparedRows(stream, rows[-1].next_row, parts)

    def append(self, prepared: PreparedRows) -> list[ColumnState]:
        """Store prepared rows and return the columns that got values."""
        stream = prepared.stream
        touched: dict[str, ColumnState] = {}
        rows: list[dict[str, Any]] = []
        for part, chunks in prepared.parts:
            column = touched[part.key] = self._column(stream, part)
            column.stats.add(part.kind, part.values, chunks)
            if column.stats.last_row == chunks[-1].last_row:
                column.kind = part.kind
            rows.extend(self._place(column, chunk) for chunk in chunks)
        self.database.execute_many(_INSERT_CHUNK, rows)
        for column in touched.values():
            self._merge_full_levels(column)
        self._save_columns(touched.values())
        self._next_rows[stream] = prepared.next_row
        self.database.execute(
            "INSERT INTO streams (run_id, stream, next_row) VALUES (:run_id, :stream, :next_row) "
            "ON CONFLICT (run_id, stream) DO UPDATE SET next_row = excluded.next_row",
            {"run_id": self.run_id, "stream": stream, "next_row": prepared.next_row},
        )
        return list(touched.values())

    def _column(self, stream: str, part: ColumnPart) -> ColumnState:
        column = self.columns.get((stream, part.key))
        if column is None:
            ((column_id,),) = self.database.query(
                "INSERT INTO columns (run_id, stream, key, kind, count, stats) "
                "VALUES (:run_id, :stream, :key, :kind, 0, :stats) RETURNING id",
                {"run_id": self.run_id, "stream": stream, "key": part.key, "kind": part.kind, "stats": b""},
            )
            column = self.columns[stream, part.key] = ColumnState(column_id, part.key, ColumnStats())
        return column

    def _place(self, column: ColumnState, chunk: Chunk) -> dict[str, Any]:
        if chunk.level < FULL_LEVEL:
            column.loose.setdefault((chunk.kind, chunk.level), []).append((chunk.first_row, chunk.count))
        return {
            "column_id": column.id,
            "first_row": chunk.first_row,
            "last_row": chunk.last_row,
            "count": chunk.count,
            "kind": chunk.kind,
            "level": chunk.level,
            "min": chunk.minimum,
            "max": chunk.maximum,
            "nan_count": chunk.nan_count,
            "rows": chunk.rows,
            "data": chunk.data,
            "checksum": chunk.checksum,
        }

    def _save_columns(self, columns: Iterable[ColumnState]) -> None:
        self.database.execute_many(
            "UPDATE columns SET kind = :kind, count = :count, stats = :stats WHERE id = :id",
            [
                {"id": column.id, "kind": column.kind, "count": column.stats.count, "stats": encode(column.stats)}
                for column in columns
            ],
        )

    def save_column(self, column: ColumnState) -> None:
        """Write a column's statistics after they were made anew."""
        self._save_columns((column,))

    def _merge_full_levels(self, column: ColumnState) -> None:
        for level in range(FULL_LEVEL):
            for kind, its_level in list(column.loose):
                if its_level == level and len(column.loose[kind, level]) >= FAN_IN:
                    self._merge(column, kind, column.loose.pop((kind, level)))

    def compact(self) -> None:
        """Merge what is still loose of every column into as few chunks as possible; for the end of a run."""
        for column in self.columns.values():
            for kind in {kind for kind, _ in column.loose}:
                loose = [entry for level in range(FULL_LEVEL) for entry in column.loose.pop((kind, level), ())]
                # One chunk, or many that are nearly full already, would only be written again as they are.
                if len(loose) > 1 and sum(count for _, count in loose) < CHUNK_ROWS * len(loose) // 2:
                    self._merge(column, kind, loose)

    def _merge(self, column: ColumnState, kind: str, entries: Sequence[tuple[int, int]]) -> None:
        where = f"run {self.run_id}, metric {column.key!r}"
        sources = read_chunks(self.database, column.id, [first_row for first_row, _ in entries], kind)
        try:
            merged = merge_chunks(sources, where)
        except CorruptData as error:
            # What is damaged stays as it is, for inspection, and is not looked at again.
            self.damage.append(str(error))
            sources = [chunk for chunk in sources if _is_sound(chunk)]
            if not sources:
                return
            merged = merge_chunks(sources, where)
        self.database.execute_many(
            "DELETE FROM chunks WHERE column_id = :column_id AND first_row = :first_row",
            [{"column_id": column.id, "first_row": chunk.first_row} for chunk in sources],
        )
        self.database.execute_many(_INSERT_CHUNK, [self._place(column, chunk) for chunk in merged])


def _is_sound(chunk: Chunk) -> bool:
    try:
        decode_chunk(chunk)
    except CorruptData:
        return False
    return True


def read_chunks(database: Database, column_id: int, first_rows: Sequence[int], kind: str) -> list[Chunk]:
    """Return the chunks of one column and kind that begin in the span of `first_rows`, all of which are theirs."""
    rows = database.query(
        f"SELECT {_CHUNK_FIELDS} FROM chunks WHERE column_id = :column_id AND kind = :kind "
        "AND first_row BETWEEN :low AND :high ORDER BY first_row",
        {"column_id": column_id, "kind": kind, "low": min(first_rows), "high": max(first_rows)},
    )
    wanted = set(first_rows)
    return [Chunk(*row) for row in rows if row[0] in wanted]
