"""Moving chunks to new packs, as they are or in another coding, beside everything else.

New packs are written first, and durable, before one transaction lets chunks be found there: those that are still where
they were when they were read. Whoever reads meanwhile finds the old pack, or finds it gone and looks again.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from treering.artifacts import index
from treering.artifacts.coding import DIFFERENCE
from treering.artifacts.packs import PACK_BYTES, PackedChunk, PackFile

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from typing_extensions import Buffer, Self

    from treering.artifacts.depot import Depot
    from treering.store.database import Database

__all__ = ["Moved", "Mover", "Written", "enter", "forget_chunk", "forget_empty"]


class Moved(NamedTuple):
    """A chunk in a new pack.

    Attributes:
        chunk: where it lies there.
        source: number of the pack that it has been in.
        bases: what it is a difference to, if its coding is new; None if it is as it was.
    """

    chunk: PackedChunk
    source: int
    bases: frozenset[bytes] | None


class Written(NamedTuple):
    """A new pack that no row of the index names yet."""

    pack: PackFile
    moved: list[Moved]


class Mover:
    """Writes new packs; a context manager that abandons what is not finished."""

    def __init__(self, depot: Depot) -> None:
        self.finished: list[Written] = []
        self._depot = depot
        self._pack: PackFile | None = None
        self._moved: list[Moved] = []

    def add(self, chunk: PackedChunk, source: int, data: Buffer, bases: frozenset[bytes] | None = None) -> None:
        """Take a chunk.

        Args:
            chunk: its id, size and codec count.
            source: number of the pack that it is in.
            data: what its codec made of it.
            bases: of a new coding.
        """
        if self._pack is None:
            self._pack = PackFile(self._depot.scratch / "incoming" / f"{os.urandom(8).hex()}.pack")
        self._pack.add(chunk.id, chunk.size, chunk.codec, data)
        self._moved.append(Moved(self._pack.chunks[-1], source, bases))
        if self._pack.size >= PACK_BYTES:
            self.finish()

    def finish(self) -> list[Written]:
        """Put the last pack where packs lie; returns all."""
        if self._pack is not None:
            pack = self._pack
            pack.close()
            key = self._depot.key(pack.name)
            self._depot.backend.put(key, pack.path)
            # The old pack goes right after; a loss of power must not find neither.
            self._depot.backend.sync([key])
            self.finished.append(Written(pack, self._moved))
            self._pack, self._moved = None, []
        return self.finished

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        if self._pack is not None:
            self._pack.abandon()


def enter(database: Database, written: Iterable[Written]) -> list[int]:
    """Let chunks be found in their new packs, inside a transaction that holds the lock; returns the packs' numbers."""
    numbers: list[int] = []
    for pack, moved in written:
        number = index.insert_pack(database, pack.name, pack.size, [], synced=True)
        numbers.append(number)
        database.execute_many(
            _MOVE, [{**one.chunk._asdict(), "pack": number, "source": one.source} for one in moved if one.bases is None]
        )
        for one in moved:
            if one.bases is not None:
                _recode(database, one, one.bases, number)
    return numbers


_MOVE = (
    "UPDATE pack_chunks SET pack = :pack, start = :offset, stored = :stored, codec = :codec "
    "WHERE id = :id AND pack = :source AND size = :size"
)


def _recode(database: Database, one: Moved, bases: frozenset[bytes], number: int) -> None:
    """Let a chunk be found in another coding, unless something has come in between."""
    if bases:
        if one.chunk.id in bases or database.query(
            "SELECT 1 FROM chunk_bases WHERE base = :id LIMIT 1", {"id": one.chunk.id}
        ):
            return  # others are differences to it by now
        found = index.locate(database, bases)
        if len(found) < len(bases) or any(base.chunk.codec == DIFFERENCE for base in found.values()):
            return
    if not database.execute(_MOVE, {**one.chunk._asdict(), "pack": number, "source": one.source}):
        return
    database.execute("DELETE FROM chunk_bases WHERE id = :id", {"id": one.chunk.id})
    database.execute_many(
        "INSERT INTO chunk_bases (id, base) VALUES (:id, :base)",
        [{"id": one.chunk.id, "base": base} for base in sorted(bases)],
    )


def forget_chunk(database: Database, chunk: PackedChunk, pack: int) -> bool:
    """Take a chunk out of the index, if it is in this pack and no other one is a difference to it."""
    values = {"id": chunk.id, "pack": pack}
    gone = database.execute(
        "DELETE FROM pack_chunks WHERE id = :id AND pack = :pack "
        "AND NOT EXISTS (SELECT 1 FROM chunk_bases WHERE base = :id)",
        values,
    )
    if gone:
        database.execute("DELETE FROM chunk_bases WHERE id = :id", {"id": chunk.id})
    return bool(gone)


def forget_empty(database: Database, packs: Sequence[int]) -> set[int]:
    """Take packs without chunks out of the index; returns their numbers."""
    empty: set[int] = set()
    for number in packs:
        values = {"pack": number}
        if not database.query("SELECT 1 FROM pack_chunks WHERE pack = :pack LIMIT 1", values):
            database.execute("DELETE FROM packs WHERE number = :pack", values)
            empty.add(number)
    return empty
