"""The journal: a crash-proof buffer between the training loop and everything else.

A journal is a folder of segments, each a preallocated file mapped into memory. A record is two words of 8 bytes, the
xxh3 hash of its bytes and their length, then the bytes, padded to 8. The length is stored last and in one
instruction, so a reader sees the record whole or not at all, and once `append` has returned the kernel owns the
record: `kill -9`, the OOM killer and a segfault of this process cannot take it back.

The thread that appends and the thread that reads share no lock. Only appenders wait for each other.
"""

from __future__ import annotations

import contextlib
import errno
import mmap
import os
import sys
import threading
import time
from typing import TYPE_CHECKING, NamedTuple

from xxhash import xxh3_64_intdigest

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "SEGMENT_BYTES",
    "ClosedJournal",
    "Journal",
    "JournalClosed",
    "JournalFull",
    "Page",
    "Position",
    "Segment",
    "read_segment",
    "segments_in",
]

SEGMENT_BYTES = 16 << 20
_HEADER = b"treering-journal"  # 16 bytes, then records
_START = len(_HEADER)
#: Stored in place of a length: this segment holds no further record.
_END = 2**64 - 1
# Pages are faulted in this many bytes at a time, since a fault in the middle of `append` costs 5 us and a
# bulk one 1 us a page.
_STRIDE = 256 << 10
# After the journal could not grow, appenders do not try again for so long.
_FULL_S = 0.1
_POPULATE_WRITE = 23  # MADV_POPULATE_WRITE, Linux 5.14; not named by the mmap module


class JournalFull(OSError):  # noqa: N818  # a state more than an error
    """The journal may not or cannot grow: its limit, or the disk."""


class JournalClosed(ValueError):  # noqa: N818  # a state more than an error
    """The journal takes no more records."""


class Position(NamedTuple):
    """A place between two records."""

    segment: int
    offset: int


class Page(NamedTuple):
    """Records that follow each other in one segment.

    Attributes:
        records: their bytes, copied.
        end: the position behind the last of them.
        damage: why reading stopped there, in words; "" where it simply was the end or enough.
    """

    records: list[bytes]
    end: Position
    damage: str = ""


class Segment:
    """One mapped file.

    Args:
        path: the file; its stem is the segment's number.
        size: bytes to preallocate for a new file; None maps an existing one to read it.
    """

    def __init__(self, path: Path, size: int | None = None) -> None:
        self.path = path
        self.number = int(path.stem)
        flags = os.O_RDWR | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
        if size is not None:
            flags |= os.O_CREAT | os.O_EXCL
        descriptor = os.open(path, flags, 0o600)
        try:
            if size is not None:
                _allocate(descriptor, size)
            self.size = os.fstat(descriptor).st_size
            if self.size % 8 or not self.size:
                raise ValueError(f"{self.size} bytes are no segment")
            self.map = mmap.mmap(descriptor, self.size)
        except BaseException:
            if size is not None:
                # Half a segment is of no use, and on a full disk its blocks are wanted elsewhere.
                with contextlib.suppress(OSError):
                    path.unlink()
            raise
        finally:
            os.close(descriptor)
        if size is not None:
            self.map[:_START] = _HEADER
        self.words = memoryview(self.map).cast("Q")
        self.ready = 0
        self.populate()

    def populate(self) -> None:
        """Fault in the next stride of pages, where the system can; `ready` is the end of what may be written."""
        start = self.ready
        self.ready = min(start + _STRIDE, self.size)
        if sys.platform == "linux":
            with contextlib.suppress(OSError):
                self.map.madvise(_POPULATE_WRITE, start, self.ready - start)

    def give_back(self, end: int) -> None:
        """Let the pages before `end` leave this process's memory; they stay the kernel's, and the file's."""
        end &= ~(_STRIDE - 1)
        if end and sys.platform == "linux":
            with contextlib.suppress(OSError, ValueError):
                self.map.madvise(mmap.MADV_DONTNEED, 0, end)

    def close(self, *, unlink: bool = False) -> None:
        """Unmap, and delete the file when asked."""
        self.words.release()
        # A reader's slice may still be alive for a moment; the map then goes with it.
        with contextlib.suppress(BufferError):
            self.map.close()
        if unlink:
            with contextlib.suppress(OSError):
                self.path.unlink()


