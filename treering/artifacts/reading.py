"""Reading versions back: every chunk is checked before its bytes count."""

from __future__ import annotations

import fnmatch
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, NamedTuple

from blake3 import blake3

from treering.artifacts import index
from treering.artifacts.coding import DIFFERENCE, RAW, base_of, decode
from treering.artifacts.manifest import decode_manifest
from treering.errors import CorruptData, NotFound

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from treering.artifacts.depot import Depot
    from treering.artifacts.index import Located
    from treering.artifacts.manifest import Entry
    from treering.artifacts.packs import PackedChunk
    from treering.store.database import Database

__all__ = ["ChunkReader", "entries_of", "matching", "read_entry"]

_BATCH_BYTES = 8 << 20
# A chunk of so many bytes that is stored as it is goes to where it is wanted without a stop.
_STRAIGHT_BYTES = 32 << 10
# Chunks that others are differences to, kept for the next ones.
_BASES = 16
# Chunks of the same pack that lie so near to each other are read in one.
_GAP = 64 << 10


def entries_of(database: Database, version_id: str, what: str) -> list[Entry]:
    """Return the files of a version in order of their paths.

    Raises:
        NotFound: there is no such version, or no longer.
        CorruptData: its list of files is damaged.
    """
    rows = database.query("SELECT data FROM manifests WHERE version_id = :id", {"id": version_id})
    if not rows:
        raise NotFound(f"the files of {what} are not in the store")
    return decode_manifest(rows[0][0], what)


def matching(entries: Iterable[Entry], patterns: Sequence[str] | str | None, what: str) -> list[Entry]:
    """Return the entries whose path is one of `patterns`, below one of them, or matched by it as a glob.

    Raises:
        NotFound: a pattern that fits nothing.
    """
    entries = list(entries)
    if patterns is None:
        return entries
    chosen: dict[str, Entry] = {}
    for pattern in [patterns] if isinstance(patterns, str) else patterns:
        folder = pattern.rstrip("/") + "/"
        found = [one for one in entries if one.path == pattern or one.path.startswith(folder)]
        found = found or [one for one in entries if fnmatch.fnmatchcase(one.path, pattern)]
        if not found:
            names = ", ".join(repr(one.path) for one in entries[:10])
            raise NotFound(f"{what} has {len(entries)} files and none called {pattern!r}: {names}")
        chosen.update((one.path, one) for one in found)
    return [one for one in entries if one.path in chosen]


