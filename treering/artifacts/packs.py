r"""Packs: objects of about 64 MiB that hold many chunks.

    8 bytes    "TRPACK1\n"
    ...        chunks, one after another, each as its codec left it
    n bytes    index: MessagePack array of [id, offset, stored, size, codec]
    32 bytes   BLAKE3 of the index
    8 bytes    n, little-endian
    8 bytes    "TRPACK1\n"

The database repeats the index; the copy in the pack is what a lost database can be rebuilt from.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, NamedTuple

import msgspec
from blake3 import blake3

from treering.errors import CorruptData

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from typing_extensions import Buffer

__all__ = [
    "PACK_BYTES",
    "PackFile",
    "PackedChunk",
    "pack_key",
    "read_index",
    "write_all",
]

PACK_BYTES = 64 << 20
_MAGIC = b"TRPACK1\n"
_TAIL = 48
# A pack's file asks for so much room ahead.
_ALLOCATED_BYTES = 16 << 20
# What waits to be written at most: parts, bytes.
_AT_ONCE, _WAITING_BYTES = 512, 4 << 20
_PIECE_BYTES = 256 << 10


class PackedChunk(NamedTuple):
    """Where a chunk lies in a pack.

    Attributes:
        id: BLAKE3 of its bytes.
        offset: of its first stored byte in the pack.
        stored: bytes that it takes there.
        size: bytes that it has.
        codec: how it is stored; see `coding`.
    """

    id: bytes
    offset: int
    stored: int
    size: int
    codec: int


def pack_key(prefix: str, name: str) -> str:
    """Return the key of a pack's object."""
    return f"{prefix}/{name[:2]}/{name}.pack"


class PackFile:
    """A pack that is being written to a file; to be moved or sent away after `close`. One thread uses it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = os.urandom(16).hex()
        self.chunks: list[PackedChunk] = []
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("xb", buffering=0)
        self._waiting: list[Buffer] = [_MAGIC]
        self._waiting_bytes = self.size = len(_MAGIC)
        self._allocated = 0

    def add(self, chunk_id: bytes, size: int, codec: int, data: Buffer) -> None:
        """Append a chunk, whose bytes must not change before `flush`.

        Raises:
            OSError: the disk is full, or the like; `abandon` the pack.
        """
        stored = memoryview(data).nbytes
        self._waiting.append(data)
        self._waiting_bytes += stored
        self.chunks.append(PackedChunk(chunk_id, self.size, stored, size, codec))
        self.size += stored
        if len(self._waiting) >= _AT_ONCE or self._waiting_bytes >= _WAITING_BYTES:
            self.flush()

    def flush(self) -> None:
        """Write what has been added, so that its memory may be used for something else.

        Raises:
            OSError: as `add`.
        """
        if self.size > self._allocated and self.size > _ALLOCATED_BYTES // 4:
            self._allocate()
        waiting, self._waiting, self._waiting_bytes = self._waiting, [], 0
        write_all(self._file.fileno(), waiting)

    def _allocate(self) -> None:
        """Ask for room in large pieces: takes a third off the time of writing, and keeps the file in one piece."""
        ahead = self.size + _ALLOCATED_BYTES
        if hasattr(os, "posix_fallocate"):
            # Where there is no room for so much, there may be for what is written.
            with contextlib.suppress(OSError):
                os.posix_fallocate(self._file.fileno(), self._allocated, ahead - self._allocated)
        self._allocated = ahead

    def close(self) -> None:
        """Write the index and close the file."""
        index = msgspec.msgpack.encode(self.chunks)
        self._waiting.append(index + blake3(index).digest() + len(index).to_bytes(8, "little") + _MAGIC)
        self.size += len(index) + _TAIL
        self.flush()
        if self._allocated:
            self._file.truncate(self.size)
        self._file.close()

    def abandon(self) -> None:
        """Delete the file; harmless after `close` when it has been moved."""
        self._file.close()
        self.path.unlink(missing_ok=True)


def write_all(descriptor: int, parts: Sequence[Buffer]) -> None:
    """Write bytes one after another where a file stands.

    In pieces of a moderate size: for a megabyte at once some kernels look for as much memory in one piece, which takes
    three times as long as the copying.
    """
    together: list[memoryview] = []
    size = 0
    for part in parts:
        view = memoryview(part)
        while view.nbytes:
            piece, view = view[:_PIECE_BYTES], view[_PIECE_BYTES:]
            if together and (size + piece.nbytes > _PIECE_BYTES or len(together) == _AT_ONCE):
                _write_together(descriptor, together)
                together, size = [], 0
            together.append(piece)
            size += piece.nbytes
    _write_together(descriptor, together)


def _write_together(descriptor: int, parts: list[memoryview]) -> None:
    gathers = hasattr(os, "writev")  # not on Windows
    while parts:
        written = os.writev(descriptor, parts) if gathers and len(parts) > 1 else os.write(descriptor, parts[0])
        while parts and written >= parts[0].nbytes:
            written -= parts.pop(0).nbytes
        if written:
            parts[0] = parts[0][written:]


def read_index(size: int, read: Callable[[int, int], bytes], what: str) -> list[PackedChunk]:
    """Return the index at the end of a pack.

    Args:
        size: of the pack, in bytes.
        read: returns the bytes of (first byte, length).
        what: the pack's name, for errors.

    Raises:
        CorruptData: it is damaged.
    """
    tail = read(max(size - _TAIL, 0), _TAIL)
    length = int.from_bytes(tail[32:40], "little")
    if len(tail) != _TAIL or tail[40:] != _MAGIC or length > size - _TAIL - len(_MAGIC):
        raise CorruptData(f"{what} does not end as a pack does; it was cut off or overwritten")
    index = read(size - _TAIL - length, length)
    if blake3(index).digest() != tail[:32]:
        raise CorruptData(f"the index of {what} is damaged")
    return msgspec.msgpack.decode(index, type=list[PackedChunk])
