"""Which rows a later attempt has replaced.

An attempt that goes on from step S replaces what earlier attempts logged at or beyond its `from_step`. The rows stay
stored; readers leave them out, and so do the statistics behind the summary.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from treering.errors import CorruptData
from treering.store.columns import Chunk, decode_chunk
from treering.store.stats import ColumnStats, small

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from treering.store.database import Database
    from treering.store.history import HistoryWriter

__all__ = ["cuts_of", "restate", "visible"]

_FIELDS = "first_row, last_row, count, kind, level, min, max, nan_count, rows, data, checksum"


def cuts_of(database: Database, run_id: str) -> list[tuple[int, int]]:
    """Return (first row, from step) of each attempt of a run that replaces rows before it."""
    return [
        (int(first_row), int(from_step))
        for first_row, from_step in database.query(
            "SELECT first_row, from_step FROM attempts WHERE run_id = :run_id AND from_step IS NOT NULL "
            "AND first_row > 0 ORDER BY attempt",
            {"run_id": run_id},
        )
    ]


def visible(
    rows: npt.NDArray[np.int64], steps: npt.NDArray[np.int64], cuts: list[tuple[int, int]]
) -> npt.NDArray[np.bool_]:
    """Tell which rows no later attempt has replaced.

    Args:
        rows: (count,) row numbers.
        steps: (count,) their steps.
        cuts: as `cuts_of` returns them.
    """
    import numpy as np

    shown = np.ones(len(rows), dtype=np.bool_)
    for first_row, from_step in cuts:
        shown &= ~((rows < first_row) & (steps >= from_step))
    return shown


def restate(database: Database, history: HistoryWriter, run_id: str) -> bool:
    """Make the statistics of a run's history leave out replaced rows; False when none are.

    Reads the columns that have such rows, once for each attempt, on the writing thread.
    """
    cuts = cuts_of(database, run_id)
    step_column = history.columns.get(("history", "_step"))
    if not cuts or step_column is None:
        return False
    import numpy as np

    found = _column(database, step_column.id)
    if not found:
        return False
    rows, steps = (np.concatenate(arrays) for arrays in zip(*found, strict=True))
    shown = visible(rows, steps, cuts)
    if shown.all():
        return False
    hidden = rows[~shown]
    for (stream, key), column in history.columns.items():
        if stream == "history" and key not in ("_step", "_time"):
            column.stats = _restated(database, column.id, hidden)
            history.save_column(column)
    return True


def _column(database: Database, column_id: int) -> list[tuple[Any, Any]]:
    found = database.query(f"SELECT {_FIELDS} FROM chunks WHERE column_id = :id ORDER BY first_row", {"id": column_id})
    return [decoded for row in found if (decoded := _decoded(Chunk(*row))) is not None]


def _decoded(chunk: Chunk) -> tuple[Any, Any] | None:
    """Return rows and values, or None for a damaged chunk, which readers name and leave out."""
    try:
        return decode_chunk(chunk)
    except CorruptData:
        return None


def _restated(database: Database, column_id: int, hidden: npt.NDArray[np.int64]) -> ColumnStats:
    import numpy as np

    from treering.store.columns import encode_chunks

    stats, first = ColumnStats(), None
    found = database.query(f"SELECT {_FIELDS} FROM chunks WHERE column_id = :id ORDER BY last_row", {"id": column_id})
    for row in found:
        chunk = Chunk(*row)
        decoded = _decoded(chunk)
        if decoded is None:
            continue
        rows, values = decoded
        kept = ~np.isin(rows, hidden, assume_unique=True)
        if not kept.all():
            values = [value for value, keep in zip(values, kept, strict=True) if keep]
            rows = rows[kept]
        if len(rows):
            stats.add(chunk.kind, values, list(encode_chunks(chunk.kind, rows, values)))
            # Chunks may lie among each other; in order of their last rows the first is not always the first.
            if first is None or rows[0] < first[0]:
                first = rows[0], small(values[0])
    if first is not None:
        stats.first = first[1]
    return stats
