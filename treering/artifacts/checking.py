"""Checking everything: each pack, each chunk in it, and each version's list of files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from treering.artifacts import index
from treering.artifacts.lookup import select
from treering.artifacts.packs import PackedChunk, read_index
from treering.artifacts.reading import ChunkReader, entries_of
from treering.errors import CorruptData, NotFound, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from treering.artifacts.depot import Depot

__all__ = ["Damage", "Verified", "verify_store"]

_BATCH_BYTES = 16 << 20


class Damage(msgspec.Struct):
    """Something that is not what was stored.

    Attributes:
        where: the pack's object, or the version.
        message: what is wrong.
        files: "name:vN, 'path'" of all that cannot be read back for it.
    """

    where: str
    message: str
    files: list[str] = []


class Verified(msgspec.Struct):
    """What a check has seen."""

    versions: int = 0
    packs: int = 0
    chunks: int = 0
    bytes: int = 0
    damage: list[Damage] = []


class _PackRow(msgspec.Struct, array_like=True):
    number: int
    name: str
    size: int


def verify_store(depot: Depot, progress: Callable[[int], None] | None = None) -> Verified:
    """Read everything that versions are made of and check it.

    Args:
        depot: whose.
        progress: told the number of bytes of each piece that is done.
    """
    seen = Verified()
    broken: dict[bytes, Damage] = {}
    reader = ChunkReader(depot)
    rows = depot.database.query("SELECT number, name, size FROM packs ORDER BY number")
    for pack in (_PackRow(*row) for row in rows):
        seen.packs += 1
        chunks = [
            PackedChunk(bytes(chunk_id), *place)
            for chunk_id, *place in depot.database.query(
                "SELECT id, start, stored, size, codec FROM pack_chunks WHERE pack = :pack ORDER BY start",
                {"pack": pack.number},
            )
        ]
        for damage, ids in _check_pack(reader, depot, pack, chunks, progress):
            if _is_there(depot, pack):
                seen.damage.append(damage)
                broken.update((one, damage) for one in ids)
        seen.chunks += len(chunks)
        seen.bytes += sum(chunk.stored for chunk in chunks)
    _check_versions(depot, seen, broken)
    return seen


def _is_there(depot: Depot, pack: _PackRow) -> bool:
    """Tell whether a pack is still in the index: a collection may have taken it away meanwhile."""
    return bool(depot.database.query("SELECT 1 FROM packs WHERE number = :number", {"number": pack.number}))


def _check_pack(
    reader: ChunkReader,
    depot: Depot,
    pack: _PackRow,
    chunks: list[PackedChunk],
    progress: Callable[[int], None] | None,
) -> Iterator[tuple[Damage, list[bytes]]]:
    key, backend = depot.key(pack.name), depot.backend
    all_ids = [chunk.id for chunk in chunks]
    try:
        size = backend.size(key)
        if size is None:
            yield Damage(key, "the pack is gone"), all_ids
            return
        for batch in _batches(chunks):
            start = batch[0].offset
            (data,) = backend.read(key, [(start, batch[-1].offset + batch[-1].stored - start)])
            for chunk in batch:
                try:
                    reader.check(chunk, memoryview(data)[chunk.offset - start :][: chunk.stored])
                except CorruptData as error:
                    yield Damage(key, f"{error}, byte {chunk.offset} of the pack"), [chunk.id]
            if progress is not None:
                progress(sum(chunk.stored for chunk in batch))
        if size != pack.size:
            yield Damage(key, f"the pack has {size:,} bytes and should have {pack.size:,}"), []
            return
        try:
            read_index(size, lambda start, length: backend.read(key, [(start, length)])[0], key)
        except CorruptData as error:
            yield Damage(key, str(error)), []
    except (StoreError, NotFound) as error:
        yield Damage(key, str(error)), all_ids


def _batches(chunks: Iterable[PackedChunk]) -> Iterator[list[PackedChunk]]:
    batch: list[PackedChunk] = []
    for chunk in chunks:
        if batch and chunk.offset + chunk.stored - batch[0].offset > _BATCH_BYTES:
            yield batch
            batch = []
        batch.append(chunk)
    if batch:
        yield batch


def _check_versions(depot: Depot, seen: Verified, broken: dict[bytes, Damage]) -> None:
    database = depot.database
    for facts in select(database, "1 = 1", {}):
        seen.versions += 1
        try:
            entries = entries_of(database, facts.id, facts.title)
        except NotFound:
            if database.query("SELECT 1 FROM versions WHERE id = :id", {"id": facts.id}):
                seen.damage.append(Damage(facts.title, "its list of files is gone"))
            continue
        except CorruptData as error:
            seen.damage.append(Damage(facts.title, str(error)))
            continue
        ids = {chunk_id for entry in entries for chunk_id, _ in entry.pieces()}
        missing = ids - index.known(database, ids)
        if missing and not database.query("SELECT 1 FROM versions WHERE id = :id", {"id": facts.id}):
            continue  # deleted meanwhile
        for entry in entries:
            mine = {chunk_id for chunk_id, _ in entry.pieces()}
            where = f"{facts.title}, {entry.path!r}"
            if mine & missing:
                lost = len(mine & missing)
                seen.damage.append(Damage(facts.title, f"{lost} chunks of {entry.path!r} are gone", [where]))
            for damage in {id(broken[one]): broken[one] for one in mine if one in broken}.values():
                damage.files.append(where)
