"""Merging: runs from a bundle, or from another store, into this one.

Merging the same file again changes nothing. Where both sides have a run, the one with more rows wins, and the later
change between equals; so a bundle that was merged and then went on replaces what it brought before.
"""

from __future__ import annotations

import os
import shutil
import uuid
from typing import TYPE_CHECKING, Any

import msgspec

from treering.artifacts import index
from treering.artifacts.depot import Depot
from treering.artifacts.merging import bring_over
from treering.artifacts.storing import Storing
from treering.errors import NotFound, StoreError
from treering.store import DATABASE, Store
from treering.store.columns import Chunk, decode_chunk
from treering.store.database import Database, Sqlite

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from treering.store.blobs import Blobs

__all__ = ["Merged", "merge"]

_OF_RUN = ("attempts", "run_values", "run_tags", "streams")
_COPY_ROWS = 1000


class Merged(msgspec.Struct):
    """What a merge did.

    Attributes:
        added, updated, unchanged: ids of runs.
        missing_blobs: digests that the source names and does not have.
    """

    added: list[str] = []
    updated: list[str] = []
    unchanged: list[str] = []
    missing_blobs: list[str] = []


def merge(store: Store, source: Path) -> Merged:
    """Bring all runs of `source` into `store`, each in a transaction of its own.

    Args:
        store: open for writing.
        source: a bundle's file, or the folder of a store with its bundles.

    Raises:
        NotFound: neither of these is there.
        StoreError: the source cannot be read, or the store not be written.
    """
    merged = Merged()
    for file, folder in _databases(source):
        database = Sqlite(file, read_only=True)
        try:
            for (run_id,) in database.query("SELECT id FROM runs ORDER BY created_us"):
                _merge_run(store, Store(folder, database), run_id, merged)
        finally:
            database.close()
    return merged


def _databases(source: Path) -> Iterator[tuple[Path, Path]]:
    """Yield (database file, folder of its store)."""
    if source.is_file():
        yield source, source.parent.parent if source.parent.name == "bundles" else source.parent
        return
    files = [source / DATABASE, *sorted((source / "bundles").glob("*.db"))]
    files = [file for file in files if file.is_file()]
    if not files:
        raise NotFound(f"there is no bundle and no store at {source}")
    for file in files:
        yield file, source


def _merge_run(store: Store, source: Store, run_id: str, merged: Merged) -> None:
    theirs, ours = _progress(source.database, run_id), _progress(store.database, run_id)
    if ours is not None and theirs is not None and ours >= theirs:
        merged.unchanged.append(run_id)
        return
    merged.missing_blobs += _copy_blobs(source.database, source.blobs, store.blobs, run_id)
    database = store.database
    depot = Depot(database, store.folder)
    with Storing(depot) as storing:
        merged.missing_blobs += bring_over(source.database, source.folder, depot, storing, run_id)
        with database.transaction():
            index.lock(database)
            storing.enter()
            if index.epoch(database) != storing.epoch:
                raise StoreError("artifacts were collected while a run was being merged; merge again")
            if ours is not None:
                _forget(database, run_id)
            _copy(source.database, database, "runs", "id = :run_id", run_id)
            for table in _OF_RUN:
                _copy(source.database, database, table, "run_id = :run_id", run_id)
            _copy_columns(source.database, database, run_id)
            _copy_versions(source.database, database, run_id)
            _copy_events(source.database, database, run_id)
    (merged.updated if ours is not None else merged.added).append(run_id)


def _progress(database: Database, run_id: str) -> tuple[int, int] | None:
    """Return (rows of all streams, time of the last change) of a run, or None."""
    rows = database.query(
        "SELECT COALESCE((SELECT SUM(next_row) FROM streams WHERE run_id = :run_id), 0), updated_us FROM runs "
        "WHERE id = :run_id",
        {"run_id": run_id},
    )
    return (int(rows[0][0]), int(rows[0][1])) if rows else None


def _forget(database: Database, run_id: str) -> None:
    """Delete a run's rows; versions that others may point to stay."""
    for table in _OF_RUN:
        database.execute(f"DELETE FROM {table} WHERE run_id = :run_id", {"run_id": run_id})
    database.execute(
        "DELETE FROM chunks WHERE column_id IN (SELECT id FROM columns WHERE run_id = :run_id)", {"run_id": run_id}
    )
    database.execute("DELETE FROM columns WHERE run_id = :run_id", {"run_id": run_id})
    database.execute("DELETE FROM runs WHERE id = :run_id", {"run_id": run_id})


def _names(source: Database, table: str) -> list[str]:
    return [name for (name,) in source.query("SELECT name FROM pragma_table_info(:table)", {"table": table})]


def _copy(source: Database, target: Database, table: str, where: str, run_id: str) -> None:
    names = _names(source, table)
    rows = source.query(f"SELECT {', '.join(names)} FROM {table} WHERE {where}", {"run_id": run_id})
    target.execute_many(_insert(table, names), [dict(zip(names, row, strict=True)) for row in rows])


def _insert(table: str, names: list[str]) -> str:
    return f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join(f':{name}' for name in names)})"


