"""File versions: what `log_artifact` leaves in the store.

A version is filed in two steps, so that no crash leaves half of one: `prepare` hashes the pinned files and links them
into the blobs, outside of any transaction; `commit` makes the version and its aliases visible. The pins go when the
transaction is over, and a crash before that only means that both steps run again.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any, NamedTuple

from treering.store.blobs import Blobs, hash_file
from treering.store.values import encode

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from treering.store.database import Database

__all__ = ["FiledVersion", "PreparedVersion", "commit", "drop_pins", "prepare"]


class PreparedVersion(NamedTuple):
    """A version whose bytes are in the blobs.

    Attributes:
        fields: of the journal's operation: id, name, type, aliases, metadata, description, folder, files.
        files: (path inside the version, digest, size in bytes) in order of the paths.
        digest: of the whole version; equal content gives equal digests.
    """

    fields: Mapping[str, Any]
    files: list[tuple[str, str, int]]
    digest: str


class FiledVersion(NamedTuple):
    """What became of a version: `id` is an older one's where the content is the same."""

    id: str
    version: int
    digest: str


def prepare(blobs: Blobs, folder: Path, fields: Mapping[str, Any]) -> PreparedVersion | None:
    """Hash a version's pinned files and link them into the blobs.

    Args:
        blobs: of the store.
        folder: the store's folder, below which `fields["folder"]` holds the pins.
        fields: of the operation.

    Returns:
        None when the pins are gone: the version was filed before a crash.
    """
    pins = folder / fields["folder"]
    files: list[tuple[str, str, int]] = []
    for path in sorted(fields["files"]):
        pin = pins / path
        if not pin.is_file():
            return None
        digest = hash_file(pin)
        place = blobs.path(digest)
        if not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(FileExistsError):
                _link(pin, place)
        files.append((path, digest, pin.stat().st_size))
    from blake3 import blake3

    hasher = blake3()
    for path, digest, _ in files:
        hasher.update(f"{digest} {path}\n".encode("utf-8", "surrogateescape"))
    return PreparedVersion(fields, files, hasher.hexdigest())


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except FileExistsError:
        raise
    except OSError:  # a file system without links
        import shutil

        temporary = target.with_suffix(".part")
        shutil.copyfile(source, temporary)
        os.replace(temporary, target)


def commit(database: Database, run_id: str, prepared: PreparedVersion, now_us: int) -> FiledVersion:
    """Make a version visible and move its aliases, inside the caller's transaction."""
    fields = prepared.fields
    if database.dialect == "postgresql":
        # Two runs that file under one name must not both take the next number.
        database.query("SELECT pg_advisory_xact_lock(hashtext(:name))", {"name": fields["name"]})
    ((project,),) = database.query("SELECT project FROM runs WHERE id = :id", {"id": run_id})
    collection = {"project": project, "name": fields["name"]}
    newest = database.query(
        "SELECT id, version, digest FROM versions WHERE project = :project AND name = :name "
        "ORDER BY version DESC LIMIT 1",
        collection,
    )
    if newest and newest[0][2] == prepared.digest:
        filed = FiledVersion(*newest[0])
    else:
        filed = FiledVersion(fields["id"], newest[0][1] + 1 if newest else 0, prepared.digest)
        _insert(database, run_id, prepared, {**collection, "version": filed.version, "now": now_us})
    database.execute_many(
        "INSERT INTO aliases (project, name, alias, version_id, moved_us) VALUES (:project, :name, :alias, :id, :now) "
        "ON CONFLICT (project, name, alias) DO UPDATE SET version_id = excluded.version_id, "
        "moved_us = excluded.moved_us",
        [
            {**collection, "alias": alias, "id": filed.id, "now": now_us}
            for alias in dict.fromkeys([*fields["aliases"], "latest"])
        ],
    )
    return filed


def _insert(database: Database, run_id: str, prepared: PreparedVersion, values: Mapping[str, Any]) -> None:
    fields = prepared.fields
    database.execute(
        "INSERT INTO versions (id, project, name, type, version, run_id, created_us, digest, size, description, "
        "metadata) VALUES (:id, :project, :name, :type, :version, :run_id, :now, :digest, :size, :description, "
        ":metadata)",
        {
            **values,
            "id": fields["id"],
            "type": fields["type"],
            "run_id": run_id,
            "digest": prepared.digest,
            "size": sum(size for _, _, size in prepared.files),
            "description": fields["description"],
            "metadata": encode(fields["metadata"]),
        },
    )
    database.execute_many(
        "INSERT INTO version_files (version_id, path, digest, size) VALUES (:version_id, :path, :digest, :size)",
        [
            {"version_id": fields["id"], "path": path, "digest": digest, "size": size}
            for path, digest, size in prepared.files
        ],
    )


def drop_pins(folder: Path, fields: Mapping[str, Any]) -> None:
    """Delete a version's pins once the database holds it."""
    import shutil

    shutil.rmtree(folder / fields["folder"], ignore_errors=True)
