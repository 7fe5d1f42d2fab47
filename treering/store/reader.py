"""Reading a run's streams: which rows are shown, and a column's values over an x axis.

A run shows its own rows, less those that a later attempt has superseded; a fork shows its parent's rows up to the fork
before its own. Row numbers are the run's own; rows inherited from a parent have negative ones, in order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from treering.errors import CorruptData, NotFound
from treering.store.columns import CHUNK_ROWS, Chunk, decode_chunk
from treering.store.read_columns import Column, Damage, empty_column, read_column, read_column_end
from treering.store.reduce import thin
from treering.store.stats import ColumnStats
from treering.store.values import decode

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import numpy.typing as npt

    from treering.store.database import Database

    Rows = npt.NDArray[np.int64]
    Mask = npt.NDArray[np.bool_]

__all__ = ["AXES", "ColumnInfo", "Points", "RunReader", "Segment"]

#: x axes that are not metrics: the step, the time (microseconds since 1970), seconds since the start, the row number.
AXES = ("_step", "_time", "_runtime", "_row")
_SCAN_ROWS = CHUNK_ROWS
# A fork of a fork of a fork ...: a chain longer than this is a loop.
_MAX_ANCESTORS = 100


class ColumnInfo(NamedTuple):
    """One column without its values."""

    id: int
    key: str
    kind: str
    value_count: int
    stats: ColumnStats


class Segment(NamedTuple):
    """The part of a run that is shown: all of it, or what a fork inherits.

    Attributes:
        run_id: whose rows.
        offset: added to its row numbers.
        end_row: rows from here on are not shown; None for no end.
        limit_step: rows of later steps are not shown; None for no limit.
        cuts: (row, step) pairs: rows before `row` whose step is at or after `step` are superseded.
    """

    run_id: str
    offset: int
    end_row: int | None
    limit_step: int | None
    cuts: tuple[tuple[int, int], ...]

    @property
    def is_whole(self) -> bool:
        """Whether every row is shown."""
        return self.end_row is None and self.limit_step is None and not self.cuts


class Points(NamedTuple):
    """Values of one column over an x axis, in order of their rows.

    Attributes:
        rows: (n,) row numbers.
        x: (n,) places on the x axis, microseconds since 1970 for `_time`.
        values: (n,) as in `Column`.
        kind: of the values.
        total: points there are, before down-sampling.
        without_x: values left out because the x metric had no value yet.
        damage: what could not be read.
    """

    rows: Rows
    x: npt.NDArray[Any]
    values: npt.NDArray[Any]
    kind: str
    total: int
    without_x: int
    damage: tuple[Damage, ...]


class RunReader:
    """Reads one run. Holds no data: every call sees what is in the database at that moment.

    Args:
        database: may be read-only.
        run_id: must exist for anything to be found.
    """

    def __init__(self, database: Database, run_id: str) -> None:
        self.database = database
        self.run_id = run_id

    def columns(self, stream: str = "history", *, inherited: bool = True) -> dict[str, ColumnInfo]:
        """Return the columns of a stream in the order in which they first came.

        Args:
            stream: "history", "system", "console" or "events".
            inherited: add the columns that only a parent has. Their statistics are of the parent's whole column.
        """
        found: dict[str, ColumnInfo] = {}
        segments = self.segments(stream) if inherited else [Segment(self.run_id, 0, None, None, ())]
        for segment in reversed(segments):
            for row in self.database.query(
                "SELECT id, key, kind, count, stats FROM columns WHERE run_id = :run AND stream = :stream ORDER BY id",
                {"run": segment.run_id, "stream": stream},
            ):
                stats = ColumnStats(**decode(row[4])) if row[4] else ColumnStats()
                column_id, key, kind, count = row[:4]
                found.setdefault(key, ColumnInfo(column_id, key, kind, count, stats))
        return found

    def next_row(self, stream: str) -> int:
        """Return how many rows of its own the run's stream has."""
        rows = self.database.query(
            "SELECT next_row FROM streams WHERE run_id = :run AND stream = :stream",
            {"run": self.run_id, "stream": stream},
        )
        return int(rows[0][0]) if rows else 0

    def segments(self, stream: str = "history", *, superseded: bool = False) -> list[Segment]:
        """Return what is shown, oldest first: the inherited parts, then the run's own."""
        if stream != "history":
            return [Segment(self.run_id, 0, None, None, ())]
        run_id, shown_until_us, limit, offset = self.run_id, None, None, 0
        segments: list[Segment] = []
        while len(segments) < _MAX_ANCESTORS:
            runs = self.database.query(
                "SELECT parent_id, parent_step, created_us FROM runs WHERE id = :run", {"run": run_id}
            )
            if not runs:  # a deleted parent
                break
            parent_id, parent_step, created_us = runs[0]
            attempts = self.database.query(
                "SELECT started_us, first_row, from_step FROM attempts WHERE run_id = :run ORDER BY attempt",
                {"run": run_id},
            )
            # What the parent did after the fork left it is no history of the fork.
            later = [row[1] for row in attempts if shown_until_us is not None and row[0] > shown_until_us]
            earlier = attempts[: len(attempts) - len(later)]
            cuts = () if superseded else tuple((row[1], row[2]) for row in earlier if row[2] is not None)
            segments.append(Segment(run_id, offset, min(later, default=None), limit, cuts))
            if parent_id is None:
                break
            limits = [step - 1 for _, step in cuts] + [step for step in (limit, parent_step) if step is not None]
            run_id, shown_until_us, limit = parent_id, created_us, min(limits, default=None)
            offset -= RunReader(self.database, parent_id).next_row(stream)
        return segments[::-1]

    def column(self, stream: str, key: str, *, superseded: bool = False) -> Column:
        """Return the shown values of one column; empty when the run has no such column."""
        parts = [self._part(segment, stream, key) for segment in self.segments(stream, superseded=superseded)]
        if len(parts) == 1:
            return parts[0]
        return _stacked(key, parts)

    def _part(self, segment: Segment, stream: str, key: str) -> Column:
        column = self._own(segment.run_id, stream, key)
        if not segment.is_whole and len(column.values):
            steps = column if key == "_step" else self._own(segment.run_id, stream, "_step")
            column = column.select(_shown(segment, column.rows, steps))
        if not segment.offset:
            return column
        rows = column.sparse_rows
        return Column(
            key,
            column.kind,
            column.values,
            column.first_row + segment.offset,
            None if rows is None else rows + segment.offset,
            column.damage,
        )

    def _own(self, run_id: str, stream: str, key: str) -> Column:
        ids = self._column_ids(run_id, stream, key)
        if not ids:
            return empty_column(key)
        return read_column(self.database, ids[0][0], key, f"run {run_id}, {stream} {key!r}")

    def _column_ids(self, run_id: str, stream: str, key: str) -> list[tuple[int]]:
        return self.database.query(
            "SELECT id FROM columns WHERE run_id = :run AND stream = :stream AND key = :key",
            {"run": run_id, "stream": stream, "key": key},
        )

    def points(
        self,
        stream: str,
        key: str,
        x: str = "_step",
        *,
        start: float | None = None,
        stop: float | None = None,
        samples: int | None = None,
        superseded: bool = False,
        log: bool = False,
    ) -> Points:
        """Return one column over an x axis.

        Args:
            stream: as in `columns`.
            key: the column.
            x: one of `AXES`, or a metric: its value in the same row, else its last one before.
            start: leave out points before this place on the x axis.
            stop: leave out points at or after this one.
            samples: at most this many points, chosen as in `reduce`.
            superseded: also show what a later attempt replaced.
            log: the samples are for a logarithmic x axis.

        Raises:
            NotFound: neither the run nor an ancestor has the column, or the x metric.
        """
        # Values first: the x axis, read later, then has a place for each row even while a writer goes on.
        column = self.column(stream, key, superseded=superseded)
        if not len(column.values) and not column.damage:
            self._check_known(stream, key)
        places, known, damage = self._places(stream, x, column, superseded=superseded)
        values, chosen = column.values, known
        without_x = 0 if known is None else len(known) - int(known.sum())
        if start is not None or stop is not None:
            within = _within(places, start, stop)
            chosen = within if chosen is None else chosen & within
        positions = None if chosen is None else np.flatnonzero(chosen)
        if positions is not None:
            values, places = values[positions], places[positions]
        total = len(values)
        if samples is not None and total > samples:
            kept = thin(values, samples, places, log=log)
            values, places = values[kept], places[kept]
            positions = kept if positions is None else positions[kept]
        rows = column.rows if positions is None else column.rows_at(positions)
        return Points(rows, places, values, column.kind, total, without_x, column.damage + damage)

    def newest(self, stream: str, key: str, x: str, first_row: int) -> Points:
        """Return `points` from one of the run's own rows on, at a cost that does not grow with what was before.

        Args:
            stream: as in `columns`.
            key: the column.
            x: the x axis, as in `points`.
            first_row: where to begin, 0 or more.

        Raises:
            NotFound: the run has no such column, or not the x metric.
        """
        *inherited, own = self.segments(stream)
        # What a rewind has superseded since, or a value of x from before it or from a parent, takes a whole look.
        if any(row > first_row for row, _ in own.cuts) or (x not in AXES and (own.cuts or inherited)):
            points = self.points(stream, key, x)
            start = int(np.searchsorted(points.rows, first_row))
            rows, places, values = points.rows[start:], points.x[start:], points.values[start:]
            return Points(rows, places, values, points.kind, len(rows), 0, points.damage)
        column = self._end(stream, key, first_row)
        column = column.select(column.rows >= first_row)
        if x == "_row":
            return Points(column.rows, column.rows, column.values, column.kind, len(column.values), 0, column.damage)
        axis = self._end(stream, "_time" if x == "_runtime" else x, first_row)
        places, known = _align(axis, column)
        if x == "_runtime":
            places = self._since_start(places)
        if known is not None:
            column, places = column.select(known), places[known]
        total = len(column.values)
        return Points(column.rows, places, column.values, column.kind, total, 0, column.damage + axis.damage)

    def _end(self, stream: str, key: str, first_row: int) -> Column:
        ids = self._column_ids(self.run_id, stream, key)
        if not ids:
            self._check_known(stream, key)
            return empty_column(key)
        return read_column_end(self.database, ids[0][0], key, f"run {self.run_id}, {stream} {key!r}", first_row)

    def _since_start(self, times_us: npt.NDArray[Any]) -> npt.NDArray[Any]:
        created = self.database.query("SELECT created_us FROM runs WHERE id = :run", {"run": self.run_id})
        seconds: npt.NDArray[Any] = (times_us - (created[0][0] if created else 0)) / 1e6
        return seconds

    def _check_known(self, stream: str, key: str) -> None:
        columns = self.columns(stream)
        if key not in columns and key not in ("_step", "_time"):
            raise NotFound(f"run {self.run_id} has no {_word(stream)} {key!r}{_suggest(key, columns)}")

    def _places(
        self, stream: str, x: str, column: Column, *, superseded: bool
    ) -> tuple[npt.NDArray[Any], Mask | None, tuple[Damage, ...]]:
        """Return the place of each of a column's values on the x axis, and which of them have one (None: all)."""
        if x == "_row":
            return column.rows, None, ()
        axis = self.column(stream, "_time" if x == "_runtime" else x, superseded=superseded)
        if not len(axis.values) and not axis.damage and len(column.values):
            self._check_known(stream, x)
        places, known = _align(axis, column)
        if x == "_runtime":
            places = self._since_start(places)
        return places, known, axis.damage

    def scan(
        self,
        stream: str,
        keys: Sequence[str] | None = None,
        *,
        first_row: int = 0,
        superseded: bool = False,
        damage: list[Damage] | None = None,
    ) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield (row number, values by key) in order, each value of the type that was logged.

        Holds a bounded number of rows at a time.

        Args:
            stream: as in `columns`.
            keys: columns to give; None for all. Rows with none of them are left out.
            first_row: where to begin; 0 also gives what a parent contributes.
            superseded: also show what a later attempt replaced.
            damage: gets what could not be read.
        """
        found: dict[Damage, None] = {}
        for segment in self.segments(stream, superseded=superseded):
            if segment.offset and first_row > 0:
                continue
            end = RunReader(self.database, segment.run_id).next_row(stream)
            end = end if segment.end_row is None else min(end, segment.end_row)
            steps = None if segment.is_whole else self._own(segment.run_id, stream, "_step")
            for low in range(0 if segment.offset else first_row, end, _SCAN_ROWS):
                table = self._window(segment.run_id, stream, keys, low, min(low + _SCAN_ROWS, end), found)
                rows = np.array(sorted(table), dtype=np.int64)
                if steps is not None:
                    rows = rows[_shown(segment, rows, steps)]
                for row in rows.tolist():
                    yield row + segment.offset, table[row]
        if damage is not None:
            damage.extend(found)

    def own_rows(
        self, stream: str, low: int, high: int, damage: list[Damage] | None = None
    ) -> dict[int, dict[str, Any]]:
        """Return the run's own rows from `low` until before `high`, superseded ones too, by number in any order."""
        found: dict[Damage, None] = {}
        table = self._window(self.run_id, stream, None, low, high, found)
        if damage is not None:
            damage.extend(found)
        return table

    def _window(
        self,
        run_id: str,
        stream: str,
        keys: Sequence[str] | None,
        low: int,
        high: int,
        damage: dict[Damage, None],
    ) -> dict[int, dict[str, Any]]:
        """Return the rows from `low` until before `high`."""
        table: dict[int, dict[str, Any]] = {}
        wanted = None if keys is None else set(keys)
        for key, *fields in self.database.query(
            "SELECT k.key, c.first_row, c.last_row, c.count, c.kind, c.level, c.min, c.max, c.nan_count, c.rows, "
            "c.data, c.checksum FROM columns k JOIN chunks c ON c.column_id = k.id WHERE k.run_id = :run AND "
            "k.stream = :stream AND c.last_row >= :low AND c.first_row < :high ORDER BY k.id, c.first_row",
            {"run": run_id, "stream": stream, "low": low, "high": high},
        ):
            if wanted is not None and key not in wanted:
                continue
            chunk = Chunk(*fields)
            try:
                rows, values = decode_chunk(chunk, f"run {run_id}, {stream} {key!r}")
            except CorruptData as error:
                damage[Damage(chunk.first_row, chunk.last_row, str(error))] = None
                continue
            begin, end = np.searchsorted(rows, (low, high)).tolist()
            part = values[begin:end]
            part = part.tolist() if isinstance(part, np.ndarray) else part
            for row, value in zip(rows[begin:end].tolist(), part, strict=True):
                table.setdefault(row, {})[key] = value
        return table

    def damage(self, stream: str = "history", keys: Sequence[str] | None = None) -> list[Damage]:
        """Check every chunk of a stream's columns and return what is damaged."""
        found: list[Damage] = []
        for info in self.columns(stream, inherited=False).values():
            if keys is None or info.key in keys:
                found += self._own(self.run_id, stream, info.key).damage
        return found


