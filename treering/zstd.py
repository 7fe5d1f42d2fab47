"""zstd, from Python's own library or, before 3.14, from its backport.

Every frame made here says how much it holds, and only such frames are unpacked: what a hostile one claims is known
before memory is taken for it.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, cast

if sys.version_info >= (3, 14):
    from compression import zstd as _zstd
else:
    from backports import zstd as _zstd

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["Packer", "ZstdError", "announced", "pack", "unpack"]

ZstdError = _zstd.ZstdError


class Packer:
    """A compressor that is used again and again, which saves the time to make one. Each thread needs its own.

    Args:
        level: from 1, the fastest, to 19.
        planes: for numbers in which nothing repeats: hardly any search, and statistics of their own for each 16 KiB,
            since the numbers of two tensors in one piece have little in common.
    """

    def __init__(self, level: int, *, planes: bool = False) -> None:
        name = _zstd.CompressionParameter
        options: dict[int, int] = {name.compression_level: level}
        if planes:
            options |= {name.window_log: 14, name.hash_log: 6, name.min_match: 7}
        self._compressor = _zstd.ZstdCompressor(options=options)

    def pack(self, data: Buffer) -> bytes:
        """Return one frame that says how much it holds."""
        frame: bytes = self._compressor.compress(data, _zstd.ZstdCompressor.FLUSH_FRAME)
        return frame


def pack(data: Buffer, level: int) -> bytes:
    """Return one frame that says how much it holds."""
    return Packer(level).pack(data)


def announced(frame: Buffer) -> int:
    """Return how many bytes a frame says it holds.

    Raises:
        ZstdError: it does not say, or it is none.
    """
    size = cast("int | None", _zstd.get_frame_info(frame).decompressed_size)
    if size is None:
        raise ZstdError("the frame does not say how much it holds")
    return size


def unpack(frame: Buffer, most: int | None = None) -> bytes:
    """Return what one frame holds.

    Args:
        frame: one whole frame, nothing behind it.
        most: bytes that it may hold; None where it is from our own store.

    Raises:
        ZstdError: it is none, or cut off, or holds more or other than it says.
    """
    size = announced(frame)
    if most is not None and size > most:
        raise ZstdError(f"the frame says that it holds {size:,} bytes; {most:,} are allowed")
    decompressor = _zstd.ZstdDecompressor()
    # One byte more than it may hold: so the end of a frame that holds nothing is read, too.
    data: bytes = decompressor.decompress(frame, size + 1)
    if not decompressor.eof:
        raise ZstdError("the frame is cut off")
    if decompressor.unused_data:
        raise ZstdError("something follows the frame")
    return data
