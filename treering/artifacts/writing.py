"""Writing versions into folders: a file appears under its name when all of it is there and checked."""

from __future__ import annotations

import errno
import os
import stat
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

from blake3 import blake3

from treering.artifacts.names import check_path
from treering.artifacts.pacing import processors
from treering.artifacts.reading import ChunkReader
from treering.errors import StoreError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from treering.artifacts.depot import Depot
    from treering.artifacts.manifest import Entry

__all__ = ["places_for", "write_entries"]

_BATCH_BYTES = 8 << 20
# What a thread reads, checks and writes at a time: little enough to stay in the processor's cache.
_PIECES_BYTES = 2 << 20
_PIECE_BYTES = 256 << 10
# Threads that wait for a network may be more than there are processors; others only get in each other's way.
_THREADS = 4


class _OfThread(threading.local):
    def __init__(self) -> None:
        self._memory = bytearray()

    def memory(self, size: int) -> memoryview:
        """Return memory that is the thread's until it asks again."""
        if len(self._memory) < size:
            self._memory = bytearray(size)
        return memoryview(self._memory)[:size]


_of_thread = _OfThread()


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
    places = places_for(folder, entries, what)
    reader = ChunkReader(depot)
    reader.locate({chunk_id for entry in entries for chunk_id, _ in entry.pieces()})
    tell = progress or _nothing
    try:
        threads = _THREADS if depot.backend.remote else min(_THREADS, processors())
        with ThreadPoolExecutor(threads, "treering-download") as pool:
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


def places_for(folder: Path, entries: Sequence[Entry], what: str) -> list[str]:
    """Return where files go below a folder; the folders that they are in are made.

    Raises:
        UsageError: a path that leads out of the folder, by itself or through a link that lies there.
    """
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
    begun = os.path.exists(part)
    with open(part, "r+b" if begun else "w+b", buffering=0) as file:
        _allocate(file.fileno(), entry.size)

        def work(batch: tuple[int, list[tuple[bytes, int]]]) -> None:
            start, pieces = batch
            size = sum(size for _, size in pieces)
            if not (begun and _holds(file.fileno(), start, pieces)):
                view = _of_thread.memory(size)
                reader.fill(pieces, view)
                _write_at(file.fileno(), view, start)
            tell(size)

        list(pool.map(work, _batches(entry)))
    os.replace(part, place)


def _allocate(descriptor: int, size: int) -> None:
    """Make a file as long as it will be; what is not written yet is a hole. Says at once when there is no room."""
    if hasattr(os, "posix_fallocate") and size:
        try:
            os.posix_fallocate(descriptor, 0, size)
        except OSError as error:
            if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
                raise
    os.truncate(descriptor, size)


def _batches(entry: Entry) -> Iterator[tuple[int, list[tuple[bytes, int]]]]:
    start = at = 0
    batch: list[tuple[bytes, int]] = []
    for chunk_id, size in entry.pieces():
        batch.append((chunk_id, size))
        at += size
        if at - start >= _PIECES_BYTES:
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
    while data:
        # In pieces of a moderate size, for the reason that `write_all` gives.
        written = os.pwrite(descriptor, data[:_PIECE_BYTES], start)
        data = data[written:]
        start += written
