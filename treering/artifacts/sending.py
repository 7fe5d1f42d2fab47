"""Bringing a run's versions to a server: chunk by chunk, only what it has not got."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from treering.artifacts.depot import Depot
from treering.artifacts.frames import frame_chunk
from treering.artifacts.lookup import select
from treering.artifacts.manifest import decode_manifest
from treering.artifacts.reading import ChunkReader
from treering.errors import CorruptData, NotFound, UsageError
from treering.online.client import Conflict, RefusedKey
from treering.online.delivery import VersionPart

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from treering.artifacts.lookup import Facts
    from treering.online.client import Client
    from treering.store import Store

__all__ = ["send_versions"]

#: What is lost when a connection breaks in the middle.
_SENT_AT_ONCE = 16 << 20
_ASKED_AT_ONCE = 16_384
_READ_AT_ONCE = 16
_TRIES = 3


def send_versions(  # who sends what where
    store: Store, client: Client, run_id: str, known: set[str], warn: Callable[[str], None], *, every: bool = False
) -> int:
    """Bring over the versions that a run has made.

    Args:
        store: that has them.
        client: of the server.
        run_id: of the run.
        known: ids of versions that the server has; those that it gets are added.
        warn: told of what cannot be brought over.
        every: also those that are meant to stay here.

    Returns:
        How many are still being saved in the store.
    """
    left_out = "" if every else "AND id NOT IN (SELECT version_id FROM kept_here) "
    rows = store.database.query(
        f"SELECT id FROM versions WHERE run_id = :id {left_out}ORDER BY created_us, id", {"id": run_id}
    )
    new = [version_id for (version_id,) in rows if version_id not in known]
    if new:
        missing = set(client.missing_versions(run_id, new))
        for version_id in new:
            if version_id in missing:
                _send(store, client, run_id, version_id, warn)
            known.add(version_id)
    ((pending,),) = store.database.query("SELECT COUNT(*) FROM pending_versions WHERE run_id = :id", {"id": run_id})
    return int(pending)


def _send(store: Store, client: Client, run_id: str, version_id: str, warn: Callable[[str], None]) -> None:
    found = select(store.database, "id = :id", {"id": version_id})
    rows = store.database.query("SELECT data FROM manifests WHERE version_id = :id", {"id": version_id})
    if not found or not rows:
        return  # deleted since it was listed
    facts, manifest = found[0], bytes(rows[0][0])
    entries = decode_manifest(manifest, facts.title)
    ids = list(dict.fromkeys(chunk_id for entry in entries for chunk_id, _ in entry.pieces()))
    reader = ChunkReader(Depot(store.database, store.folder))
    for tries_left in reversed(range(_TRIES)):
        try:
            for start in range(0, len(ids), _ASKED_AT_ONCE):
                _send_chunks(reader, client, run_id, client.missing_chunks(run_id, ids[start : start + _ASKED_AT_ONCE]))
            client.put_version(run_id, version_id, _part(facts, manifest))
        except Conflict as conflict:
            # A collection on the server has taken chunks that no version had named yet.
            if conflict.code != "chunks_missing" or not tries_left:
                raise
        except RefusedKey:
            raise
        except (NotFound, CorruptData, UsageError) as error:
            warn(f"version {facts.title} cannot be brought over: {error}")
            return
        else:
            return


def _part(facts: Facts, manifest: bytes) -> VersionPart:
    return VersionPart(
        name=facts.name,
        type=facts.type,
        project=facts.project,
        created_us=facts.created_us,
        manifest=manifest,
        stored=facts.stored,
        tags=list(facts.tags),
        metadata=facts.metadata,
        description=facts.description,
        base_id=facts.base_id,
        expires_us=facts.expires_us,
    )


def _send_chunks(reader: ChunkReader, client: Client, run_id: str, ids: Sequence[bytes]) -> None:
    waiting = iter(ids)
    while batch := list(islice(waiting, _READ_AT_ONCE)):
        parts: list[bytes | memoryview] = []
        size = 0
        while batch:
            for chunk_id, data in zip(batch, reader.chunks(batch), strict=True):
                framed = frame_chunk(chunk_id, data)
                parts += framed
                size += sum(map(len, framed))
            if size >= _SENT_AT_ONCE:
                break
            batch = list(islice(waiting, _READ_AT_ONCE))
        client.put_chunks(run_id, b"".join(parts))
