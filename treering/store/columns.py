"""Chunks: the values of one column over a range of rows, as bytes.

The first byte of `data` names the encoding: raw little-endian 64-bit numbers (short chunks, where any codec's header
would cost more than it saves, and where NumPy need not be loaded), pcodec, or MessagePack, plain or behind zstd.
`rows` is absent when the chunk has a value in each row from its first to its last; otherwise it holds the distances
from `first_row`, encoded the same way. The checksum covers both.

pcodec is lossless down to the bits of a NaN, and needs about 3 bytes for a value of a training loss and none for
steps and regular row numbers.
"""

from __future__ import annotations

import sys
from array import array
from typing import TYPE_CHECKING, Any, NamedTuple

from treering.errors import CorruptData
from treering.store.values import NUMERIC, decode, encode

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    import numpy.typing as npt

    Rows = Sequence[int] | npt.NDArray[np.int64]
    Numbers = npt.NDArray[np.float64] | npt.NDArray[np.int64] | npt.NDArray[np.bool_]

__all__ = [
    "CHUNK_ROWS",
    "Chunk",
    "adopt_chunk",
    "as_numbers",
    "decode_chunk",
    "decode_into",
    "decode_numbers",
    "encode_chunks",
    "is_intact",
    "level_of",
    "merge_chunks",
]

#: A chunk holds at most this many values.
CHUNK_ROWS = 65_536
#: A level's chunks are merged this many at a time, so a value is rewritten at most log16(65536) = 4 times.
FAN_IN = 16
FULL_LEVEL = 4

_RAW, _PCO, _MSGPACK, _MSGPACK_ZSTD = range(4)
# Shorter sequences are raw, and are handled without NumPy.
_SHORT = 64
# Fewer bytes than this are not worth zstd's header.
_WORTH_PACKING = 256
_ARRAY_CODE = {"float64": "d", "int64": "q"}
_INT64_MIN, _INT64_MAX = -(2**63), 2**63 - 1


class Chunk(NamedTuple):
    """One row of the table `chunks`, less its column.

    Attributes:
        minimum: smallest finite or infinite number, NaN left out; None where there is none or the kind has no order.
        rows: None when contiguous; see the module.
        checksum: xxh3 of `rows` and `data`, as a signed 64-bit integer.
    """

    first_row: int
    last_row: int
    count: int  # type: ignore[assignment]  # hides tuple.count, which nobody asks of a chunk
    kind: str
    level: int
    minimum: float | None
    maximum: float | None
    nan_count: int
    rows: bytes | None
    data: bytes
    checksum: int


