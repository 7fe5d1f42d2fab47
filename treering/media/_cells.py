"""Cells of a table: what they may hold, the type of a column of them, and their way to the store and back."""

from __future__ import annotations

import base64
import html
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time
from typing import Any, cast

from treering.errors import UnsupportedValue
from treering.media._base import Blobs, Media, Payload, type_name
from treering.store.values import encode, tidy, to_number

__all__ = ["Cell", "equal", "pack", "plain", "store", "to_html", "type_of", "unpack"]

Cell = Any
_DEEPEST = 32
_FIX = (
    "A cell takes None, bools, numbers, text, bytes, dates and times, lists and dicts of these, small arrays and "
    "treering media."
)
_INT_BITS = 64
_SIMPLE = frozenset({type(None), bool, int, float})
_TYPES: dict[type, str] = {
    bool: "bool",
    int: "int",
    float: "number",
    str: "string",
    bytes: "bytes",
    datetime: "datetime",
    date: "date",
    time: "time",
    list: "json",
    dict: "json",
}
_DAYS = frozenset({"datetime64[D]", "datetime64[W]", "datetime64[M]", "datetime64[Y]"})
_FROM_TEXT: dict[str, Callable[[str], object]] = {
    "datetime": datetime.fromisoformat,
    "date": date.fromisoformat,
    "time": time.fromisoformat,
}


def plain(value: object, column: str, row: int) -> Cell:
    """Return a copy of `value` as a cell of plain types.

    Raises:
        UnsupportedValue: it cannot be stored; the text names the column and the row.
    """
    kind = type(value)
    if kind in _SIMPLE and (kind is not int or cast("int", value).bit_length() < _INT_BITS):
        return value
    try:
        return _plain(value, 0)
    except UnsupportedValue as error:
        raise UnsupportedValue(
            f"Table got {error} in column {column!r}, row {row}. {_FIX} Convert it first."
        ) from error


def _plain(value: Any, depth: int) -> Cell:
    if depth > _DEEPEST:
        raise UnsupportedValue(f"lists or dicts more than {_DEEPEST} deep")
    if value is None or isinstance(value, (bool, float)):
        return value if value is None or isinstance(value, bool) else float(value)
    if isinstance(value, int):
        return _plain_integer(value)
    if isinstance(value, str):
        return tidy(str(value))
    if isinstance(value, (bytes, bytearray)):
        return bytes(value)
    if isinstance(value, Media):
        if depth:
            raise UnsupportedValue(f"a {type(value).__name__} inside a list or dict")
        return type(value).from_payload(value.to_payload())
    if isinstance(value, (datetime, date, time)):
        return _plain_time(value)
    return _plain_nested(value, depth)


def _plain_nested(value: Any, depth: int) -> Cell:
    if isinstance(value, Mapping):
        items = cast("Mapping[object, object]", value).items()
        return {cast("str", tidy(str(key))): _plain(item, depth + 1) for key, item in items}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(item, depth + 1) for item in cast("Sequence[object]", value)]
    return _plain_foreign(value, depth)


def _plain_integer(value: int) -> int:
    if not -(2**63) <= value < 2**64:
        raise UnsupportedValue(f"an integer of {value.bit_length()} bits")
    return int(value)


def _plain_time(value: datetime | date | time) -> Cell:
    if value != value:  # noqa: PLR0124  # pandas' NaT is a datetime that differs from itself
        return None
    to_datetime = getattr(value, "to_pydatetime", None)
    if to_datetime is not None:  # pandas; warn: below microseconds there is nothing that a datetime could hold
        value = cast("datetime", to_datetime(warn=False))
    return value


