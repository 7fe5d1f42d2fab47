"""How the bytes of a chunk are kept: as they are, compressed, or taken apart as floating-point numbers.

The numbers of a checkpoint hardly compress as bytes: of the four bytes of a float32, only the exponent says little
news. So words are turned until the exponent is one byte, and each byte of all words is compressed by itself where that
helps. Where the same numbers of a neighbouring version are at hand (a training's next checkpoint), the difference of
the words, as integers, is smaller still. Nothing needs to be known of the file's format but where words begin, which
is found out; so a safetensors file, a file of torch, one of Keras and any other array on a disk are alike here.

A chunk that is stored as a difference names its bases: chunks that are stored without one. Chains have one link.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, NamedTuple

from treering.artifacts.manifest import ID_BYTES
from treering.errors import CorruptData
from treering.zstd import Packer, ZstdError, unpack

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from typing_extensions import Buffer

__all__ = [
    "DIFFERENCE",
    "PLANES",
    "RAW",
    "ZSTD",
    "Base",
    "base_of",
    "compress",
    "decode",
    "difference",
    "holds_numbers",
    "planes",
]

#: How a chunk is stored: as it is, behind zstd, in planes, as a difference in planes.
RAW, ZSTD, PLANES, DIFFERENCE = 0, 1, 2, 3

_LEVEL = 1
# Compressed as a trial before a whole chunk is: two such pieces.
_SAMPLE = 4096
_WORTH = 0.9
# A plane is compressed when that leaves so much of it, and a chunk is taken apart when that does.
_PLANE_WORTH, _CODED_WORTH = 0.98, 0.95
# Words looked at to find out where they begin.
_LOOK = 16 << 10
_SMALLEST = 4096
# A byte that has so many bits of news on average is no exponent.
_EXPONENT_BITS = 6.5
_HEAD = 8


class Base(NamedTuple):
    """Bytes that a chunk is a difference to.

    Attributes:
        ids: of the chunks that they are in, one after another.
        skip: bytes of the first of these chunks that do not belong to them.
    """

    ids: tuple[bytes, ...]
    skip: int


class _OfThread(threading.local):
    """A compressor takes longer to make than to use on a piece of a few kilobytes; threads must not share one."""

    def __init__(self) -> None:
        self.bytes = Packer(_LEVEL)
        self.planes = Packer(_LEVEL, planes=True)


_of_thread = _OfThread()


def _zstd(data: bytes | memoryview) -> bytes:
    return _of_thread.bytes.pack(data)


def compress(data: memoryview) -> tuple[int, Buffer]:
    """Return RAW or ZSTD and what it makes of a chunk: compressed where that saves a tenth."""
    size = len(data)
    if size > 4 * _SAMPLE:
        middle = size // 2
        trial = bytes(data[:_SAMPLE]) + bytes(data[middle : middle + _SAMPLE])
        if len(_zstd(trial)) > _WORTH * len(trial):
            return RAW, data
    packed = _zstd(data)
    return (ZSTD, packed) if len(packed) <= _WORTH * size else (RAW, data)


# -- planes -----------------------------------------------------------------------------------------------------------


def planes(data: memoryview) -> bytes | None:
    """Return a chunk's bytes taken apart as float32 or 16-bit floats; None where that saves too little."""
    layout = _layout(data)
    if layout is None:
        return None
    width, phase = layout
    words = _words(data, width, phase)
    bits = 8 * width
    turned = (words << 1) | (words >> (bits - 1))
    coded = _join(data, width, phase, _split(turned))
    return coded if len(coded) <= _CODED_WORTH * len(data) else None


def holds_numbers(data: memoryview) -> bool:
    """Tell whether bytes seem to be floating-point numbers; a few kilobytes of a chunk will do."""
    return _layout(data) is not None