def level_of(count: int) -> int:
    """Return the merge level of a chunk of `count` values: floor(log16), at most `FULL_LEVEL`."""
    return min((count.bit_length() - 1) // 4, FULL_LEVEL)


def encode_chunks(kind: str, rows: Rows, values: Sequence[Any] | Numbers) -> Iterator[Chunk]:
    """Cut `values` into chunks of at most `CHUNK_ROWS` and encode them.

    Args:
        kind: kind of every value.
        rows: ascending row numbers, one a value: a `range` where they are contiguous (the cheap case), else a list
            or an integer array.
        values: as many; a list, or an array of the kind's type.
    """
    for start in range(0, len(rows), CHUNK_ROWS):
        yield _encode(kind, rows[start : start + CHUNK_ROWS], values[start : start + CHUNK_ROWS])


def as_numbers(kind: str, values: Sequence[Any]) -> Sequence[Any] | Numbers:
    """Return many numbers as an array, so that each further step need not make one; anything else as it is."""
    if kind not in _ARRAY_CODE or len(values) < _SHORT:
        return values
    import numpy as np

    return np.array(values, dtype=kind)


def _encode(kind: str, rows: Rows, values: Sequence[Any] | Numbers) -> Chunk:
    first, last, count = int(rows[0]), int(rows[-1]), len(rows)
    contiguous = last - first + 1 == count
    row_bytes = None if contiguous else _encode_numbers("int64", _distances(rows, first))
    data = _encode_numbers(kind, values) if kind in _ARRAY_CODE else _encode_objects(values)
    return adopt_chunk(kind, (first, last), values, row_bytes, data)


def adopt_chunk(
    kind: str, span: tuple[int, int], values: Sequence[Any] | Numbers, row_bytes: bytes | None, data: bytes
) -> Chunk:
    """Return the chunk that holds what is encoded already.

    Args:
        kind: kind of every value.
        span: its first and its last row.
        values: what `data` decodes to.
        row_bytes: None where it has a value in each row.
        data: as a chunk has it.
    """
    (first, last), count = span, len(values)
    minimum, maximum, nan_count = _extremes(kind, values)
    checksum = _checksum(row_bytes, data)
    return Chunk(first, last, count, kind, level_of(count), minimum, maximum, nan_count, row_bytes, data, checksum)


def _checksum(row_bytes: bytes | None, data: bytes) -> int:
    import xxhash

    return xxhash.xxh3_64_intdigest((row_bytes or b"") + data) - 2**63


def is_intact(chunk: Chunk) -> bool:
    """Tell whether the bytes of a chunk are what was written."""
    return _checksum(chunk.rows, chunk.data) == chunk.checksum


def _distances(rows: Rows, first: int) -> Rows:
    if len(rows) < _SHORT:
        return [int(row) - first for row in rows]
    import numpy as np

    return np.asarray(rows, dtype=np.int64) - first


def _extremes(kind: str, values: Sequence[Any] | Numbers) -> tuple[float | None, float | None, int]:
    if kind not in NUMERIC:
        return None, None, 0
    if isinstance(values, (list, tuple)) and len(values) < _SHORT:
        numbers = [value for value in values if value == value]  # noqa: PLR0124  # drops NaN
        if not numbers:
            return None, None, len(values)
        return float(min(numbers)), float(max(numbers)), len(values) - len(numbers)
    import numpy as np

    array_ = np.asarray(values)
    if kind == "float64":
        lowest = float(array_.min())
        if lowest == lowest:  # noqa: PLR0124  # no NaN, which min() would have returned
            return lowest, float(array_.max()), 0
        array_ = array_[~np.isnan(array_)]
        if not len(array_):
            return None, None, len(values)
        return float(array_.min()), float(array_.max()), len(values) - len(array_)
    return float(array_.min()), float(array_.max()), 0


def _encode_numbers(kind: str, values: Sequence[Any] | Numbers) -> bytes:
    if len(values) < _SHORT:
        raw = array(_ARRAY_CODE[kind], values if isinstance(values, (list, tuple, range)) else values.tolist())  # type: ignore[union-attr]  # an array
        if sys.byteorder == "big":
            raw.byteswap()
        return bytes((_RAW,)) + raw.tobytes()
    import numpy as np
    from pcodec import ChunkConfig, standalone

    numbers = np.ascontiguousarray(values, dtype=kind)
    # Level 8, the default, costs four times the time for 0.7 % fewer bytes of a training's losses.
    return bytes((_PCO,)) + standalone.simple_compress(numbers, ChunkConfig(compression_level=4))


def _encode_objects(values: Sequence[Any] | Numbers) -> bytes:
    plain = encode(values if isinstance(values, (list, tuple)) else values.tolist())  # type: ignore[union-attr]  # an array
    if len(plain) > _WORTH_PACKING:
        from treering.zstd import pack

        packed = pack(plain, 3)
        if len(packed) < len(plain):
            return bytes((_MSGPACK_ZSTD,)) + packed
    return bytes((_MSGPACK,)) + plain


def decode_chunk(chunk: Chunk, where: str = "") -> tuple[npt.NDArray[np.int64], Any]:
    """Return a chunk's row numbers and values.

    Args:
        chunk: as stored.
        where: run and column, for the error's text.

    Returns:
        rows: (count,) int64; values: (count,) float64, int64 or bool array, or a list for the other kinds, in which
        media are `Carried`.

    Raises:
        CorruptData: the checksum or the format does not fit; the text names `where` and the rows.
    """
    import numpy as np

    if not is_intact(chunk):
        raise CorruptData(_damage(chunk, where, "checksum does not match"))
    try:
        if chunk.rows is None:
            rows = np.arange(chunk.first_row, chunk.last_row + 1, dtype=np.int64)
        else:
            rows = _decode_numbers("int64", chunk.rows) + chunk.first_row
        values = _decode_numbers(chunk.kind, chunk.data) if chunk.kind in _ARRAY_CODE else _decode_objects(chunk)
    except CorruptData:
        raise
    except Exception as error:
        raise CorruptData(_damage(chunk, where, str(error))) from error
    if not len(rows) == len(values) == chunk.count:
        raise CorruptData(_damage(chunk, where, f"{len(values)} values in {len(rows)} rows"))
    return rows, values


def decode_into(chunk: Chunk, out: Numbers, where: str = "") -> npt.NDArray[np.int64] | None:
    """Decode a chunk of float64 or int64 into an array that is there already.

    A long column read so takes a third of the time of joining `decode_chunk`s, most of which goes into fresh memory.

    Args:
        chunk: as stored.
        out: (count,) of the chunk's kind, contiguous; what it holds after an error means nothing.
        where: run and column, for the error's text.

    Returns:
        (count,) row numbers; None where they are all from the first to the last.

    Raises:
        CorruptData: the checksum or the format does not fit; the text names `where` and the rows.
    """
    if not is_intact(chunk):
        raise CorruptData(_damage(chunk, where, "checksum does not match"))
    try:
        count = _decode_numbers_into(chunk.kind, chunk.data, out)
        rows = None if chunk.rows is None else _decode_numbers("int64", chunk.rows) + chunk.first_row
    except Exception as error:
        raise CorruptData(_damage(chunk, where, str(error))) from error
    row_count = chunk.last_row - chunk.first_row + 1 if rows is None else len(rows)
    if not count == row_count == chunk.count == len(out):
        raise CorruptData(_damage(chunk, where, f"{count} values in {row_count} rows"))
    return rows


def _damage(chunk: Chunk, where: str, why: str) -> str:
    place = f"{where}: " if where else ""
    return (
        f"{place}rows {chunk.first_row} to {chunk.last_row} are damaged ({why}); everything else stays readable. "
        "`treering doctor` lists all damage."
    )


def _decode_numbers(kind: str, data: bytes) -> Any:
    import numpy as np

    if data[0] == _RAW:
        return np.frombuffer(data, dtype="<f8" if kind == "float64" else "<i8", offset=1)
    if data[0] == _PCO:
        from pcodec import standalone

        return standalone.simple_decompress(data[1:])
    raise CorruptData(f"number encoding {data[0]} is newer than this treering")


def decode_numbers(kind: str, data: bytes, count: int) -> npt.NDArray[Any]:
    """Decode numbers that come from others: `count` of them and no more, whatever they say, so that memory is bounded.

    Args:
        kind: "float64" or "int64".
        data: as a chunk has it.
        count: how many there have to be.

    Raises:
        CorruptData: they cannot be read, or are not as many.
    """
    import numpy as np

    out: npt.NDArray[Any] = np.empty(count, dtype=kind)
    try:
        found = _decode_numbers_into(kind, data, out)
    except Exception as error:
        raise CorruptData(str(error) or "no numbers") from error
    if found != count:
        raise CorruptData(f"{found} numbers where {count} are said to be")
    return out


def _decode_numbers_into(kind: str, data: bytes, out: Numbers) -> int:
    """Return how many numbers were decoded; never more than there is room for."""
    if data[0] == _PCO:
        from pcodec import standalone

        done = standalone.simple_decompress_into(data[1:], out)
        return done.n_processed if done.finished else done.n_processed + 1  # there are more
    numbers = _decode_numbers(kind, data)
    if len(numbers) == len(out):
        out[:] = numbers
    return len(numbers)


def _decode_objects(chunk: Chunk) -> Any:
    data = memoryview(chunk.data)
    if data[0] == _MSGPACK_ZSTD:
        from treering.zstd import unpack

        values = decode(unpack(data[1:]))
    elif data[0] == _MSGPACK:
        values = decode(data[1:])
    else:
        raise CorruptData(f"encoding {data[0]} is newer than this treering")
    if chunk.kind == "bool":
        import numpy as np

        return np.array(values, dtype=np.bool_)
    return values


def merge_chunks(chunks: Sequence[Chunk], where: str = "") -> list[Chunk]:
    """Merge chunks of one column and kind, in order of their rows, into as few as possible."""
    import numpy as np

    parts = [decode_chunk(chunk, where) for chunk in sorted(chunks, key=lambda chunk: chunk.first_row)]
    rows = np.concatenate([rows for rows, _ in parts])
    kind = chunks[0].kind
    if kind in NUMERIC:
        values: Any = np.concatenate([values for _, values in parts])
    else:
        values = [value for _, values in parts for value in values]
    if bool((rows[1:] < rows[:-1]).any()):
        # Chunks of several levels lie among each other: one of the lower may reach over many of the higher.
        order = np.argsort(rows, kind="stable")
        rows = rows[order]
        values = values[order] if kind in NUMERIC else [values[at] for at in order.tolist()]
    return list(encode_chunks(kind, rows, values))