class ChunkReader:
    """Reads chunks of a depot, checked. Any thread may use it."""

    def __init__(self, depot: Depot) -> None:
        self._depot = depot
        self._lock = threading.Lock()
        self._located: dict[bytes, Located] = {}
        self._bases: OrderedDict[bytes, memoryview] = OrderedDict()

    def locate(self, ids: Iterable[bytes]) -> None:
        """Look up many chunks at once."""
        wanted = {one for one in ids if one not in self._located}
        if not wanted:
            return
        with self._lock:
            self._located.update(index.locate(self._depot.database, wanted))

    def chunks(self, ids: Sequence[bytes]) -> list[memoryview]:
        """Return the bytes of chunks.

        Raises:
            NotFound: the store has lost one.
            CorruptData: one is damaged; the text names its pack.
        """
        self.locate(ids)
        sizes = [self._located[one].chunk.size if one in self._located else 0 for one in ids]
        view = memoryview(bytearray(sum(sizes)))
        self.fill(list(zip(ids, sizes, strict=True)), view)
        found: list[memoryview] = []
        at = 0
        for size in sizes:
            found.append(view[at : at + size])
            at += size
        return found

    def fill(self, pieces: Sequence[tuple[bytes, int]], view: memoryview) -> None:
        """Read chunks one after another into memory.

        Args:
            pieces: (id, size in bytes) of each.
            view: where to; as long as all of them.

        Raises:
            NotFound, CorruptData: as `chunks`; what is in `view` then means nothing.
        """
        ids = [one for one, _ in pieces]
        self.locate(ids)
        try:
            self._fill(pieces, view)
        except NotFound:
            # A collection has moved them to another pack since they were looked up.
            with self._lock:
                self._located.clear()
            self.locate(ids)
            self._fill(pieces, view)

    def _fill(self, pieces: Sequence[tuple[bytes, int]], view: memoryview) -> None:
        wanted: list[_Wanted] = []
        at = 0
        for one, size in pieces:
            located = self._located.get(one)
            if located is None:
                raise NotFound(f"chunk {one.hex()[:12]} is gone from the store; see `treering artifact verify`")
            if located.chunk.size != size:
                raise CorruptData(f"chunk {one.hex()[:12]} has {located.chunk.size:,} bytes and should have {size:,}")
            wanted.append(_Wanted(located.pack, located.chunk, at))
            at += size
        for run in _runs(sorted(wanted, key=lambda one: (one.pack, one.chunk.offset, one.at))):
            self._read_run(run, view)

    def _read_run(self, run: list[_Wanted], view: memoryview) -> None:
        backend, key = self._depot.backend, self._depot.key(run[0].pack)
        start = run[0].chunk.offset
        data = None
        if run[0].is_straight:
            backend.read_into(key, start, view[run[0].at : run[0].at + run[-1].end - start])
        else:
            data = memoryview(backend.read(key, [(start, run[-1].end - start)])[0])
        for _, chunk, at in run:
            target = view[at : at + chunk.size]
            try:
                if data is not None:
                    self.decode(chunk, data[chunk.offset - start :][: chunk.stored], target)
                if blake3(target).digest() != chunk.id:
                    raise CorruptData("it does not match its digest")
            except (CorruptData, NotFound) as error:
                raise type(error)(
                    f"chunk {chunk.id.hex()[:12]} is damaged, in pack {key}, byte {chunk.offset}: {error}"
                ) from None

    def decode(self, chunk: PackedChunk, stored: memoryview, target: memoryview) -> None:
        """Put a chunk's bytes together from what a pack has of it; they are not checked.

        Raises:
            CorruptData, NotFound: that, or what it is a difference to, is damaged or gone.
        """
        if chunk.codec != DIFFERENCE:
            decode(chunk.codec, stored, target)
            return
        base = base_of(stored)
        before = self.joined(base.ids)[base.skip : base.skip + chunk.size]
        if len(before) != chunk.size:
            raise CorruptData("what it is a difference to is too short")
        decode(DIFFERENCE, stored, target, before)

    def joined(self, ids: tuple[bytes, ...]) -> memoryview:
        """Return chunks as one piece; neighbouring differences want the same ones."""
        found: list[memoryview] = []
        for one in ids:
            with self._lock:
                known = self._bases.get(one)
            if known is None:
                (known,) = self.chunks([one])
                with self._lock:
                    self._bases[one] = known
                    while len(self._bases) > _BASES:
                        self._bases.popitem(last=False)
            found.append(known)
        return found[0] if len(found) == 1 else memoryview(b"".join(found))

    def check(self, chunk: PackedChunk, stored: memoryview) -> memoryview:
        """Return a chunk's bytes from what a pack has of it.

        Raises:
            CorruptData: it is not what was stored, or what it is a difference to is not.
        """
        name = f"chunk {chunk.id.hex()[:12]}"
        target = memoryview(bytearray(chunk.size))
        try:
            self.decode(chunk, stored, target)
        except (CorruptData, NotFound) as error:
            raise CorruptData(f"{name} is damaged: {error}") from None
        if blake3(target).digest() != chunk.id:
            raise CorruptData(f"{name} does not match its digest")
        return target


class _Wanted(NamedTuple):
    """A chunk, and where in memory it is to go."""

    pack: str
    chunk: PackedChunk
    at: int

    @property
    def end(self) -> int:
        return self.chunk.offset + self.chunk.stored

    @property
    def is_straight(self) -> bool:
        """Whether it can be read to where it is to go."""
        return self.chunk.codec == RAW and self.chunk.size >= _STRAIGHT_BYTES


def _runs(wanted: list[_Wanted]) -> Iterator[list[_Wanted]]:
    """Put together what can be read at once: pieces that go straight to memory, or others that lie near each other."""
    run: list[_Wanted] = []
    for one in wanted:
        if run and not _goes_with(run, one):
            yield run
            run = []
        run.append(one)
    if run:
        yield run


def _goes_with(run: list[_Wanted], one: _Wanted) -> bool:
    last = run[-1]
    if one.pack != last.pack or one.is_straight != last.is_straight:
        return False
    if one.is_straight:
        return (one.chunk.offset, one.at) == (last.end, last.at + last.chunk.size)
    return one.chunk.offset - last.end <= _GAP and one.end - run[0].chunk.offset <= _BATCH_BYTES


def read_entry(depot: Depot, entry: Entry, start: int = 0, length: int | None = None) -> bytes:
    """Return bytes of a file; only the chunks that hold them are read.

    Args:
        depot: that has it.
        entry: the file.
        start: first byte.
        length: number of bytes; None for all to the end.
    """
    end = entry.size if length is None else min(entry.size, start + length)
    pieces: list[tuple[bytes, int, int]] = []
    at = 0
    for chunk_id, size in entry.pieces():
        if at < end and at + size > start:
            pieces.append((chunk_id, at, size))
        at += size
    data = bytearray(sum(piece[2] for piece in pieces))
    ChunkReader(depot).fill([(chunk_id, size) for chunk_id, _, size in pieces], memoryview(data))
    first = pieces[0][1] if pieces else 0
    return bytes(memoryview(data)[max(start - first, 0) : max(end - first, 0)])