def _word(stream: str) -> str:
    return "metric" if stream == "history" else f"{stream} column"


def _suggest(key: str, columns: Mapping[str, Any]) -> str:
    from difflib import get_close_matches

    names = [name for name in columns if not name.startswith("_")]
    close = get_close_matches(key, names, n=3, cutoff=0.5)
    if close:
        return f"; did you mean {' or '.join(map(repr, close))}?"
    if not names:
        return "; it has none yet"
    shown = ", ".join(map(repr, names[:8]))
    return f"; it has {shown}{' and others' if len(names) > 8 else ''}"  # noqa: PLR2004


def _shown(segment: Segment, rows: Rows, steps: Column) -> Mask:
    """Tell which of a segment's own rows are shown. Rows whose step cannot be read are."""
    at = np.searchsorted(steps.rows, rows)
    at[at == len(steps.values)] = 0
    known = steps.rows[at] == rows if len(steps.values) else np.zeros(len(rows), dtype=np.bool_)
    step = steps.values[at] if len(steps.values) else np.zeros(len(rows), dtype=np.int64)
    hidden = np.zeros(len(rows), dtype=np.bool_)
    for before_row, from_step in segment.cuts:
        hidden |= (rows < before_row) & (step >= from_step)
    if segment.limit_step is not None:
        hidden |= step > segment.limit_step
    hidden &= known
    if segment.end_row is not None:
        hidden |= rows >= segment.end_row
    return ~hidden