def _allocate(descriptor: int, size: int) -> None:
    """Reserve blocks, so that a full disk is an error here and never a SIGBUS at a later store."""
    allocate = getattr(os, "posix_fallocate", None)
    if allocate is None:  # macOS, Windows: reserve by writing
        block = bytes(1 << 20)
        for start in range(0, size, len(block)):
            os.write(descriptor, block[: size - start])
        return
    try:
        allocate(descriptor, 0, size)
    except OSError as error:
        if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):
            raise
        os.ftruncate(descriptor, size)


class Journal:
    """The appending end.

    Args:
        folder: made if missing; its segments must be numbered below `first_segment`.
        first_segment: number of the first segment to write.
        limit_bytes: bound on the bytes of all live segments together.
        segment_bytes: size of a segment, less where the limit would not hold four; a larger record gets one of its
            own size.
        lock: of the journal that this one goes on from, whose appenders may be waiting for it.

    Raises:
        OSError: the first segment cannot be made (disk full, read-only folder).
    """

    def __init__(
        self,
        folder: Path,
        *,
        first_segment: int = 1,
        limit_bytes: int = 1 << 30,
        segment_bytes: int = SEGMENT_BYTES,
        lock: threading.RLock | None = None,
    ) -> None:
        self.folder = folder
        self.segment_bytes = min(segment_bytes, max(limit_bytes // 4 & ~4095, 4096))
        self.limit_bytes = limit_bytes
        # Reentrant, since a signal handler or a __del__ may log while this thread is logging.
        self.lock = threading.RLock() if lock is None else lock
        folder.mkdir(parents=True, exist_ok=True)
        self._closed = False
        self._full_until_s = 0.0
        self._segments = [Segment(_segment_path(folder, first_segment), self.segment_bytes)]
        self._spare: Segment | None = None
        self._use(self._segments[0])

    def _use(self, segment: Segment) -> None:
        self._map, self._words = segment.map, segment.words
        self._room = segment.ready - 16
        self._position = _START

    def append(self, data: bytes) -> None:
        """Add one record; the caller holds `lock`.

        Raises:
            JournalFull: no room; nothing was added.
        """
        start = self._position
        end = start + 16 + len(data)
        if end > self._room:
            start = self._make_room(len(data))
            end = start + 16 + len(data)
        self._map[start + 16 : end] = data
        start >>= 3
        self._words[start] = xxh3_64_intdigest(data)
        # The next two statements call nothing, so no signal handler (Ctrl-C) can come between them and
        # leave a committed record at a place that is written again.
        self._words[start + 1] = len(data)
        self._position = (end + 7) & ~7

    def _make_room(self, length: int) -> int:
        """Fault in more of the segment, or go on to a new one; returns where the record of `length` bytes goes."""
        if self._closed:
            raise JournalClosed("the journal is closed")
        segment = self._segments[-1]
        needed = self._position + 16 + length
        if needed > segment.size - 16:
            self._grow(length)
            segment = self._segments[-1]
            needed = self._position + 16 + length
        while needed > segment.ready - 16:
            segment.populate()
        self._room = segment.ready - 16
        return self._position

    def _grow(self, length: int) -> None:
        size = max(self.segment_bytes, (length + 64 + 4095) & ~4095)
        segment, self._spare = self._spare, None
        if segment is not None and segment.size < size:
            segment.close(unlink=True)
            segment = None
        if segment is None:
            # A training that goes on with a full disk must not ask for room, which takes a millisecond, in every row.
            if time.monotonic() < self._full_until_s:
                raise JournalFull(errno.ENOSPC, "journal cannot grow")
            try:
                segment = self._new_segment(size)
            except JournalFull:
                self._full_until_s = time.monotonic() + _FULL_S
                raise
        self._segments.append(segment)
        # A reader goes on to the next segment when it meets this word.
        self._words[(self._position >> 3) + 1] = _END
        self._segments[-2].give_back(self._segments[-2].size)
        self._use(segment)

    def _new_segment(self, size: int) -> Segment:
        if self.size_bytes() + size > self.limit_bytes:
            raise JournalFull(errno.ENOSPC, f"journal is at its limit of {self.limit_bytes >> 20} MiB")
        try:
            return Segment(_segment_path(self.folder, self._segments[-1].number + 1), size)
        except OSError as error:
            raise JournalFull(error.errno, f"journal cannot grow: {error.strerror}") from error

    def prepare(self) -> None:
        """Make pages and the next segment ready before they are needed; called now and then by the reading thread."""
        # Not waited for: a signal handler may be waiting for this thread while it holds the lock.
        if not self.lock.acquire(blocking=False):
            return
        try:
            if self._closed:
                return
            segment = self._segments[-1]
            if self._room - self._position < _STRIDE // 2 and segment.ready < segment.size:
                segment.populate()
                self._room = segment.ready - 16
            if self._spare is not None or self._position < segment.size // 2:
                return
            with contextlib.suppress(JournalFull):  # the appender will meet it, and says so
                self._spare = self._new_segment(self.segment_bytes)
        finally:
            self.lock.release()

    def restore_folder(self) -> None:
        """Go on in a new segment after the folder was deleted: the old ones have no name to be found by."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with self.lock, contextlib.suppress(JournalFull):
            if self._closed:
                return
            if self._spare is not None:
                self._spare.close()
                self._spare = None
            self._grow(0)

    def size_bytes(self) -> int:
        """Return the bytes that all live segments take."""
        return sum(segment.size for segment in self._segments) + (self._spare.size if self._spare else 0)

    def position(self) -> Position:
        """Return the place behind the last record; not for the reading thread, which must never wait."""
        if self._closed:  # nothing moves any more, and appenders may hold the lock while they wait for the end
            return Position(self._segments[-1].number, self._position)
        with self.lock:
            return Position(self._segments[-1].number, self._position)

    def read(self, start: Position, limit_bytes: int) -> Page:
        """Return records from `start` on, about `limit_bytes` of them; for the reading thread, without a lock."""
        for segment in list(self._segments):
            if segment.number >= start.segment:
                offset = start.offset if segment.number == start.segment else _START
                page = read_segment(segment, offset, limit_bytes, check=False)
                if page.records:
                    return page
        return Page([], start)

    def release(self, position: Position) -> None:
        """Let go of what lies before `position`, since it is safe elsewhere: whole segments are deleted."""
        while self._segments[0].number < position.segment:
            self._segments.pop(0).close(unlink=True)
        if self._segments[0].number == position.segment:
            self._segments[0].give_back(position.offset)

    def disable(self) -> None:
        """Take no more records, without touching the files."""
        self._closed = True
        self._room = -1

    def seal(self) -> None:
        """Take no more records; those that are there can still be read."""
        with self.lock:
            self.disable()

    def close(self, *, delete: bool) -> None:
        """Unmap everything once it is sealed; delete the files when their records are safe elsewhere."""
        if not self._closed:
            self.seal()
        segments = [*self._segments, *([self._spare] if self._spare else [])]
        self._spare = None
        for segment in segments:
            segment.close(unlink=delete or segment.number > self._segments[-1].number)


class ClosedJournal(Journal):
    """A journal that takes nothing, for runs that record nothing."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self._position = _START
        self.disable()


def _segment_path(folder: Path, number: int) -> Path:
    return folder / f"{number:08d}.journal"


def segments_in(folder: Path) -> list[Path]:
    """Return the segment files of a folder in order."""
    return sorted(path for path in folder.glob("*.journal") if path.stem.isdigit())


def read_segment(segment: Segment, offset: int = _START, limit_bytes: int = 1 << 62, *, check: bool = True) -> Page:
    """Return the records of one segment from `offset` on, up to the first empty word, to damage, or to enough.

    Args:
        segment: mapped.
        offset: behind the last record already read.
        limit_bytes: how much is enough.
        check: compare checksums; the living process that wrote the records need not.
    """
    found: list[bytes] = []
    offset = max(offset, _START)
    if segment.map[:_START] != _HEADER:
        # All zeros: killed between making the file and writing its first bytes.
        damage = "it does not begin as a journal does" if any(segment.map[:_START]) else ""
        return Page(found, Position(segment.number, offset), damage)
    words, mapped, size = segment.words, segment.map, segment.size
    stop, damage = min(size - 16, offset + limit_bytes), ""
    while offset <= stop:
        length = words[(offset >> 3) + 1]
        if length in (0, _END):
            break
        end = offset + 16 + length
        if end > size:
            damage = f"at byte {offset}: a record of {length} bytes does not fit"
            break
        data = mapped[offset + 16 : end]
        if check and xxh3_64_intdigest(data) != words[offset >> 3]:
            damage = f"at byte {offset}: a record of {length} bytes does not match its checksum"
            break
        found.append(data)
        offset = (end + 7) & ~7
    return Page(found, Position(segment.number, offset), damage)


if sys.byteorder == "big":  # pragma: no cover - no such machine at hand
    raise ImportError("treering's journal supports little-endian machines only")
