"""Making a version visible: one transaction, whole or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from treering.artifacts import backlog, index, registry, retention
from treering.artifacts.manifest import digest_of, encode_manifest
from treering.errors import NotFound, StoreError
from treering.store.values import encode

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from treering.artifacts.manifest import Entry
    from treering.artifacts.storing import Storing
    from treering.store.database import Database

__all__ = ["ChunksGone", "Filed", "Request", "commit", "remember_number"]


class Request(msgspec.Struct, kw_only=True):
    """What a version is to be, as the journal and the table of pending ones keep it.

    Attributes:
        id: random; the version's, unless its content is there already.
        project: "" for the run's.
        run_id: that makes it; "" for none.
        folder: of its pins, below the store's.
        created_us: when it was logged.
        stage: that it is put into, in a registry.
        who: logs it there.
        keep: a rule for its collection (`retention.Keep` as plain data); None leaves the one that there is.
        keep_first: the rule is one that nobody has asked for: it holds only for a collection that is new.
        upload: whether a server that its run is brought to gets it, too.
    """

    id: str
    name: str
    type: str = "file"
    project: str = ""
    run_id: str = ""
    aliases: list[str] = []
    tags: list[str] = []
    metadata: dict[str, Any] = {}
    description: str | None = None
    base_id: str | None = None
    expires_us: int | None = None
    folder: str = ""
    created_us: int = 0
    stage: str = ""
    who: str = ""
    keep: dict[str, Any] | None = None
    keep_first: bool = False
    upload: bool = True


class Filed(msgspec.Struct, frozen=True):
    """What became of a version: `id` and `version` are an older one's where the content is the same."""

    id: str
    version: int
    digest: str


class ChunksGone(StoreError):  # noqa: N818  # says what happened
    """A collection has taken chunks that a save counted on; the save is to be done again."""


def commit(
    database: Database,
    request: Request,
    entries: Sequence[Entry],
    storing: Storing,
    kept: Sequence[Entry],
    *,
    pending: bool,
) -> Filed | None:
    """Make a version visible and move its aliases.

    Args:
        database: open for writing.
        request: what it is to be.
        entries: of all its files; their chunks are in the store or in packs that `storing` has finished.
        storing: of its bytes.
        kept: those of `entries` whose chunks nobody has looked for in this save.
        pending: whether it stands in the table of pending ones, from where it is taken.

    Returns:
        None when somebody else has filed or dropped the pending one meanwhile.

    Raises:
        ChunksGone: save again.
        NotFound: the run is not in the store.
        StoreError: nothing was changed.
    """
    manifest, digest = encode_manifest(entries), digest_of(entries)
    with database.transaction():
        index.lock(database)
        if pending and not database.execute("DELETE FROM pending_versions WHERE id = :id", {"id": request.id}):
            return None
        storing.enter()
        project = request.project or _project_of(database, request.run_id)
        key = {"project": project, "name": request.name}
        rows = database.query(
            "SELECT id, version, digest FROM versions WHERE project = :project AND name = :name "
            "ORDER BY version DESC LIMIT 1",
            key,
        )
        if rows and rows[0][2] == digest:
            filed = Filed(*rows[0])
        else:
            # Whatever was there when the save began is there unless there was a collection since.
            _check_chunks(database, kept if index.epoch(database) == storing.epoch else entries)
            number = max(rows[0][1] + 1 if rows else 0, _first_number(database, key))
            filed = Filed(request.id, number, digest)
            _insert(database, request, filed, {**key, "stored": storing.stored}, entries, manifest)
        # What is logged once more without an expiry is to stay.
        database.execute(
            "UPDATE versions SET expires_us = :at WHERE id = :id", {"at": request.expires_us, "id": filed.id}
        )
        _note_wishes(database, request, key, filed, is_first=filed.version == 0 and filed.id == request.id)
        registry.name_version(database, request, project, filed)
        database.execute_many(
            "INSERT INTO version_tags (version_id, tag) VALUES (:id, :tag) ON CONFLICT (version_id, tag) DO NOTHING",
            [{"id": filed.id, "tag": tag} for tag in request.tags],
        )
    return filed


def _note_wishes(database: Database, request: Request, key: Mapping[str, str], filed: Filed, *, is_first: bool) -> None:
    """Note how much of the collection stays, and whether this version does not leave this machine."""
    if request.keep is not None and (is_first or not request.keep_first):
        retention.put_rule(database, key["project"], key["name"], request.keep)
    values = {"id": filed.id}
    if request.upload:
        database.execute("DELETE FROM kept_here WHERE version_id = :id", values)
    elif filed.id == request.id:
        database.execute("INSERT INTO kept_here (version_id) VALUES (:id)", values)


def _project_of(database: Database, run_id: str) -> str:
    rows = database.query("SELECT project FROM runs WHERE id = :id", {"id": run_id})
    if not rows:
        raise NotFound(f"run {run_id!r}, which an artifact belongs to, is not in the store")
    return str(rows[0][0])


def _first_number(database: Database, key: Mapping[str, str]) -> int:
    """Return the number behind those of deleted versions: v3 never means two things."""
    rows = database.query("SELECT value FROM store_info WHERE key = :key", {"key": _numbers_key(key)})
    return int(rows[0][0]) if rows else 0


def _numbers_key(key: Mapping[str, str]) -> str:
    return f"next_version {key['project']}/{key['name']}"


def remember_number(database: Database, project: str, name: str, version: int) -> None:
    """Keep the number behind a version that is deleted as the last of its collection."""
    key = _numbers_key({"project": project, "name": name})
    rows = database.query("SELECT value FROM store_info WHERE key = :key", {"key": key})
    if not rows or int(rows[0][0]) <= version:
        database.execute(
            "INSERT INTO store_info (key, value) VALUES (:key, :value) "
            "ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            {"key": key, "value": str(version + 1)},
        )


def _check_chunks(database: Database, entries: Sequence[Entry]) -> None:
    ids = {chunk_id for entry in entries for chunk_id, _ in entry.pieces()}
    gone = ids - index.known(database, ids)
    if gone:
        raise ChunksGone(f"{len(gone)} chunks were collected while a version with them was being saved; save it again")


def _insert(
    database: Database,
    request: Request,
    filed: Filed,
    values: Mapping[str, Any],
    entries: Sequence[Entry],
    manifest: bytes,
) -> None:
    size = sum(max(entry.size, 0) for entry in entries if entry.reference is None)
    database.execute(
        "INSERT INTO versions (id, project, name, type, version, run_id, created_us, digest, size, files, stored, "
        "base_id, description, metadata) VALUES (:id, :project, :name, :type, :version, :run_id, :now, :digest, "
        ":size, :files, :stored, :base_id, :description, :metadata)",
        {
            **values,
            "id": filed.id,
            "type": request.type,
            "version": filed.version,
            "run_id": request.run_id,
            "now": request.created_us,
            "digest": filed.digest,
            "size": size,
            "files": len(entries),
            "base_id": request.base_id,
            "description": request.description,
            "metadata": encode(request.metadata),
        },
    )
    database.execute("INSERT INTO manifests (version_id, data) VALUES (:id, :data)", {"id": filed.id, "data": manifest})
    backlog.enter_waiting(database, filed.id, size)
