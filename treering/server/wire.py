"""The forms in which values leave: JSON that loses nothing, and arrays as bytes.

JSON has no word for NaN, bytes, media and integers beyond 2**53. Each becomes an object whose first key
begins with a dollar sign: {"$number": "NaN"}, {"$integer": "9007199254740993"}, {"$bytes": "00ff"},
{"$media": "image", "value": ...}.
"""

from __future__ import annotations

import base64
import math
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import msgspec
import numpy as np

from treering.errors import UsageError
from treering.store.values import Carried

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

__all__ = [
    "PackedSeries",
    "clean",
    "decode_cursor",
    "encode_cursor",
    "error_body",
    "pack_series",
    "plain",
    "plain_numbers",
    "us",
]

_EXACT = 2**53
_ALIGNED = 8


def clean(text: str) -> str:
    """Return text that UTF-8 can hold: a lone surrogate cannot leave."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def us(moment: datetime) -> int:
    """Return a time as microseconds since 1970."""
    return round(moment.timestamp() * 1e6)


def plain(value: Any) -> Any:
    """Return what JSON can hold of a stored value."""
    kind = cast("type[object]", type(value))  # asked first for what nearly all values are, since a table has thousands
    if value is None or kind is bool or (kind is float and math.isfinite(value)):
        return value
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else {"$number": "NaN" if math.isnan(value) else _infinity(value)}
    if isinstance(value, int):
        return value if -_EXACT <= value <= _EXACT else {"$integer": str(value)}
    if isinstance(value, dict):
        return {clean(str(key)): plain(item) for key, item in cast("dict[object, object]", value).items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in cast("Sequence[object]", value)]
    if isinstance(value, Carried):
        return {"$media": value.kind, "value": plain(value.payload)}
    return _rare(value)


def plain_numbers(array: npt.NDArray[Any]) -> list[Any]:
    """Return what JSON can hold of an array's numbers, as `plain` would."""
    if array.dtype.kind == "f":
        easy = bool(np.isfinite(array).all())
    else:
        easy = array.dtype.kind == "b" or (
            array.dtype.kind == "i" and bool(((array >= -_EXACT) & (array <= _EXACT)).all())
        )
    values: list[Any] = array.tolist()
    return values if easy else cast("list[Any]", plain(values))


def _infinity(value: float) -> str:
    return "Infinity" if value > 0 else "-Infinity"


def _rare(value: Any) -> Any:
    if isinstance(value, (bytes, bytearray)):
        return {"$bytes": bytes(value).hex()}
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, np.generic):
        return plain(value.item())
    return {"$text": clean(str(value))}


def error_body(code: str, message: str, expected: int | None = None) -> bytes:
    """Return the body of every answer that is not what was asked for."""
    told = {"code": code, "message": clean(message)}
    return msgspec.json.encode({"error": told if expected is None else {**told, "expected": expected}})


def encode_cursor(values: Sequence[Any]) -> str:
    """Return values as one opaque word for addresses."""
    # Exact decimals, which PostgreSQL calculates durations in, are marked, so that they come back as such.
    marked = [{"d": str(value)} if type(value).__name__ == "Decimal" else value for value in values]
    return base64.urlsafe_b64encode(msgspec.msgpack.encode(marked)).decode().rstrip("=")


def decode_cursor(text: str) -> list[Any]:
    """Return what `encode_cursor` was given.

    Raises:
        UsageError: it is none of ours.
    """
    from decimal import Decimal

    try:
        packed = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        values = msgspec.msgpack.decode(packed, type=list[int | float | str | bool | dict[str, str] | None])
        return [Decimal(value["d"]) if isinstance(value, dict) else value for value in values]
    except (ValueError, ArithmeticError, LookupError, msgspec.DecodeError) as error:
        raise UsageError("the cursor is none that this server gave; begin without one") from error


class PackedSeries(NamedTuple):
    """One series of an answer.

    Attributes:
        head: what is told of it; number and place of its points are added.
        x: (n,) places on the x axis.
        values: (n,) numbers.
    """

    head: Mapping[str, Any]
    x: npt.NDArray[Any]
    values: npt.NDArray[Any]


def pack_series(series: Sequence[PackedSeries]) -> bytes:
    """Return series as bytes.

    First the length of the head (uint32, little endian) and four zero bytes, then the head (JSON, filled up with
    spaces to a multiple of 8), then for each series its places and its values as float64, little endian. In the head
    `points` is their number n and `at` where the places begin, counted in float64 from the end of the head; the values
    follow at `at + n`.
    """
    heads: list[dict[str, Any]] = []
    arrays: list[bytes] = []
    at = 0
    for one in series:
        count = len(one.values)
        heads.append({**one.head, "points": count, "at": at})
        arrays += [one.x.astype("<f8").tobytes(), one.values.astype("<f8").tobytes()]
        at += 2 * count
    head = msgspec.json.encode({"series": heads})
    head += b" " * (-len(head) % _ALIGNED)
    return b"".join([len(head).to_bytes(4, "little"), bytes(4), head, *arrays])
