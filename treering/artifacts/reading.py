"""Reading versions back: every chunk is checked before its bytes count."""

from __future__ import annotations

import fnmatch
import os
import stat
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

from blake3 import blake3

from treering.artifacts import index
from treering.artifacts.manifest import decode_manifest
from treering.artifacts.names import check_path
from treering.artifacts.packs import decode_chunk
from treering.errors import CorruptData, NotFound, StoreError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from treering.artifacts.depot import Depot
    from treering.artifacts.index import Located
    from treering.artifacts.manifest import Entry
    from treering.store.database import Database

__all__ = ["ChunkReader", "entries_of", "matching", "read_entry", "write_entries"]

_BATCH_BYTES = 8 << 20
_THREADS = 4
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

    def locate(self, ids: Iterable[bytes]) -> None:
        """Look up many chunks at once."""
        with self._lock:
            wanted = {one for one in ids if one not in self._located}
            self._located.update(index.locate(self._depot.database, wanted))

    def chunks(self, ids: Sequence[bytes]) -> list[memoryview]:
        """Return the bytes of chunks.

        Raises:
            NotFound: the store has lost one.
            CorruptData: one is damaged; the text names its pack.
        """
        self.locate(ids)
        try:
            return self._read(ids)
        except NotFound:
            # A collection has moved them to another pack since they were looked up.
            with self._lock:
                self._located.clear()
            self.locate(ids)
            return self._read(ids)

    def _read(self, ids: Sequence[bytes]) -> list[memoryview]:
        by_pack: dict[str, dict[bytes, Located]] = {}
        for one in ids:
            located = self._located.get(one)
            if located is None:
                raise NotFound(f"chunk {one.hex()[:12]} is gone from the store; see `treering artifact verify`")
            by_pack.setdefault(located.pack, {})[one] = located
        found: dict[bytes, memoryview] = {}
        for pack, wanted in by_pack.items():
            key = self._depot.key(pack)
            runs = list(_runs(sorted(wanted.values(), key=lambda one: one.chunk.offset)))
            spans = [(run[0].chunk.offset, _end(run[-1]) - run[0].chunk.offset) for run in runs]
            for run, data in zip(runs, self._depot.backend.read(key, spans), strict=True):
                first, view = run[0].chunk.offset, memoryview(data)
                for located in run:
                    chunk = located.chunk
                    start = chunk.offset - first
                    try:
                        found[chunk.id] = decode_chunk(chunk, view[start : start + chunk.stored])
                    except CorruptData as error:
                        raise CorruptData(f"{error} in pack {key}, byte {chunk.offset}") from None
        return [found[one] for one in ids]


def _end(one: Located) -> int:
    return one.chunk.offset + one.chunk.stored


def _runs(located: list[Located]) -> Iterator[list[Located]]:
    run: list[Located] = []
    for one in located:
        if run and (one.chunk.offset - _end(run[-1]) > _GAP or _end(one) - run[0].chunk.offset > _BATCH_BYTES):
            yield run
            run = []
        run.append(one)
    if run:
        yield run


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
    found = ChunkReader(depot).chunks([piece[0] for piece in pieces])
    data = b"".join(found)
    first = pieces[0][1] if pieces else 0
    return data if (start, end) == (first, first + len(data)) else data[start - first : end - first]


