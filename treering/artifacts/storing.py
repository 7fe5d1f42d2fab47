"""Storing bytes: cut, hash, leave out what is there, pack the rest.

Two threads share the work, the one that reads, cuts and hashes and one that packs and writes; both spend nearly all of
their time outside of Python's lock.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from blake3 import blake3

from treering.artifacts import index
from treering.artifacts.coding import compress
from treering.artifacts.cutting import MAX_CHUNK, cut
from treering.artifacts.manifest import Entry, file_digest
from treering.artifacts.packs import PACK_BYTES, PackFile
from treering.artifacts.rechecking import recheck
from treering.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from typing_extensions import Self

    from treering.artifacts.depot import Depot

__all__ = ["Storing"]

# Read at once: little enough that it is hashed and written while it is still in the processor's cache.
_BLOCK = 2 << 20
_BLOCKS = 3
_SMALL_FILES, _SMALL_BYTES = 2048, 8 << 20
_UPLOADS = 3
# Packs in a folder are entered so often before the commit: each time costs a wait for the disk, and saves writing them
# again after a crash. Those that went over a network are entered as they arrive.
_ENTER_S = 10.0
#: Objects younger than this that no row names may be about to get one; a collection leaves them alone.
GRACE_S = 3600.0


_Result = TypeVar("_Result")


class _Finished(NamedTuple):
    pack: PackFile
    put_s: float


class _Workers(ThreadPoolExecutor):
    """Threads that work; when Python ends, and threads take nothing new, whoever has work does it himself."""

    def submit(self, fn: Callable[..., _Result], /, *args: Any, **kwargs: Any) -> Future[_Result]:
        try:
            return super().submit(fn, *args, **kwargs)
        except RuntimeError:
            if self._shutdown:  # it is not Python that ends
                raise
        future: Future[_Result] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # as in a thread: whoever asks for the result gets it
            future.set_exception(error)
        return future


class Storing:
    """One save: put files in, then commit a version in a transaction that calls `enter`; a context manager.

    Args:
        depot: where to.
        pack_bytes: a pack is finished when it has so many.
        helped: told by the thread that packs what processor time each piece has taken it, in seconds.
    """

    def __init__(
        self, depot: Depot, *, pack_bytes: int = PACK_BYTES, helped: Callable[[float], None] | None = None
    ) -> None:
        self.depot = depot
        recheck(depot)
        self.epoch = index.epoch(depot.database)
        #: Bytes that this save has added to packs.
        self.stored = 0
        #: Bytes read so far, for progress.
        self.read = 0
        self._pack_bytes = pack_bytes
        self._pack: PackFile | None = None
        self._written: set[bytes] = set()
        self._finished: list[_Finished] = []
        self._uploads: deque[Future[_Finished]] = deque()
        self._names: list[str] = []
        self._entered_s = time.monotonic()
        self._blocks: deque[Future[None]] = deque()
        self._worker = _Workers(1, "treering-pack")
        self._helped = helped
        self._uploader = _Workers(_UPLOADS, "treering-upload") if depot.backend.remote else None
        self._small: list[memoryview] = []
        self._small_bytes = 0
        self._small_done: list[Callable[[bytes], None]] = []
        self._spare: deque[bytearray] = deque()
        self._lock = threading.Lock()

    # -- putting in ---------------------------------------------------------------------------------------------------

    def add(self, read_into: Callable[[memoryview], int]) -> Entry:
        """Store one file and return its entry, with no path yet.

        Args:
            read_into: fills a buffer from where it has got to, and returns the number of bytes, 0 at the end.

        Raises:
            OSError: it cannot be read, or not be stored.
        """
        ids: list[bytes] = []
        sizes: list[int] = []
        kept = 0
        buffer = self._buffer()
        total = 0
        while True:
            view = memoryview(buffer)
            filled, ends = _fill(view, kept, read_into)
            total += filled - kept
            self.read += filled - kept
            chunks = cut(view[:filled], ends=ends)
            used = sum(map(len, chunks))
            following = None if ends else self._buffer()
            if following is not None:
                kept = filled - used
                following[:kept] = view[used:filled]
            sizes += map(len, chunks)
            found = [blake3(chunk).digest() for chunk in chunks]
            ids += found
            self._submit(found, chunks, buffer)
            if following is None:
                break
            buffer = following
        self._drain()
        if len(ids) > 1:
            packed = b"".join(size.to_bytes(4, "little") for size in sizes)
            return Entry("", total, file_digest(ids), b"".join(ids), packed)
        return Entry("", total, ids[0] if ids else blake3(b"").digest())

    def add_small(self, data: memoryview, done: Callable[[bytes], None]) -> None:
        """Store a file of one chunk at most; `done` gets its id later, at the latest in `settle`.

        Args:
            data: its bytes, at least one, which must not change; at most the size of the smallest chunk.
            done: called on another thread.
        """
        self._small.append(data)
        self._small_done.append(done)
        self._small_bytes += len(data)
        self.read += len(data)
        if self._small_bytes >= _SMALL_BYTES or len(self._small) >= _SMALL_FILES:
            self._submit_small()

    def _submit_small(self) -> None:
        chunks, done = self._small, self._small_done
        self._small, self._small_done, self._small_bytes = [], [], 0

        def work() -> None:
            ids = [blake3(chunk).digest() for chunk in chunks]
            self._take(ids, chunks)
            for chunk_id, tell in zip(ids, done, strict=True):
                tell(chunk_id)

        self._queue(work)

    def settle(self) -> None:
        """Wait until everything put in so far is hashed and on its way into a pack."""
        if self._small:
            self._submit_small()
        self._drain()

    def _buffer(self) -> bytearray:
        with self._lock:
            return self._spare.pop() if self._spare else bytearray(_BLOCK + MAX_CHUNK)

    def _submit(self, ids: list[bytes], chunks: list[memoryview], buffer: bytearray) -> None:
        def work() -> None:
            self._take(ids, chunks)
            chunks.clear()
            with self._lock:
                self._spare.append(buffer)

        self._queue(work)

    def _queue(self, work: Callable[[], None]) -> None:
        while len(self._blocks) >= _BLOCKS:
            self._blocks.popleft().result()
        self._blocks.append(self._worker.submit(self._counted, work))

    def _drain(self) -> None:
        while self._blocks:
            self._blocks.popleft().result()

    # -- on the worker ------------------------------------------------------------------------------------------------

    def _counted(self, work: Callable[[], None]) -> None:
        start_s = time.thread_time()
        work()
        if self._helped is not None:
            self._helped(time.thread_time() - start_s)

    def _take(self, ids: list[bytes], chunks: list[memoryview]) -> None:
        asked = {one for one in ids if one not in self._written}
        there = index.known(self.depot.database, asked) if asked else set[bytes]()
        try:
            for chunk_id, chunk in zip(ids, chunks, strict=True):
                if chunk_id not in there and chunk_id not in self._written:
                    self._write(chunk_id, chunk)
            if self._pack is not None:
                self._pack.flush()  # the chunks' memory is used again
        except StoreError:
            raise
        except OSError as error:
            raise StoreError(
                error.errno, f"no pack can be written below {self.depot.scratch}: {error.strerror}"
            ) from error

    def _write(self, chunk_id: bytes, chunk: memoryview) -> None:
        codec, data = compress(chunk)
        if self._pack is None:
            self._pack = PackFile(self.depot.scratch / "incoming" / f"{os.urandom(8).hex()}.pack")
        self._pack.add(chunk_id, len(chunk), codec, data)
        self._written.add(chunk_id)
        self.stored += memoryview(data).nbytes
        if self._pack.size >= self._pack_bytes:
            self._finish_pack()
            self._enter_finished()

    def _finish_pack(self) -> None:
        pack, self._pack = self._pack, None
        if pack is None:
            return
        try:
            pack.close()
            if self._uploader is None:
                self._finished.append(self._put(pack))
                return
        except BaseException:
            pack.abandon()
            raise
        while len(self._uploads) >= _UPLOADS:
            self._finished.append(self._uploads.popleft().result())
        self._uploads.append(self._uploader.submit(self._put, pack))

    def _put(self, pack: PackFile) -> _Finished:
        try:
            self.depot.backend.put(self.depot.key(pack.name), pack.path)
        except BaseException:
            pack.abandon()
            raise
        return _Finished(pack, time.time())

    def _enter_finished(self) -> None:
        """Enter packs that are there, so that a save that is interrupted need not send them again."""
        while self._uploads and self._uploads[0].done():
            self._finished.append(self._uploads.popleft().result())
        if self._finished and (self._uploader is not None or time.monotonic() - self._entered_s > _ENTER_S):
            self._entered_s = time.monotonic()
            with self.depot.database.transaction():
                self.enter()

    # -- the end ------------------------------------------------------------------------------------------------------

    def flush(self) -> None:
        """Finish the last pack and wait until all are where they belong.

        Raises:
            StoreError: one of them cannot be written there.
        """
        self.settle()
        self._worker.submit(self._finish_pack).result()
        while self._uploads:
            self._finished.append(self._uploads.popleft().result())

    def enter(self) -> None:
        """Enter finished packs into the index; inside a transaction, after `flush` for all of them."""
        database, backend = self.depot.database, self.depot.backend
        for pack, put_s in self._finished:
            # A machine that was asleep for long: a collection may have taken the object for a left-over.
            if time.time() - put_s > GRACE_S / 2 and backend.size(self.depot.key(pack.name)) != pack.size:
                raise StoreError(f"pack {pack.name} vanished before it was entered; save again")
            index.insert_pack(database, pack.name, pack.size, pack.chunks, synced=backend.durable)
            self._names.append(pack.name)
        self._finished = []

    def sync(self) -> None:
        """Make what was stored survive a loss of power; after the commit, since nobody needs to wait for it."""
        backend = self.depot.backend
        if self._names and not backend.durable:
            backend.sync([self.depot.key(name) for name in self._names])
            index.mark_synced(self.depot.database, self._names)
        self._names = []

    def close(self) -> None:
        """Stop; a pack that is not finished is thrown away, and those that are need not be sent again."""
        self._worker.shutdown(cancel_futures=True)
        if self._uploader is not None:
            self._uploader.shutdown(cancel_futures=True)
        if self._pack is not None:
            with contextlib.suppress(OSError):
                self._pack.abandon()
            self._pack = None
        self._enter_left()

    def _enter_left(self) -> None:
        """Enter packs that are where they belong, although their save failed."""
        while self._uploads:
            upload = self._uploads.popleft()
            if not upload.cancelled() and upload.exception() is None:
                self._finished.append(upload.result())
        if self._finished:
            # What has stopped the save may stop this as well; its error is the one to tell, and gc clears such packs.
            with contextlib.suppress(StoreError, OSError), self.depot.database.transaction():
                self.enter()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()


def _fill(view: memoryview, start: int, read_into: Callable[[memoryview], int]) -> tuple[int, bool]:
    """Fill a buffer; returns how far, and whether the file has ended."""
    filled = start
    while filled < len(view):
        got = read_into(view[filled:])
        if not got:
            return filled, True
        filled += got
    return filled, False
