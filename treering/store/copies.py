"""Copies of runs for readers on other machines: rows of the database as they are, chunks and all.

Whoever holds a copy reads it with the code that reads a store, so nothing has to be told in two ways. A copy is brought
up to date by what it lacks: chunks never change, and are known by their first row and checksum.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from treering.store.read_columns import fetch_chunks

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from treering.store.database import Database

__all__ = ["CHUNK_FIELDS", "FIELDS_OF", "RUN_FIELDS", "chunks_of", "rows_of"]

#: What a listing needs of runs.
RUN_FIELDS = (
    *("id", "project", "name", "state", "created_us", "updated_us", "ended_us", "attempt", "group_name", "job_type"),
    *("notes", "parent_id", "parent_step", "tags", "sweep", "next_step", "config", "summary", "definitions", "failure"),
)
#: What a run is read from besides its chunks, by table.
FIELDS_OF = {
    "runs": (*RUN_FIELDS, "capture"),
    "attempts": (
        *("run_id", "attempt", "state", "started_us", "ended_us", "from_step", "first_row", "failure"),
        *("config_changes", "process", "dropped_rows"),
    ),
    "streams": ("run_id", "stream", "next_row"),
    "columns": ("run_id", "stream", "key", "kind", "count", "stats"),
}
#: Of the table `chunks`, in the order of `Chunk`.
CHUNK_FIELDS = (
    *("first_row", "last_row", "count", "kind", "level", "min", "max", "nan_count", "rows", "data", "checksum"),
)
_ANCESTORS = 100


def rows_of(database: Database, run_id: str) -> dict[str, dict[str, Sequence[Any]]]:
    """Return `names` of columns and `rows`, by table of `FIELDS_OF`, of a run and of those it was forked from."""
    ids: list[str] = []
    found: dict[str, list[tuple[Any, ...]]] = {table: [] for table in FIELDS_OF}
    wanted: str | None = run_id
    while wanted is not None and wanted not in ids and len(ids) < _ANCESTORS:
        ids.append(wanted)
        for table, fields in FIELDS_OF.items():
            key, order = ("id", "") if table == "runs" else ("run_id", " ORDER BY id" if table == "columns" else "")
            found[table] += database.query(
                f"SELECT {', '.join(fields)} FROM {table} WHERE {key} = :id{order}", {"id": wanted}
            )
        parents = database.query("SELECT parent_id FROM runs WHERE id = :id", {"id": wanted})
        wanted = parents[0][0] if parents else None
    return {table: {"names": FIELDS_OF[table], "rows": rows} for table, rows in found.items()}


def chunks_of(
    database: Database,
    run_id: str,
    stream: str,
    keys: Sequence[str] | None,
    known: Mapping[str, Sequence[Sequence[int]]],
    max_bytes: int,
) -> tuple[dict[str, Any], bool]:
    """Return what a copy lacks of columns of a run.

    Args:
        database: to read from.
        run_id: of the run.
        stream: of its streams.
        keys: columns; None for all.
        known: by key, the (first row, checksum) of each chunk that the copy has.
        max_bytes: about how much to give at once.

    Returns:
        By key, `prints` of all chunks that there are and those `chunks` that the copy lacks; and whether there is more.
    """
    found: dict[str, Any] = {}
    left = max_bytes
    for column_id, key in database.query(
        "SELECT id, key FROM columns WHERE run_id = :run AND stream = :stream ORDER BY id",
        {"run": run_id, "stream": stream},
    ):
        if keys is not None and key not in keys:
            continue
        prints, sizes = _prints(database, column_id)
        have = {(int(first), int(checksum)) for first, checksum in known.get(key, ())}
        chosen: list[int] = []
        for (first_row, checksum), size in zip(prints, sizes, strict=True):
            if (first_row, checksum) not in have and left > 0:
                chosen.append(first_row)
                left -= size
        found[key] = {"prints": prints, "chunks": _chunks(database, column_id, chosen)}
        if left <= 0:
            return found, True
    return found, False


def _prints(database: Database, column_id: int) -> tuple[list[tuple[int, int]], list[int]]:
    rows = database.query(
        "SELECT first_row, checksum, LENGTH(data) FROM chunks WHERE column_id = :id ORDER BY first_row",
        {"id": column_id},
    )
    return [(first_row, checksum) for first_row, checksum, _ in rows], [size for _, _, size in rows]


def _chunks(database: Database, column_id: int, first_rows: list[int]) -> list[list[Any]]:
    if not first_rows:
        return []
    wanted = set(first_rows)
    chunks = fetch_chunks(database, column_id, low=first_rows[0], high=first_rows[-1])
    return [list(chunk) for chunk in chunks if chunk.first_row in wanted]