def _plain_foreign(value: Any, depth: int) -> Cell:
    """Return the plain value of what another library made: NumPy's scalars, tensors, pandas' NA, pictures ..."""
    from treering.media._image import Image, is_picture

    if type(value).__name__ in {"NAType", "NaTType"}:
        return None
    dtype = str(getattr(value, "dtype", ""))
    if dtype.startswith("datetime64"):
        unit = "D" if dtype in _DAYS else "us"  # the finest that a datetime holds
        return _plain(value.astype(f"datetime64[{unit}]").tolist(), depth)
    if is_picture(value):
        return _plain(Image(value), depth)
    if hasattr(value, "isoformat") or hasattr(value, "total_seconds"):
        raise UnsupportedValue(f"a {type_name(value)}")
    number = to_number(value)
    if isinstance(number, (bytes, list, dict, str)) or type(number) in _SIMPLE:
        return _plain(number, depth + 1)
    raise UnsupportedValue(f"a {type_name(value)}")


def type_of(cells: Sequence[Cell]) -> str:
    """Name the type of a column; None fits into any."""
    found = {cell.kind if isinstance(cell, Media) else _TYPES[type(cell)] for cell in cells if cell is not None}
    if len(found) == 1:
        return found.pop()
    if not found:
        return "empty"
    return "number" if found == {"int", "number"} else "mixed"


def equal(a: Sequence[Cell], b: Sequence[Cell]) -> bool:
    """Compare two columns; NaN equals itself, and 1 differs from 1.0 and True."""
    plain_a, plain_b = ([None if isinstance(cell, Media) else _pack(cell) for cell in cells] for cells in (a, b))
    media_a, media_b = ([cell if isinstance(cell, Media) else None for cell in cells] for cells in (a, b))
    return encode(plain_a) == encode(plain_b) and media_a == media_b


def pack(cells: Sequence[Cell], type_name_: str) -> list[Any]:
    """Return a column's cells as MessagePack holds them; cells of a mixed column bring their type along."""
    if type_name_ == "mixed":
        return [None if cell is None else [type_of([cell]), _pack(cell)] for cell in cells]
    if type_name_ in {"bool", "int", "number", "string", "bytes", "json", "empty"}:
        return list(cells)
    return [None if cell is None else _pack(cell) for cell in cells]


def _pack(cell: Cell) -> Any:
    if isinstance(cell, Media):
        return cell.to_payload()
    return cell.isoformat() if isinstance(cell, (datetime, date, time)) else cell


def unpack(cells: list[Any], type_name_: str, blobs: Blobs | None) -> list[Cell]:
    """Undo `pack`, and `store` where there are `blobs`.

    Raises:
        TypeError, ValueError, KeyError, CorruptData: the cells are not of that type.
    """
    if type_name_ == "mixed":
        return [None if cell is None else unpack([cell[1]], cell[0], blobs)[0] for cell in cells]
    read = _FROM_TEXT.get(type_name_)
    if read is not None:
        return [None if cell is None else read(cell) for cell in cells]
    if type_name_ in _TYPES.values() or type_name_ == "empty":
        return cells
    from treering.media._registry import KINDS

    cls = KINDS[type_name_]
    if blobs is None:
        return [None if cell is None else cls.from_payload(cell) for cell in cells]
    return [None if cell is None else cls.load(cell, blobs) for cell in cells]


def store(cells: list[Any], type_name_: str, blobs: Blobs, uses: list[str]) -> list[Any]:
    """Bring the large bytes of packed media to `blobs`; their digests are added to `uses`."""
    from treering.media._registry import KINDS, digests

    if type_name_ == "mixed":
        return [None if cell is None else [cell[0], store([cell[1]], cell[0], blobs, uses)[0]] for cell in cells]
    if type_name_ not in KINDS:
        return cells
    references: list[Payload | None] = []
    for cell in cells:
        reference = None if cell is None else KINDS[type_name_].store(cell, blobs)
        references.append(reference)
        uses.extend(digests(reference))
    return references


def to_html(cell: Cell) -> str:
    """Show a cell; text never becomes markup."""
    if isinstance(cell, Media):
        png = getattr(cell, "_repr_png_", None)
        if png is not None:
            return f'<img style="max-height: 8em" src="data:image/png;base64,{base64.b64encode(png()).decode()}">'
        return html.escape(repr(cell))
    return "" if cell is None else html.escape(str(cell))