def _copy_columns(source: Database, target: Database, run_id: str) -> None:
    """Copy columns and their chunks under new ids, for ids are a database's own."""
    names = [name for name in _names(source, "columns") if name != "id"]
    chunk_names = [name for name in _names(source, "chunks") if name != "column_id"]
    found = source.query(f"SELECT id, {', '.join(names)} FROM columns WHERE run_id = :run_id", {"run_id": run_id})
    for old_id, *values in found:
        ((new_id,),) = target.query(f"{_insert('columns', names)} RETURNING id", dict(zip(names, values, strict=True)))
        after = -1
        while True:
            rows = source.query(
                f"SELECT {', '.join(chunk_names)} FROM chunks WHERE column_id = :id AND first_row > :after "
                f"ORDER BY first_row LIMIT {_COPY_ROWS}",
                {"id": old_id, "after": after},
            )
            if not rows:
                break
            chunks = [{"column_id": new_id, **dict(zip(chunk_names, row, strict=True))} for row in rows]
            target.execute_many(_insert("chunks", ["column_id", *chunk_names]), chunks)
            after = chunks[-1]["first_row"]


def _copy_versions(source: Database, target: Database, run_id: str) -> None:
    """Copy the run's versions, numbered on from those that the target has under the same name."""
    names = _names(source, "versions")
    rows = source.query(
        f"SELECT {', '.join(names)} FROM versions WHERE run_id = :run_id ORDER BY name, version", {"run_id": run_id}
    )
    for row in rows:
        values = dict(zip(names, row, strict=True))
        if not target.query("SELECT 1 FROM versions WHERE id = :id", values):
            _copy_version(source, target, names, values)
        aliases = source.query(
            "SELECT project, name, alias, version_id, moved_us FROM aliases WHERE version_id = :id", values
        )
        # The alias that was moved last is right, wherever that was.
        target.execute_many(
            "INSERT INTO aliases (project, name, alias, version_id, moved_us) VALUES (:project, :name, :alias, "
            ":version_id, :moved_us) ON CONFLICT (project, name, alias) DO UPDATE SET "
            "version_id = excluded.version_id, moved_us = excluded.moved_us WHERE excluded.moved_us > aliases.moved_us",
            [
                dict(zip(("project", "name", "alias", "version_id", "moved_us"), alias, strict=True))
                for alias in aliases
            ],
        )


def _copy_events(source: Database, target: Database, run_id: str) -> None:
    """Copy what the run did in registries, behind what has happened there by now."""
    names = [name for name in _names(source, "registry_events") if name != "id"]
    rows = source.query(
        f"SELECT {', '.join(names)} FROM registry_events WHERE run_id = :id ORDER BY id", {"id": run_id}
    )
    for row in rows:
        values = dict(zip(names, row, strict=True))
        known = "SELECT 1 FROM registry_events WHERE run_id = :run_id AND time_us = :time_us AND kind = :kind"
        if not target.query(known, values):
            numbered = "SELECT version FROM versions WHERE id = :version_id"  # the target may count on from another one
            number = next((one for (one,) in target.query(numbered, values)), values["version"])
            target.execute(_insert("registry_events", names), {**values, "version": number})


def _copy_version(source: Database, target: Database, names: list[str], values: dict[str, Any]) -> None:
    ((number,),) = target.query(
        "SELECT COALESCE(MAX(version) + 1, 0) FROM versions WHERE project = :project AND name = :name", values
    )
    target.execute(_insert("versions", names), {**values, "version": number})
    for table in ("manifests", "version_tags", "version_uses", "kept_here"):
        own = [name for name in _names(source, table) if name != "id"]
        rows = source.query(f"SELECT {', '.join(own)} FROM {table} WHERE version_id = :id", values)
        target.execute_many(_insert(table, own), [dict(zip(own, row, strict=True)) for row in rows])


def _copy_blobs(source: Database, theirs: Blobs, ours: Blobs, run_id: str) -> list[str]:
    """Copy the bytes that a run's media need; returns the digests that are not there."""
    missing: list[str] = []
    for digest in _digests(source, run_id):
        place, origin = ours.path(digest), theirs.path(digest)
        if place.exists():
            continue
        if not origin.exists():
            missing.append(digest)
            continue
        place.parent.mkdir(parents=True, exist_ok=True)
        temporary = place.with_name(f"{digest}.{uuid.uuid4().hex}")
        shutil.copyfile(origin, temporary)
        os.replace(temporary, place)
    return missing


def _digests(source: Database, run_id: str) -> Iterator[str]:
    from treering.media import digests

    run: Mapping[str, Any] = {"run_id": run_id}
    for row in source.query(
        "SELECT first_row, last_row, chunks.count, chunks.kind, level, min, max, nan_count, rows, data, checksum "
        "FROM chunks JOIN columns ON id = column_id WHERE run_id = :run_id AND chunks.kind = 'media'",
        run,
    ):
        _, values = decode_chunk(Chunk(*row), f"run {run_id}")
        for value in values:
            yield from digests(value)
