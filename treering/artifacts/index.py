"""Which chunk lies in which pack: the tables `packs` and `pack_chunks`.

What keeps a chunk alive is a manifest that names it, and nothing else: there is no count that a crash could leave
wrong. A collection (see `collect`) takes rows out of the index in one transaction and raises the epoch there; whoever
has begun to save before asks again, in the transaction that makes a version visible, whether all of its chunks are
still there.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

from treering.artifacts.packs import PackedChunk

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from treering.store.database import Database

__all__ = ["Located", "epoch", "insert_pack", "known", "locate", "lock", "mark_synced", "raise_epoch"]

_BATCH, _SMALL_BATCH = 500, 16
_EPOCH = "artifact_epoch"
_NAMES = [f"c{number}" for number in range(_BATCH)]


class Located(NamedTuple):
    """A chunk and the name of the pack that it lies in."""

    pack: str
    chunk: PackedChunk


def lock(database: Database) -> None:
    """Let no other transaction commit a version or collect meanwhile; inside a transaction.

    SQLite has one writer at a time anyway.
    """
    if database.dialect == "postgresql":
        database.query("SELECT pg_advisory_xact_lock(7462)")


def epoch(database: Database) -> int:
    """Return how many collections there have been."""
    rows = database.query("SELECT value FROM store_info WHERE key = :key", {"key": _EPOCH})
    return int(rows[0][0]) if rows else 0


def raise_epoch(database: Database) -> None:
    """Say that chunks have gone, inside the transaction that takes them out."""
    database.execute(
        "INSERT INTO store_info (key, value) VALUES (:key, :value) "
        "ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        {"key": _EPOCH, "value": str(epoch(database) + 1)},
    )


def _batches(ids: Iterable[bytes]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield a list of parameters for a statement with `IN (...)`, and their values, until all ids have had their turn.

    Lists are filled up to one of two lengths, so that there are two statements to prepare: one is for the few chunks
    that are cut at a time, which it finds ten times as fast as the other would.
    """
    waiting = list(ids)
    for start in range(0, len(waiting), _BATCH):
        batch = waiting[start : start + _BATCH]
        length = _SMALL_BATCH if len(batch) <= _SMALL_BATCH else _BATCH
        batch += [batch[-1]] * (length - len(batch))
        names = _NAMES[:length]
        yield ", ".join(f":{name}" for name in names), dict(zip(names, batch, strict=True))


def known(database: Database, ids: Collection[bytes]) -> set[bytes]:
    """Return those of the chunks that the store has."""
    found: set[bytes] = set()
    for names, values in _batches(ids):
        rows = database.query(f"SELECT id FROM pack_chunks WHERE id IN ({names})", values)
        found.update(bytes(row[0]) for row in rows)
    return found


def locate(database: Database, ids: Collection[bytes]) -> dict[bytes, Located]:
    """Return where chunks lie; those that the store has not are left out."""
    found: dict[bytes, Located] = {}
    for names, values in _batches(ids):
        rows = database.query(
            "SELECT packs.name, pack_chunks.id, start, stored, pack_chunks.size, codec FROM pack_chunks "
            f"JOIN packs ON packs.number = pack_chunks.pack WHERE pack_chunks.id IN ({names})",
            values,
        )
        for name, chunk_id, *place in rows:
            key = bytes(chunk_id)
            found[key] = Located(name, PackedChunk(key, *place))
    return found


def insert_pack(database: Database, name: str, size: int, chunks: Sequence[PackedChunk], *, synced: bool) -> int:
    """Enter a finished pack and return its number; a chunk that another pack has by now stays with that one."""
    ((number,),) = database.query(
        "INSERT INTO packs (name, size, created_us, synced) VALUES (:name, :size, :now, :synced) RETURNING number",
        {"name": name, "size": size, "now": time.time_ns() // 1000, "synced": int(synced)},
    )
    database.execute_many(
        "INSERT INTO pack_chunks (id, pack, start, stored, size, codec) "
        "VALUES (:id, :pack, :offset, :stored, :size, :codec) ON CONFLICT (id) DO NOTHING",
        # In the order of the key: neighbours share pages.
        [{**chunk._asdict(), "pack": number} for chunk in sorted(chunks)],
    )
    return int(number)


def mark_synced(database: Database, names: Collection[str]) -> None:
    """Remember that packs survive a loss of power from now on."""
    database.execute_many("UPDATE packs SET synced = 1 WHERE name = :name", [{"name": name} for name in names])
