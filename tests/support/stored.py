"""What is in a store, read as plainly as possible: no cache, no view, no recovery; each chunk decoded by itself."""

from __future__ import annotations

from typing import Any

from treering.store.columns import Chunk, decode_chunk
from treering.store.database import Database
from treering.store.values import decode

_CHUNK = "first_row, last_row, count, kind, level, min, max, nan_count, rows, data, checksum"
_PACKED = ("tags", "config", "summary", "summary_set", "definitions", "failure", "capture")


def chunks_of(database: Database, run_id: str, key: str, stream: str = "history") -> list[Chunk]:
    """The chunks of one column in order of their first rows."""
    found = database.query(
        f"SELECT {', '.join(f'chunks.{name.strip()}' for name in _CHUNK.split(','))} FROM chunks "
        "JOIN columns ON columns.id = column_id WHERE run_id = :run AND stream = :stream AND key = :key "
        "ORDER BY first_row",
        {"run": run_id, "stream": stream, "key": key},
    )
    return [Chunk(*row) for row in found]


def rows_of(database: Database, run_id: str, stream: str = "history") -> dict[int, dict[str, Any]]:
    """All rows of a stream by number, superseded or not; a row that is stored twice is an error."""
    table: dict[int, dict[str, Any]] = {}
    for (key,) in database.query(
        "SELECT key FROM columns WHERE run_id = :run AND stream = :stream ORDER BY id",
        {"run": run_id, "stream": stream},
    ):
        for chunk in chunks_of(database, run_id, key, stream):
            rows, values = decode_chunk(chunk)
            values = values if isinstance(values, list) else values.tolist()
            for row, value in zip(rows.tolist(), values, strict=True):
                cells = table.setdefault(row, {})
                assert key not in cells, f"row {row} of {key!r} is stored twice"
                cells[key] = value
    return dict(sorted(table.items()))


def values_of(database: Database, run_id: str, key: str, stream: str = "history") -> list[Any]:
    """One column's values in order of their rows."""
    return [cells[key] for cells in rows_of(database, run_id, stream).values() if key in cells]


def run_row(database: Database, run_id: str) -> dict[str, Any]:
    """A run's row, its packed columns decoded."""
    names = "id, project, name, state, attempt, notes, group_name, job_type, parent_id, parent_step, next_step, " + (
        "ended_us, " + ", ".join(_PACKED)
    )
    ((*values,),) = database.query(f"SELECT {names} FROM runs WHERE id = :run", {"run": run_id})
    row = dict(zip(names.split(", "), values, strict=True))
    return {key: decode(value) if key in _PACKED and value is not None else value for key, value in row.items()}
