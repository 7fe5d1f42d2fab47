"""Rows of one shape, read all at once.

A training logs the same keys over and over, so most records of its journal are alike but for their numbers, at the
same places. Such a stretch is compared and cut into columns by NumPy as one table of bytes, at a fiftieth of what it
takes to make a Python object of each value. Whatever differs in the least is left to the decoder of single records.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple

from treering.records import decode_record
from treering.store.batch import index_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import numpy as np
    import numpy.typing as npt

    from treering.records import Row

    Numbers = npt.NDArray[Any]

__all__ = ["Block", "read_rows"]

# Fewer alike rows than this are decoded one by one, which takes no longer and loads no NumPy.
_LEAST_ROWS = 64
# As much as a level-2 cache holds is compared at a time.
_PIECE_BYTES = 128 << 10
_NUMBERS = {
    0xCB: ">f8",
    0xCC: ">u1",
    0xCD: ">u2",
    0xCE: ">u4",
    0xCF: ">u8",
    0xD0: ">i1",
    0xD1: ">i2",
    0xD2: ">i4",
    0xD3: ">i8",
}
# MessagePack's codes; the first four carry a size or a number in their low bits.
_LAST_SMALL_INT, _FIRST_NEGATIVE_INT = 0x7F, 0xE0
_SMALL_MAP, _SMALL_TEXT = 0x80, 0xA0
_FIVE, _FALSE, _TRUE, _UINT64, _TEXT_8, _TEXT_16, _MAP_16 = 0x95, 0xC2, 0xC3, 0xCF, 0xD9, 0xDA, 0xDE
_SMALL, _BOOL = -1, -2  # instead of a MessagePack code: an integer, or a bool, within one byte


class Block(NamedTuple):
    """Consecutive rows with the same keys.

    Attributes:
        stream: number of the stream.
        row: the first row's number; the others follow without a gap.
        steps: (n,) int64.
        times_us: (n,) int64, microseconds since 1970.
        columns: for each key (n,) values: float64, int64 or bool.
    """

    stream: int
    row: int
    steps: npt.NDArray[np.int64]
    times_us: npt.NDArray[np.int64]
    columns: dict[str, Numbers]

    @property
    def next_row(self) -> int:
        """Number behind the last row."""
        return self.row + len(self.steps)

    @property
    def last_step(self) -> int:
        """The last row's step."""
        return int(self.steps[-1])

    def step_from(self, row: int) -> int:
        """Return the step of `row`, or of the first row where that lies before this block."""
        return int(self.steps[max(row - self.row, 0)])

    def since(self, row: int) -> Block | None:
        """Return the part from `row` on."""
        skip = row - self.row
        if skip <= 0:
            return self
        if skip >= len(self.steps):
            return None
        columns = {key: values[skip:] for key, values in self.columns.items()}
        return Block(self.stream, row, self.steps[skip:], self.times_us[skip:], columns)


class _Place(NamedTuple):
    """Where a number lies in a record: the offset of its bytes (of its first byte where that is all) and its code."""

    offset: int
    code: int


class _OddError(Exception):
    """The record holds something other than rows of numbers."""


def read_rows(records: Iterable[bytes]) -> Iterator[Row | Block]:
    """Decode records in order, long stretches of alike ones as blocks."""
    for length, group in groupby(records, len):
        same = list(group)
        at, window = 0, _LEAST_ROWS
        while len(same) - at >= _LEAST_ROWS:
            block = _read_block(same[at : at + window], length)
            if block is None:
                yield from map(decode_record, same[at : at + _LEAST_ROWS])
                at, window = at + _LEAST_ROWS, _LEAST_ROWS
            else:
                yield block
                # What turns out not to be alike costs no more than was gained before it.
                at, window = at + len(block.steps), window * 8
        yield from map(decode_record, same[at:])


def _read_block(records: list[bytes], length: int) -> Block | None:
    """Read the first of some records of one length, as many as are alike; None where they are few or odd."""
    first = records[0]
    places: dict[str, _Place] = {}
    try:
        head, map_at = _find_head(first)
        if _find_places(first, map_at, "", places) != length:
            return None
    except (_OddError, IndexError, UnicodeDecodeError):
        return None
    import numpy as np

    # The records as rows of a table, padded to whole words.
    pad = bytes(-length % 8)
    table = np.frombuffer(pad.join(records) + pad, dtype=np.uint64).reshape(len(records), -1)
    count = _count_alike(table, length, [*head, *places.values()])
    if count < _LEAST_ROWS:
        return None
    return _cut(table[:count].view(np.uint8), first[1], head, places)


