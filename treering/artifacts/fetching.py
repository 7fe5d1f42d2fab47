"""Bringing a version from a server into the store of this machine, chunk by chunk, only what is not here."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import msgspec

from treering.artifacts import index
from treering.artifacts.committing import Request, commit
from treering.artifacts.depot import Depot
from treering.artifacts.frames import read_frames
from treering.artifacts.lookup import Facts, find, select
from treering.artifacts.receiving import read_manifest
from treering.artifacts.storing import Storing
from treering.errors import CorruptData

if TYPE_CHECKING:
    from treering.artifacts.manifest import Entry
    from treering.online.client import Client
    from treering.store import Store

__all__ = ["fetch_version"]

_AT_ONCE = 16


def fetch_version(store: Store, client: Client, name: str, project: str) -> Facts:
    """Return the version that the words mean on a server, after it has been brought here; its aliases come along.

    Args:
        store: where to; what was fetched before an interruption is not fetched again.
        client: of the server.
        name: as for `lookup.find`.
        project: to look in when `name` names none.

    Raises:
        NotFound: no such version there.
        CorruptData: what came is not what was asked for.
        Unreachable: the server does not answer.
    """
    found = client.find_version(name, project)
    facts = msgspec.convert(found["facts"], Facts)
    here = select(
        store.database,
        "project = :project AND name = :name AND digest = :digest",
        {"project": facts.project, "name": facts.name, "digest": facts.digest},
    )
    if here:
        return here[-1]
    entries = read_manifest(found["manifest"])
    depot = Depot(store.database, store.folder)
    with Storing(depot) as storing:
        _fetch_chunks(storing, client, facts.id, entries)
        storing.flush()
        request = Request(
            id=facts.id,
            name=facts.name,
            type=facts.type,
            project=facts.project,
            run_id=facts.run_id,
            aliases=[alias for alias in facts.aliases if alias != "latest"],
            tags=list(facts.tags),
            metadata=facts.metadata,
            description=facts.description,
            base_id=facts.base_id,
            expires_us=facts.expires_us,
            created_us=facts.created_us,
        )
        filed = commit(store.database, request, entries, storing, entries, pending=False)
        storing.sync()
    assert filed is not None  # noqa: S101  # only a pending one may be filed by somebody else
    return find(store.database, f"{facts.name}:v{filed.version}", facts.project)


def _fetch_chunks(storing: Storing, client: Client, version_id: str, entries: list[Entry]) -> None:
    ids = list(dict.fromkeys(chunk_id for entry in entries for chunk_id, _ in entry.pieces()))
    there = index.known(storing.depot.database, ids)
    wanted = [chunk_id for chunk_id in ids if chunk_id not in there]
    for start in range(0, len(wanted), _AT_ONCE):
        batch = wanted[start : start + _AT_ONCE]
        got: set[bytes] = set()
        for chunk_id, data in read_frames(io.BytesIO(client.chunks(version_id, batch)).read):
            storing.add_small(memoryview(data), _nothing)
            got.add(chunk_id)
        if got != set(batch):
            raise CorruptData("the server sent other chunks than those that were asked for")


def _nothing(_chunk_id: bytes) -> None: ...