def write_entries(
    depot: Depot,
    entries: Sequence[Entry],
    folder: Path,
    what: str,
    progress: Callable[[int], None] | None = None,
) -> None:
    """Write files into a folder. A file appears under its name when all of it is there and checked.

    Args:
        depot: that has them.
        entries: without references.
        folder: made when missing; files in it that are the same already are left alone.
        what: the version's name, for errors.
        progress: told the number of bytes of each piece that is done.

    Raises:
        NotFound, CorruptData: bytes that are gone or damaged.
        UsageError: a path that leads out of the folder.
        StoreError: the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    places = _places(folder, entries, what)
    reader = ChunkReader(depot)
    reader.locate({chunk_id for entry in entries for chunk_id, _ in entry.pieces()})
    tell = progress or _nothing
    try:
        with ThreadPoolExecutor(_THREADS, "treering-download") as pool:
            jobs: list[Future[None]] = []
            for batch in _small_batches(entries, places):
                # Threads help to wait for a network; on a disk they would only wait for each other.
                if depot.backend.remote:
                    jobs.append(pool.submit(_write_small, reader, batch, tell))
                else:
                    _write_small(reader, batch, tell)
            for entry, place in zip(entries, places, strict=True):
                if entry.size > _BATCH_BYTES:
                    _write_large(reader, entry, place, pool, tell)
            for job in jobs:
                job.result()
    except OSError as error:
        if isinstance(error, StoreError):
            raise
        raise StoreError(error.errno, f"{what} cannot be written to {folder}: {error.strerror}") from error


def _nothing(_size: int) -> None: ...


def _places(folder: Path, entries: Sequence[Entry], what: str) -> list[str]:
    root = os.path.realpath(folder)
    places: list[str] = []
    safe: set[str] = {root}
    for entry in entries:
        try:
            check_path(entry.path)
        except UsageError as error:
            raise UsageError(f"{what} cannot be written to {folder}: {error}") from None
        place = os.path.join(root, *entry.path.split("/"))
        parent = os.path.dirname(place)
        if parent not in safe:
            real = os.path.realpath(parent)
            if real != root and not real.startswith(root + os.sep):
                raise UsageError(
                    f"{entry.path!r} of {what} would be written to {real}, out of {folder}, through a link"
                )
            os.makedirs(parent, exist_ok=True)
            safe.add(parent)
        places.append(place)
    return places


def _part(place: str) -> str:
    folder, name = os.path.split(place)
    return os.path.join(folder, f".{name[:200]}.treering-part")


def _small_batches(entries: Sequence[Entry], places: Sequence[str]) -> Iterator[list[tuple[Entry, str]]]:
    batch: list[tuple[Entry, str]] = []
    size = 0
    for entry, place in zip(entries, places, strict=True):
        if entry.size > _BATCH_BYTES:
            continue
        batch.append((entry, place))
        size += entry.size
        if size >= _BATCH_BYTES or len(batch) >= 1000:  # noqa: PLR2004  # files at once
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _write_small(reader: ChunkReader, batch: list[tuple[Entry, str]], tell: Callable[[int], None]) -> None:
    batch = [(entry, place) for entry, place in batch if not _is_there(entry, place, tell)]
    ids = [chunk_id for entry, _ in batch for chunk_id, _ in entry.pieces()]
    found = dict(zip(ids, reader.chunks(ids), strict=True))
    for entry, place in batch:
        part = _part(place)
        with open(part, "wb", buffering=0) as file:
            file.writelines(found[chunk_id] for chunk_id, _ in entry.pieces())
        os.replace(part, place)
        tell(entry.size)


def _is_there(entry: Entry, place: str, tell: Callable[[int], None]) -> bool:
    """Tell whether a file is there with the same content, so that a download goes on where it was interrupted."""
    try:
        known = os.lstat(place)
        if not stat.S_ISREG(known.st_mode) or known.st_size != entry.size:
            return False
        with open(place, "rb", buffering=0) as file:
            for chunk_id, size in entry.pieces():
                if blake3(file.read(size)).digest() != chunk_id:
                    return False
    except OSError:
        return False
    tell(entry.size)
    return True


def _write_large(
    reader: ChunkReader, entry: Entry, place: str, pool: ThreadPoolExecutor, tell: Callable[[int], None]
) -> None:
    if _is_there(entry, place, tell):
        return
    part = _part(place)
    batches = list(_batches(entry))
    with open(part, "r+b" if os.path.exists(part) else "w+b", buffering=0) as file:
        file.truncate(entry.size)

        def work(batch: tuple[int, list[tuple[bytes, int]]]) -> None:
            start, pieces = batch
            if not _holds(file.fileno(), start, pieces):
                at = start
                for data in reader.chunks([chunk_id for chunk_id, _ in pieces]):
                    _write_at(file.fileno(), data, at)
                    at += len(data)
            tell(sum(size for _, size in pieces))

        list(pool.map(work, batches))
    os.replace(part, place)


def _batches(entry: Entry) -> Iterator[tuple[int, list[tuple[bytes, int]]]]:
    start = at = 0
    batch: list[tuple[bytes, int]] = []
    for chunk_id, size in entry.pieces():
        batch.append((chunk_id, size))
        at += size
        if at - start >= _BATCH_BYTES // 2:
            yield start, batch
            start, batch = at, []
    if batch:
        yield start, batch


def _holds(descriptor: int, start: int, pieces: list[tuple[bytes, int]]) -> bool:
    """Tell whether an interrupted download has left these chunks; a hole in the file is no chunk."""
    if not hasattr(os, "SEEK_DATA"):
        return False
    try:
        if os.lseek(descriptor, start, os.SEEK_DATA) >= start + pieces[0][1]:
            return False
    except OSError:  # nothing but a hole behind it
        return False
    for chunk_id, size in pieces:
        if blake3(os.pread(descriptor, size, start)).digest() != chunk_id:
            return False
        start += size
    return True


_seeking = threading.Lock()


def _write_at(descriptor: int, data: memoryview, start: int) -> None:
    if not hasattr(os, "pwrite"):  # Windows
        with _seeking:
            os.lseek(descriptor, start, os.SEEK_SET)
            os.write(descriptor, data)
        return
    view = data
    while view:
        written = os.pwrite(descriptor, view, start)
        view = view[written:]
        start += written