def _layout(data: memoryview) -> tuple[int, int] | None:
    """Return how long words are, 4 or 2 bytes, and where the first one begins; None for no such numbers.

    The byte with sign and exponent says the least: it is the last of a little-endian word.
    """
    if len(data) < _SMALLEST:
        return None
    import numpy as np

    start = (len(data) // 2 - _LOOK // 2) // 4 * 4 if len(data) > _LOOK else 0
    look: npt.NDArray[np.uint8] = np.frombuffer(data, np.uint8)[start : start + _LOOK]
    look = look[: len(look) // 4 * 4].reshape(-1, 4)
    bits = [_bits(look[:, number]) for number in range(4)]
    least = min(range(4), key=bits.__getitem__)
    if bits[least] > _EXPONENT_BITS:
        return None
    # With 16 bits the byte two further on is another exponent, and as easy; with 32 it is in the mantissa.
    width = 2 if bits[(least + 2) % 4] < (bits[(least + 1) % 4] + bits[least]) / 2 else 4
    return width, (least + 1) % width


def _bits(values: npt.NDArray[np.uint8]) -> float:
    """Return the entropy of bytes, in bits for each."""
    import numpy as np

    counts = np.bincount(values, minlength=256)
    shares = counts[counts > 0] / len(values)
    return float(-(shares * np.log2(shares)).sum())


def _words(data: memoryview, width: int, phase: int) -> npt.NDArray[Any]:
    import numpy as np

    words: npt.NDArray[Any] = np.frombuffer(data, f"<u{width}", (len(data) - phase) // width, phase)
    return words


def _split(words: npt.NDArray[Any]) -> list[bytes]:
    """Return the bytes of words, the highest of all first."""
    import numpy as np

    return [(words >> (8 * number)).astype(np.uint8).tobytes() for number in reversed(range(words.itemsize))]


def _join(data: memoryview, width: int, phase: int, parts: list[bytes]) -> bytes:
    """Return head, lengths of the parts and what they are; a length of 0 stands for one that is not compressed.

    1 byte     width of a word
    1 byte     bytes before the first word
    4 bytes    each part's length
    ...        bytes before the first word, bytes after the last one, the parts
    """
    end = phase + (len(data) - phase) // width * width
    packed = [_packed(part) for part in parts]
    lengths = [
        len(small) if len(small) <= _PLANE_WORTH * len(part) else 0 for small, part in zip(packed, parts, strict=True)
    ]
    kept = [small if length else part for small, part, length in zip(packed, parts, lengths, strict=True)]
    head = bytes([width, phase]) + b"".join(length.to_bytes(4, "little") for length in lengths)
    return b"".join([head, data[:phase], data[end:], *kept])


def _packed(part: bytes) -> bytes:
    """Return a part compressed by what suits it: statistics of numbers side by side, or bytes that repeat."""
    small = _of_thread.planes.pack(part)
    return min(small, _zstd(part), key=len) if len(small) <= _PLANE_WORTH * len(part) else small


def _parse(stored: memoryview, size: int) -> tuple[int, int, list[npt.NDArray[Any]], memoryview]:
    """Return width, phase, parts and the bytes around the words."""
    import numpy as np

    width, phase = stored[:2]
    if width not in (2, 4) or phase >= width or size < phase:
        raise ValueError("no such layout")
    lengths = [int.from_bytes(stored[2 + 4 * one : 6 + 4 * one], "little") for one in range(width)]
    count = (size - phase) // width
    at = 2 + 4 * width
    around = stored[at : at + size - count * width]
    at += len(around)
    parts: list[npt.NDArray[Any]] = []
    for length in lengths:
        part = stored[at : at + (length or count)]
        at += len(part)
        plain = unpack(part, count) if length else part
        parts.append(np.frombuffer(plain, np.uint8, count))
    return width, phase, parts, around


def _merge(width: int, parts: list[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    import numpy as np

    words = parts[0].astype(np.dtype(f"<u{width}"))
    for part in parts[1:]:
        words <<= 8
        words |= part
    return words


# -- differences ------------------------------------------------------------------------------------------------------


def difference(data: memoryview, before: memoryview, base: Base) -> bytes | None:
    """Return a chunk as its difference to what was in the same place before; None where that saves too little.

    Args:
        data: the chunk's bytes.
        before: as many bytes.
        base: where these are from.
    """
    layout = _layout(data)
    if layout is None:
        return None
    width, phase = layout
    words = _words(data, width, phase) - _words(before, width, phase)
    zigzag = (words << 1) ^ (words.view(f"<i{width}") >> (8 * width - 1)).view(words.dtype)
    head = bytes([len(base.ids)]) + base.skip.to_bytes(4, "little") + b"".join(base.ids)
    coded = head + _join(data, width, phase, _split(zigzag))
    return coded if len(coded) <= _CODED_WORTH * len(data) else None


def base_of(stored: memoryview) -> Base:
    """Return what a chunk that is stored as a difference is a difference to.

    Raises:
        CorruptData: these are no such bytes.
    """
    number = stored[0] if len(stored) else 0
    end = 5 + ID_BYTES * number
    if not number or len(stored) < end:
        raise CorruptData("the list of bases is damaged")
    ids = tuple(bytes(stored[5 + ID_BYTES * one : 5 + ID_BYTES * (one + 1)]) for one in range(number))
    return Base(ids, int.from_bytes(stored[1:5], "little"))


# -- and back ---------------------------------------------------------------------------------------------------------


def decode(codec: int, stored: memoryview, target: memoryview, before: memoryview | None = None) -> None:
    """Put a chunk's bytes together; they are not checked.

    Args:
        codec: one of those above.
        stored: what it made of them.
        target: as long as the chunk.
        before: what a DIFFERENCE is a difference to; as long.

    Raises:
        CorruptData: that is impossible.
    """
    try:
        if codec == RAW:
            target[:] = stored
        elif codec == ZSTD:
            target[:] = unpack(stored, len(target))
        elif codec == PLANES:
            _decode_planes(stored, target)
        elif codec == DIFFERENCE and before is not None:
            _decode_difference(stored, target, before)
        else:
            raise CorruptData(f"it has codec {codec}, which this treering does not know")
    except (ZstdError, ValueError, IndexError) as error:
        raise CorruptData(f"it cannot be unpacked: {error}") from error


def _decode_planes(stored: memoryview, target: memoryview) -> None:
    import numpy as np

    width, phase, parts, around = _parse(stored, len(target))
    words = _merge(width, parts)
    place = _place(target, width, phase, around)
    np.right_shift(words, 1, out=place)
    words <<= 8 * width - 1
    place |= words


def _decode_difference(stored: memoryview, target: memoryview, before: memoryview) -> None:
    import numpy as np

    width, phase, parts, around = _parse(stored[5 + ID_BYTES * stored[0] :], len(target))
    words = _merge(width, parts)
    place = _place(target, width, phase, around)
    np.right_shift(words, 1, out=place)
    words &= 1
    np.negative(words, out=words)
    place ^= words
    place += _words(before, width, phase)


def _place(target: memoryview, width: int, phase: int, around: memoryview) -> npt.NDArray[Any]:
    """Put the bytes around the words where they belong; returns the place of the words."""
    place = _words(target, width, phase)
    target[:phase] = around[:phase]
    target[phase + place.nbytes :] = around[phase:]
    return place
