"""Cutting by content: the same bytes give the same chunks wherever they stand in a file."""

from __future__ import annotations

__all__ = ["MAX_CHUNK", "MIN_CHUNK", "cut"]

# Part of the format: with other figures the same content would be stored again, under other digests.
# No cut is looked for in the first three quarters of a chunk, which makes cutting three times as fast as with a smaller
# minimum and changes neither the mean (256 KiB) nor what an insertion makes new (230 KiB).
MIN_CHUNK = _AVERAGE = 192 << 10
MAX_CHUNK = 1 << 20


def cut(data: memoryview, *, ends: bool) -> list[memoryview]:
    """Return the chunks that data begins with.

    Args:
        data: a file's bytes from the beginning of a chunk on.
        ends: whether the file ends with them; else what follows the last sure cut is left out.
    """
    if len(data) <= MIN_CHUNK:
        return [data] if ends and len(data) else []
    from pyfastcdc import FastCDC

    # One for each call, since threads must not share one.
    cutter = FastCDC(_AVERAGE, min_size=MIN_CHUNK, max_size=MAX_CHUNK, normalized_chunking=2)
    chunks = [data[chunk.offset : chunk.offset + chunk.length] for chunk in cutter.cut_buf(data)]
    return chunks if ends else chunks[:-1]
