"""Repacking: numbers are taken apart after the commit, when nobody waits for it.

A save writes chunks as they are, so that it is over soon. Afterwards, chunks of floating-point numbers are coded in
planes, and those of a version that no alias points to as differences to the version before or after it, where that
saves something. What is coded anew is decoded and compared before anything changes.

What a difference is one to is never a difference itself: of a row of versions, every third is whole, and the two beside
it are read in twice the time. A version that gets an alias is made whole when it is repacked the next time.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, NamedTuple

import msgspec
from blake3 import blake3

from treering.artifacts import backlog, index
from treering.artifacts.aliasing import is_step
from treering.artifacts.coding import (
    DIFFERENCE,
    PLANES,
    RAW,
    ZSTD,
    Base,
    compress,
    difference,
    holds_numbers,
    planes,
)
from treering.artifacts.lookup import select
from treering.artifacts.moving import Mover, enter, forget_empty
from treering.artifacts.packs import PackedChunk
from treering.artifacts.reading import ChunkReader, entries_of
from treering.errors import CorruptData, NotFound

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from typing_extensions import Buffer

    from treering.artifacts.depot import Depot
    from treering.artifacts.lookup import Facts
    from treering.artifacts.manifest import Entry

__all__ = ["Repacked", "repack"]

# Smaller chunks are left alone, and so are those that zstd has made half as long: words, not numbers.
_LEAST_CHUNK = 4 << 10
_WORDS = 0.5
# A look into the middle of a chunk tells whether there are numbers in it.
_LOOK = 16 << 10
# So much of a chunk, and of a pack, must be saved.
_GAIN = 0.03


class Repacked(msgspec.Struct):
    """What was done: versions looked at, chunks coded anew, and the bytes of their packs before and after."""

    versions: int = 0
    chunks: int = 0
    before: int = 0
    after: int = 0

    def plus(self, other: Repacked) -> Repacked:
        """Return both together."""
        return Repacked(
            self.versions + other.versions,
            self.chunks + other.chunks,
            self.before + other.before,
            self.after + other.after,
        )


class _Coded(NamedTuple):
    codec: int
    data: Buffer
    bases: frozenset[bytes]


def repack(
    depot: Depot,
    version_ids: Sequence[str] | None = None,
    *,
    stop: Callable[[], bool] | None = None,
    progress: Callable[[int], None] | None = None,
) -> Repacked:
    """Code the chunks of versions as it saves most. Safe beside everything else, and to be killed at any moment.

    Args:
        depot: that has them; its database is open for writing.
        version_ids: whose, of each name the older ones first; None for all.
        stop: asked after each chunk whether to leave it at that.
        progress: told the number of bytes of each chunk that was looked at.

    Raises:
        StoreError: the store cannot be written; what was done so far is whole.
    """
    done = Repacked()
    wanted = version_ids
    if wanted is None:
        wanted = [row[0] for row in depot.database.query("SELECT id FROM versions ORDER BY project, name, version")]
    for version_id in wanted:
        for facts in select(depot.database, "id = :id", {"id": version_id}):
            work = _Version(depot, facts, stop or _never, progress or _nothing, done)
            try:
                work.repack()
            except (NotFound, CorruptData):
                continue  # deleted meanwhile; or damaged, which `verify` says
            if work.is_stopped:
                return done
    if version_ids is None:
        backlog.forget_waiting(depot.database, wanted)
    return done


def _never() -> bool:
    return False


def _nothing(_size: int) -> None: ...


class _Neighbour:
    """The chunks of a file of the version before or after."""

    def __init__(self, entry: Entry) -> None:
        self._pieces = list(entry.pieces())
        self._starts: list[int] = []
        at = 0
        for _, size in self._pieces:
            self._starts.append(at)
            at += size
        self._size = at

    def holds(self, at: int, size: int) -> bool:
        """Tell whether the file has these bytes."""
        return at + size <= self._size

    def base(self, at: int, size: int) -> Base:
        """Return the chunks that hold these bytes of the file."""
        first = bisect_right(self._starts, at) - 1
        last = bisect_right(self._starts, at + size - 1)
        return Base(tuple(chunk_id for chunk_id, _ in self._pieces[first:last]), at - self._starts[first])


class _Version:
    def __init__(
        self, depot: Depot, facts: Facts, stop: Callable[[], bool], progress: Callable[[int], None], done: Repacked
    ) -> None:
        self._depot = depot
        self._facts = facts
        self._stop = stop
        self._progress = progress
        self._done = done
        self._reader = ChunkReader(depot)
        self._places: dict[bytes, tuple[str, int]] = {}
        self._whole: set[bytes] = set()
        self._neighbours: list[dict[str, _Neighbour]] = []
        self.is_stopped = False

    def repack(self) -> None:
        """Do what can be done for it, one pack after another."""
        self._look_around()
        located = index.locate(self._depot.database, self._places)
        self._done.versions += 1
        for name in sorted({one.pack for one in located.values()}):
            self._repack_pack(name)
            if self.is_stopped:
                return

    def _look_around(self) -> None:
        database, facts = self._depot.database, self._facts
        for entry in entries_of(database, facts.id, facts.title):
            at = 0
            for chunk_id, size in entry.pieces():
                if size >= _LEAST_CHUNK:
                    self._places.setdefault(chunk_id, (entry.path, at))
                at += size
        if not self._places:
            return
        condition = "project = :project AND name = :name AND version {} :version ORDER BY version {} LIMIT 1"
        key = {"project": facts.project, "name": facts.name, "version": facts.version}
        for side in (condition.format("<", "DESC"), condition.format(">", "ASC")):
            for (version_id,) in database.query(f"SELECT id FROM versions WHERE {side}", key):
                self._neighbours.append(
                    {entry.path: _Neighbour(entry) for entry in entries_of(database, version_id, facts.title)}
                )
        # The same files may have an alias under another name, such as that of a registered model.
        found = database.query(
            "SELECT version_id, alias FROM aliases JOIN versions ON versions.id = version_id WHERE digest = :digest "
            "OR versions.project = :project AND versions.name = :name",
            {**key, "digest": facts.digest},
        )
        for version_id in dict.fromkeys(version_id for version_id, alias in found if not is_step(alias)):
            for entry in entries_of(database, version_id, facts.title):
                self._whole.update(chunk_id for chunk_id, _ in entry.pieces())

    def _repack_pack(self, name: str) -> None:
        database = self._depot.database
        rows = database.query("SELECT number, size FROM packs WHERE name = :name", {"name": name})
        if not rows:
            return
        number, size = rows[0]
        chunks = [
            PackedChunk(bytes(chunk_id), *place)
            for chunk_id, *place in database.query(
                "SELECT id, start, stored, size, codec FROM pack_chunks WHERE pack = :pack ORDER BY start",
                {"pack": number},
            )
        ]
        coded: dict[bytes, _Coded] = {}
        for chunk in chunks:
            if self._stop():
                self.is_stopped = True
                # What is done is kept, so that whoever goes on need not begin with it again; what is left of the old
                # pack lies in it until then.
                self._replace(name, number, [one for one in chunks if one.id in coded], coded)
                return
            if chunk.id in self._places and (new := self._code(name, chunk)) is not None:
                coded[chunk.id] = new
            self._progress(chunk.size)
        saved = size - sum(_stored(coded[one.id]) if one.id in coded else one.stored for one in chunks)
        if coded and (saved > _GAIN * size or any(one.codec == DIFFERENCE for one in chunks if one.id in coded)):
            self._replace(name, number, chunks, coded)

    def _replace(self, name: str, number: int, chunks: Sequence[PackedChunk], coded: dict[bytes, _Coded]) -> None:
        """Write chunks of a pack anew; the old one goes when these are all it has."""
        if not coded:
            return
        depot = self._depot
        with Mover(depot) as mover:
            for chunk in chunks:
                new = coded.get(chunk.id)
                if new is not None:
                    mover.add(chunk._replace(codec=new.codec), number, new.data, new.bases)
                    continue
                (data,) = depot.backend.read(depot.key(name), [(chunk.offset, chunk.stored)])
                self._reader.check(chunk, memoryview(data))
                mover.add(chunk, number, data)
                self._progress(0)  # a whole pack is too much to do without a rest
            written = mover.finish()
        with depot.database.transaction():
            index.lock(depot.database)
            entered = enter(depot.database, written)
            gone = forget_empty(depot.database, [number, *entered])
        names = {number: name, **{new: one.pack.name for new, one in zip(entered, written, strict=True)}}
        for one in gone:
            depot.backend.delete(depot.key(names[one]))
        self._done.chunks += len(coded)
        self._done.before += sum(one.stored for one in chunks)
        self._done.after += sum(one.pack.size for one in written)

    def _code(self, pack: str, chunk: PackedChunk) -> _Coded | None:
        """Return what becomes of a chunk, None when it stays as it is."""
        whole = chunk.id in self._whole
        if chunk.codec == (PLANES if whole else DIFFERENCE):
            return None
        whole = whole or bool(
            self._depot.database.query("SELECT 1 FROM chunk_bases WHERE base = :id LIMIT 1", {"id": chunk.id})
        )
        if (chunk.codec == PLANES and whole) or not self._may_be_numbers(pack, chunk):
            return None
        (stored,) = self._depot.backend.read(self._depot.key(pack), [(chunk.offset, chunk.stored)])
        data = self._reader.check(chunk, memoryview(stored))
        least = (1 - _GAIN) * chunk.stored
        best = None
        if chunk.codec != PLANES:
            apart = planes(data)
            if apart is not None and (chunk.codec == DIFFERENCE or len(apart) <= least):
                best = _Coded(PLANES, apart, frozenset())
        if chunk.codec == DIFFERENCE:
            best = best or _Coded(*compress(data), frozenset())
        elif not whole:
            best = self._differ(chunk, data, least if best is None else (1 - _GAIN) * _stored(best)) or best
        return best if best is None or self._is_right(chunk, best) else None

    def _may_be_numbers(self, pack: str, chunk: PackedChunk) -> bool:
        if chunk.codec == ZSTD:
            return chunk.stored > _WORDS * chunk.size
        if chunk.codec != RAW:
            return True
        span = min(_LOOK, chunk.size)
        start = chunk.offset + (chunk.size - span) // 2
        return holds_numbers(memoryview(self._depot.backend.read(self._depot.key(pack), [(start, span)])[0]))

    def _differ(self, chunk: PackedChunk, data: memoryview, most: float) -> _Coded | None:
        """Return a chunk as a difference to a neighbour's bytes, if that takes `most` bytes or less."""
        database = self._depot.database
        path, at = self._places[chunk.id]
        for files in self._neighbours:
            if path not in files or not files[path].holds(at, chunk.size):
                continue
            base = files[path].base(at, chunk.size)
            if chunk.id in base.ids:  # the same in both versions: it is stored once anyway
                continue
            found = index.locate(database, set(base.ids))
            if len(found) < len(set(base.ids)) or any(one.chunk.codec == DIFFERENCE for one in found.values()):
                continue
            before = self._reader.joined(base.ids)[base.skip : base.skip + chunk.size]
            apart = difference(data, before, base)
            if apart is not None and len(apart) <= most:
                return _Coded(DIFFERENCE, apart, frozenset(base.ids))
        return None

    def _is_right(self, chunk: PackedChunk, coded: _Coded) -> bool:
        """Tell whether a chunk comes back from its new coding as it was."""
        stored = memoryview(coded.data)
        again = memoryview(bytearray(chunk.size))
        self._reader.decode(chunk._replace(codec=coded.codec, stored=len(stored)), stored, again)
        return blake3(again).digest() == chunk.id


def _stored(coded: _Coded) -> int:
    return memoryview(coded.data).nbytes
