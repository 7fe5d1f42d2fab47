"""Chunks on their way over the network.

One after another: id (32 bytes), size, stored size (4 bytes each, little endian), then the bytes, behind zstd where the
stored size is the smaller one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from blake3 import blake3

from treering.artifacts.cutting import MAX_CHUNK
from treering.errors import CorruptData
from treering.zstd import Packer, ZstdError, announced, unpack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["frame_chunk", "read_frames"]

_ID = 32
_HEAD = _ID + 8
_LEVEL = 1
_SAMPLE = 16 << 10
_WORTH = 0.9


def frame_chunk(chunk_id: bytes, data: memoryview) -> list[bytes | memoryview]:
    """Return the parts of one chunk's frame."""
    packed: bytes | memoryview = data
    compressor = Packer(_LEVEL)
    trial = data[:_SAMPLE]
    if len(compressor.pack(trial)) < _WORTH * len(trial):
        tried = compressor.pack(data)
        packed = tried if len(tried) < len(data) else data
    head = chunk_id + len(data).to_bytes(4, "little") + len(packed).to_bytes(4, "little")
    return [head, packed]


def read_frames(read: Callable[[int], bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Yield (id, bytes) of each chunk, checked; never more than one of them is in memory.

    Args:
        read: returns the next so many bytes, fewer only at the end.

    Raises:
        CorruptData: these are no frames, or a chunk is not what its id says.
    """
    while head := read(_HEAD):
        size = int.from_bytes(head[_ID : _ID + 4], "little")
        stored = int.from_bytes(head[_ID + 4 :], "little")
        if len(head) != _HEAD or not 0 < size <= MAX_CHUNK or not 0 < stored <= size:
            raise CorruptData("a chunk is announced that no file has")
        data = read(stored)
        if len(data) != stored:
            raise CorruptData("the last chunk is cut off")
        if stored < size:
            data = _unpacked(data, size)
        if blake3(data).digest() != head[:_ID]:
            raise CorruptData(f"chunk {head[:6].hex()} does not match its digest")
        yield head[:_ID], data


def _unpacked(data: bytes, size: int) -> bytes:
    try:
        # Room is made for what a frame says that it unpacks to, so that is looked at first.
        if announced(data) != size:
            raise CorruptData("a chunk unpacks to another size than it says")
        return unpack(data, size)
    except ZstdError as error:
        raise CorruptData(f"a chunk cannot be unpacked: {error}") from None
