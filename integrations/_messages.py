"""Messages of protocol buffers as they lie in files: no more than it takes to read TensorBoard's."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

__all__ = ["Tensor", "double", "masked_crc", "message", "repeated", "signed", "single", "text"]

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_MORE, _SEVEN_BITS = 0x80, 0x7F


def _fields(data: bytes) -> Iterator[tuple[int, Any]]:
    """Yield each field's number and value: an int of a varint, bytes of all else.

    Raises:
        ValueError: this is no message.
        IndexError: it ends too early.
    """
    at, end = 0, len(data)
    while at < end:
        key, at = _varint(data, at)
        kind = key & 7
        if kind == _VARINT:
            number, at = _varint(data, at)
            yield key >> 3, number
            continue
        if kind == _BYTES:
            size, at = _varint(data, at)
        elif kind == _FIXED64:
            size = 8
        elif kind == _FIXED32:
            size = 4
        else:
            raise ValueError(f"a field of wire type {kind}")
        start, at = at, at + size
        if at > end:
            raise ValueError("a field that ends behind its message")
        yield key >> 3, data[start:at]


def _varint(data: bytes, at: int) -> tuple[int, int]:
    byte = data[at]
    if byte < _MORE:
        return byte, at + 1
    value, shift = byte & _SEVEN_BITS, 7
    while byte >= _MORE:
        at += 1
        byte = data[at]
        value |= (byte & _SEVEN_BITS) << shift
        shift += 7
    return value, at + 1


def message(data: bytes) -> dict[int, Any]:
    """Return a message's fields by number; of repeated ones the last."""
    return dict(_fields(data))


def repeated(data: bytes, number: int) -> list[Any]:
    """Return all values of one field."""
    return [value for found, value in _fields(data) if found == number]


def signed(value: int) -> int:
    """Return the number that a varint of an int64 stands for."""
    value &= (1 << 64) - 1
    return value - (1 << 64) if value >> 63 else value


def text(value: bytes) -> str:
    """Return a string field; what is no UTF-8 is replaced."""
    return value.decode("utf-8", "replace")


_DOUBLE, _SINGLE = struct.Struct("<d"), struct.Struct("<f")


def double(value: bytes) -> float:
    """Return a double field."""
    return float(_DOUBLE.unpack(value)[0])


def single(value: bytes) -> float:
    """Return a float field."""
    return float(_SINGLE.unpack(value)[0])


class _TensorField:
    """Numbers of `TensorProto`'s fields."""

    DTYPE, CONTENT, FLOATS, DOUBLES, STRINGS = 1, 4, 5, 6, 8
    INTEGERS = (7, 10, 11, 13, 16, 17)


# Numbers of tensorflow.DataType.
_BFLOAT16, _HALF = 14, 19
_DTYPES = {
    1: "<f4", 2: "<f8", 3: "<i4", 4: "u1", 5: "<i2", 6: "i1", 9: "<i8", 10: "?", 14: "<u2", 17: "<u2", 19: "<f2",
    22: "<u4", 23: "<u8",
}  # fmt: skip


class Tensor:
    """A `TensorProto`.

    Attributes:
        strings: its values where they are strings, in order.
    """

    def __init__(self, data: bytes) -> None:
        self._fields = list(_fields(data))
        self._dtype: int = next((value for number, value in self._fields if number == _TensorField.DTYPE), 0)
        self.strings: list[bytes] = [value for number, value in self._fields if number == _TensorField.STRINGS]

    def numbers(self) -> npt.NDArray[np.float64] | None:
        """Return the values as (n,) floats in order, or None where they are no real numbers."""
        dtype = _DTYPES.get(self._dtype)
        if dtype is None:
            return None
        content = next((value for number, value in self._fields if number == _TensorField.CONTENT), b"")
        raw: npt.NDArray[Any] = np.frombuffer(content, dtype)
        if not content:
            listed = [one for number, value in self._fields for one in _listed(number, value)]
            by_bits = self._dtype in {_HALF, _BFLOAT16}  # as the integers that have their bits
            raw = np.array(listed, "<u2").view(dtype) if by_bits else np.array(listed, dtype)
        if self._dtype == _BFLOAT16:  # the upper half of a float32
            raw = (raw.astype("<u4") << 16).view("<f4")
        return raw.astype(np.float64)


def _listed(number: int, value: Any) -> list[Any]:
    """Return the values of a repeated field, of which packed ones come as one run of bytes."""
    if number in {_TensorField.FLOATS, _TensorField.DOUBLES}:
        found: list[Any] = np.frombuffer(value, "<f4" if number == _TensorField.FLOATS else "<f8").tolist()
        return found
    if number not in _TensorField.INTEGERS:
        return []
    if isinstance(value, int):
        return [signed(value)]
    numbers, at = list[Any](), 0
    while at < len(value):
        one, at = _varint(value, at)
        numbers.append(signed(one))
    return numbers


def _crc_table() -> list[int]:
    table: list[int] = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)  # CRC-32C, Castagnoli's
        table.append(crc)
    return table


_CRC_TABLE = _crc_table()


def masked_crc(data: bytes) -> int:
    """Return the checksum of TFRecords, for the few bytes of a length: for all data Python would take too long."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _CRC_TABLE[(crc ^ byte) & 0xFF]
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