def _find_head(record: bytes) -> tuple[list[_Place], int]:
    """Find row number, step and time, and where the map of metrics begins."""
    # An array of five, the first of them a stream's number.
    if record[0] != _FIVE or record[1] > _LAST_SMALL_INT:
        raise _OddError
    at = 2
    head: list[_Place] = []
    for _ in range(3):
        place, at = _find_number(record, at)
        head.append(place)
    return head, at


def _find_places(record: bytes, at: int, prefix: str, places: dict[str, _Place]) -> int:
    """Find the numbers of a map, and of maps within it; returns the offset behind it."""
    code = record[at]
    if code & 0xF0 == _SMALL_MAP:
        size, at = code & 0x0F, at + 1
    elif code == _MAP_16:
        size, at = int.from_bytes(record[at + 1 : at + 3], "big"), at + 3
    else:
        raise _OddError
    if not size:
        raise _OddError
    for _ in range(size):
        key, at = _find_key(record, at)
        name = prefix + key
        if record[at] & 0xF0 == _SMALL_MAP or record[at] == _MAP_16:
            at = _find_places(record, at, f"{name}/", places)
            continue
        if name in places or index_name(name) != name:
            raise _OddError
        places[name], at = _find_number(record, at)
    return at


def _find_key(record: bytes, at: int) -> tuple[str, int]:
    code = record[at]
    if code & 0xE0 == _SMALL_TEXT:
        size, at = code & 0x1F, at + 1
    elif code == _TEXT_8:
        size, at = record[at + 1], at + 2
    elif code == _TEXT_16:
        size, at = int.from_bytes(record[at + 1 : at + 3], "big"), at + 3
    else:
        raise _OddError
    return record[at : at + size].decode(), at + size


def _find_number(record: bytes, at: int) -> tuple[_Place, int]:
    code = record[at]
    if code <= _LAST_SMALL_INT or code >= _FIRST_NEGATIVE_INT:
        return _Place(at, _SMALL), at + 1
    if code in (_FALSE, _TRUE):
        return _Place(at, _BOOL), at + 1
    kind = _NUMBERS.get(code)
    if kind is None:
        raise _OddError
    return _Place(at + 1, code), at + 1 + int(kind[2])


def _count_alike(table: npt.NDArray[np.uint64], end: int, places: list[_Place]) -> int:
    """Count the rows that equal the first one everywhere but where the numbers are."""
    import numpy as np

    mask = np.zeros(table.shape[1] * 8, dtype=np.uint8)
    mask[:end] = 0xFF
    for offset, code in places:
        mask[offset : offset + (int(_NUMBERS[code][2]) if code > 0 else 1)] = 0
    fixed = mask.view(np.uint64)
    wanted = table[0] & fixed
    step = max(1, _PIECE_BYTES // (table.shape[1] * 8))
    for start in range(0, len(table), step):
        alike = ((table[start : start + step] & fixed) == wanted).all(axis=1)
        for offset, code in places:
            if code < 0:  # a code of its own that must stay what it is
                byte = table[start : start + step].view(np.uint8)[:, offset]
                alike &= (
                    (byte | 1) == _TRUE if code == _BOOL else (byte <= _LAST_SMALL_INT) | (byte >= _FIRST_NEGATIVE_INT)
                )
        if not alike.all():
            return start + int(alike.argmin())
    return len(table)


def _cut(table: npt.NDArray[np.uint8], stream: int, head: list[_Place], places: dict[str, _Place]) -> Block | None:
    """Cut the numbers out of alike rows."""
    import numpy as np

    rows, steps, times_ns = (_numbers(table, place) for place in head)
    if rows is None or steps is None or times_ns is None:
        return None
    row = int(rows[0])
    if rows.dtype != np.int64 or not bool((rows == np.arange(row, row + len(rows))).all()):
        return None
    columns: dict[str, Any] = {}
    for key, place in places.items():
        values = _numbers(table, place)
        if values is None:
            return None
        columns[key] = values
    return Block(stream, row, steps, times_ns // 1000, columns)


def _numbers(table: npt.NDArray[np.uint8], place: _Place) -> Numbers | None:
    """Return one number of each row; None where it needs more than a signed 64-bit integer."""
    import numpy as np

    offset, code = place
    numbers: Numbers
    if code == _BOOL:
        numbers = table[:, offset] == _TRUE
        return numbers
    if code == _SMALL:
        return table[:, offset].view(np.int8).astype(np.int64)
    kind = np.dtype(_NUMBERS[code])
    raw = np.ascontiguousarray(table[:, offset : offset + kind.itemsize]).view(kind)[:, 0]
    if code == _UINT64 and int(raw.max()) >= 1 << 63:
        return None
    numbers = raw.astype(np.float64 if kind.kind == "f" else np.int64)
    return numbers