def _stacked(key: str, parts: Sequence[Column]) -> Column:
    """Put the parts of a fork's column one behind the other."""
    damage = tuple(item for part in parts for item in part.damage)
    parts = [part for part in parts if len(part.values)]
    if not parts:
        return empty_column(key, damage=damage)
    kinds = {part.kind for part in parts}
    rows = np.concatenate([part.rows for part in parts])
    if len(kinds) == 1:
        values = np.concatenate([part.values for part in parts])
    else:
        numbers = all(part.values.dtype != object for part in parts)
        values = np.concatenate([part.values.astype(np.float64 if numbers else object) for part in parts])
        kinds = {"float64" if numbers else "json"}
    return Column(key, kinds.pop(), values, int(rows[0]), rows, damage)


def _within(places: npt.NDArray[Any], start: float | None, stop: float | None) -> Mask:
    within = np.ones(len(places), dtype=np.bool_)
    if start is not None:
        within &= places >= start
    if stop is not None:
        within &= places < stop
    return within


def _align(axis: Column, column: Column) -> tuple[npt.NDArray[Any], Mask | None]:
    """Return `axis`'s value for each of `column`'s rows, and which rows have one (None: all).

    Args:
        axis: the x metric; where a row has no value of it, the last one before counts, but never across rows that
            cannot be read.
        column: the values to place.
    """
    count = len(column.values)
    if axis.sparse_rows is None and len(axis.values):
        first = column.first_row - axis.first_row
        if column.sparse_rows is None and first >= 0 and first + count <= len(axis.values):
            return axis.values[first : first + count], None
        if column.sparse_rows is not None and count:
            at = column.sparse_rows - axis.first_row
            if at[0] >= 0 and at[-1] < len(axis.values):
                return axis.values[at], None
    if not len(axis.values):
        return np.zeros(count), np.zeros(count, dtype=np.bool_)
    rows, axis_rows = column.rows, axis.rows
    at = np.searchsorted(axis_rows, rows, side="right") - 1
    known = at >= 0
    at[~known] = 0
    found_rows = axis_rows[at]
    for first_row, _, _ in axis.damage:
        known &= (rows < first_row) | (found_rows >= first_row)
    return axis.values[at], None if known.all() else known
