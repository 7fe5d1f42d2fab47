"""Looking again at packs that a loss of power may have cost.

A version is visible before its packs are known to be on the disk; `packs.synced` says of which that is not known. The
pages of a killed process are the kernel's and get there. Those of a machine that lost its power may not: what was
written before the machine was started the last time, and was not known to be there, is read once. Chunks that did not
arrive are taken out of the index: whoever saves the same content stores it again, and makes what needs it whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import psutil

from treering.artifacts import index
from treering.artifacts.moving import forget_empty
from treering.artifacts.packs import PackedChunk
from treering.artifacts.reading import ChunkReader
from treering.errors import CorruptData, NotFound

if TYPE_CHECKING:
    from treering.artifacts.depot import Depot

__all__ = ["recheck"]


def recheck(depot: Depot, *, before_us: int | None = None) -> int:
    """Read what may not have arrived on the disk; returns the number of chunks that have not.

    Args:
        depot: whose; its database is open for writing.
        before_us: of packs entered before this time; default when the machine was started.

    Raises:
        StoreError: the store cannot be read or written.
    """
    if depot.backend.durable:
        return 0
    rows = depot.database.query("SELECT number, name, created_us FROM packs WHERE synced = 0")
    if not rows:
        return 0
    started_us = int(psutil.boot_time() * 1e6) if before_us is None else before_us
    return sum(_recheck(depot, number, name) for number, name, created_us in rows if created_us < started_us)


def _recheck(depot: Depot, number: int, name: str) -> int:
    database, key = depot.database, depot.key(name)
    reader = ChunkReader(depot)
    lost: list[bytes] = []
    for chunk_id, *place in database.query(
        "SELECT id, start, stored, size, codec FROM pack_chunks WHERE pack = :pack ORDER BY start", {"pack": number}
    ):
        chunk = PackedChunk(bytes(chunk_id), *place)
        try:
            reader.check(chunk, memoryview(depot.backend.read(key, [(chunk.offset, chunk.stored)])[0]))
        except (CorruptData, NotFound):
            lost.append(chunk.id)
    if not lost:
        depot.backend.sync([key])
        index.mark_synced(database, [name])
        return 0
    with database.transaction():
        index.lock(database)
        for one in lost:
            # With it goes what is a difference to it.
            database.execute(
                "DELETE FROM pack_chunks WHERE (id = :id AND pack = :pack) "
                "OR id IN (SELECT id FROM chunk_bases WHERE base = :id)",
                {"id": one, "pack": number},
            )
            database.execute("DELETE FROM chunk_bases WHERE id = :id OR base = :id", {"id": one})
        index.mark_synced(database, [name])
        gone = forget_empty(database, [number])
        index.raise_epoch(database)
    if gone:
        depot.backend.delete(key)
    return len(lost)
