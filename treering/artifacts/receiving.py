"""Taking in chunks and versions that come over the network; nothing in them is believed."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from treering.artifacts import index, registry
from treering.artifacts.changing import record_use
from treering.artifacts.committing import ChunksGone, Filed, Request, commit
from treering.artifacts.cutting import MAX_CHUNK
from treering.artifacts.frames import read_frames
from treering.artifacts.manifest import ID_BYTES, decode_manifest, file_digest
from treering.artifacts.names import check_alias, check_name, check_path, check_tags, check_together, check_type
from treering.artifacts.storing import Storing
from treering.errors import CorruptData, UsageError
from treering.zstd import ZstdError, announced

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from treering.artifacts.depot import Depot
    from treering.artifacts.manifest import Entry
    from treering.online.delivery import RunDocument, VersionPart
    from treering.store.database import Database

__all__ = ["link_versions", "read_manifest", "receive_chunks", "receive_version"]

_MAX_MANIFEST_BYTES = 256 << 20
_MAX_WORD = 1000


def receive_chunks(depot: Depot, file: Path) -> int:
    """Take in chunks; each is checked before its bytes count.

    Args:
        depot: where to.
        file: with frames; see `frames`.

    Returns:
        How many chunks there were.

    Raises:
        UsageError: these are no chunks, or one is not what its id says; nothing is taken.
        StoreError: they cannot be stored.
    """
    count = 0
    with file.open("rb") as source, Storing(depot) as storing:
        try:
            for _, data in read_frames(source.read):
                storing.add_small(memoryview(data), _nothing)
                count += 1
        except CorruptData as error:
            raise UsageError(f"the chunks are not taken: {error}") from None
        storing.flush()
        with depot.database.transaction():
            index.lock(depot.database)
            storing.enter()
        storing.sync()
    return count


def _nothing(_chunk_id: bytes) -> None: ...


class _Arrived:
    """What `commit` asks of a save: the chunks have been entered before, so each is looked for again."""

    epoch = -1

    def __init__(self, stored: int) -> None:
        self.stored = stored

    def enter(self) -> None: ...


def receive_version(database: Database, run_id: str, version_id: str, part: VersionPart) -> Filed:
    """Make a version visible whose chunks are there; one that came before is left as it is.

    Raises:
        ChunksGone: some of its chunks are not there.
        UsageError: it cannot be taken; the text says why.
        NotFound: its run has not come yet.
    """
    entries = read_manifest(part.manifest)
    _check_words(part)
    check_name(version_id)
    request = Request(
        id=version_id,
        name=check_name(part.name),
        type=check_type(part.type),
        project=part.project,
        run_id=run_id,
        tags=check_tags(part.tags),
        metadata=part.metadata,
        description=part.description,
        base_id=part.base_id,
        expires_us=part.expires_us,
        created_us=part.created_us,
        who=f"run {run_id}",  # whoever runs the server has not done it
    )
    with database.transaction():
        index.lock(database)
        found = database.query(
            "SELECT versions.id, version, digest FROM filed_versions JOIN versions ON versions.id = version_id "
            "WHERE filed_versions.id = :id",
            {"id": version_id},
        )
        if found:
            return Filed(*found[0])
        _check_sizes(database, entries)
        filed = commit(
            database, request, entries, cast("Storing", _Arrived(max(part.stored, 0))), entries, pending=False
        )
        assert filed is not None  # noqa: S101  # only a pending one may be filed by somebody else
        database.execute(
            "INSERT INTO filed_versions (id, run_id, version_id) VALUES (:id, :run_id, :version_id) "
            "ON CONFLICT (id) DO UPDATE SET version_id = excluded.version_id",
            {"id": version_id, "run_id": run_id, "version_id": filed.id},
        )
    return filed


def _check_words(part: VersionPart) -> None:
    for name, text in (("project", part.project), ("base_id", part.base_id or ""), ("name", part.name)):
        if len(text) > _MAX_WORD or "\0" in text:
            raise UsageError(f"{name} has {len(text)} characters; it takes up to {_MAX_WORD}, and no NUL")
    times = (part.created_us, part.expires_us or 0)
    if not part.project or not all(0 <= time_us < 1 << 57 for time_us in times):
        raise UsageError("a version needs a project, and times in microseconds since 1970")


def read_manifest(data: bytes) -> list[Entry]:
    """Return the files of a version that comes over the network.

    Raises:
        UsageError: it is no list of files, or one of them cannot be.
    """
    try:
        size = announced(data)
        if size > _MAX_MANIFEST_BYTES:
            raise UsageError(f"the list of files takes {size:,} bytes; it may take {_MAX_MANIFEST_BYTES:,}")
        entries = decode_manifest(data)
    except (ZstdError, CorruptData) as error:
        raise UsageError(f"the list of files cannot be read: {error}") from None
    for entry in entries:
        check_path(entry.path)
        pieces = list(entry.pieces())
        whole = entry.reference is not None or (
            sum(size for _, size in pieces) == max(entry.size, 0)
            and all(len(chunk_id) == ID_BYTES and 0 < size <= MAX_CHUNK for chunk_id, size in pieces)
            and (not pieces or file_digest([chunk_id for chunk_id, _ in pieces]) == entry.digest)
            and (len(entry.digest) == ID_BYTES)
        )
        if not whole:
            raise UsageError(f"{entry.path!r} is not made of the chunks that it names")
    check_together([entry.path for entry in entries])
    return entries


def _check_sizes(database: Database, entries: Sequence[Entry]) -> None:
    wanted = {chunk_id: size for entry in entries for chunk_id, size in entry.pieces()}
    located = index.locate(database, wanted)
    gone = [chunk_id for chunk_id in wanted if chunk_id not in located]
    if gone:
        raise ChunksGone(f"{len(gone)} chunks of the version are not here; send them first")
    if any(located[chunk_id].chunk.size != size for chunk_id, size in wanted.items()):
        raise UsageError("the list of files gives a chunk another size than it has")


def link_versions(database: Database, run_id: str, document: RunDocument) -> None:
    """Note which versions a run uses, and where aliases of its own ones point; the later move counts."""
    for version_id, used_us, asked in document.uses:
        record_use(database, _filed_as(database, version_id), run_id, asked[:_MAX_WORD], used_us)
    for version_id, alias, moved_us in document.aliases:
        rows = database.query(
            "SELECT id, project, name FROM versions WHERE id = :id", {"id": _filed_as(database, version_id)}
        )
        for found_id, project, name in rows:
            if registry.is_registry(project) and alias in registry.stages(database):
                continue  # moves on purpose only
            database.execute(
                "INSERT INTO aliases (project, name, alias, version_id, moved_us) VALUES (:project, :name, :alias, "
                ":id, :moved_us) ON CONFLICT (project, name, alias) DO UPDATE SET version_id = excluded.version_id, "
                "moved_us = excluded.moved_us WHERE excluded.moved_us > aliases.moved_us",
                {
                    "project": project,
                    "name": name,
                    "alias": check_alias(alias),
                    "id": found_id,
                    "moved_us": moved_us,
                },
            )


def _filed_as(database: Database, version_id: str) -> str:
    rows = database.query("SELECT version_id FROM filed_versions WHERE id = :id", {"id": version_id})
    return rows[0][0] if rows else version_id
