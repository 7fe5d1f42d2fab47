"""Rows to columns: what the writer does with each batch of rows it takes from a journal."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from treering.records import Row
from treering.store.columns import as_numbers
from treering.store.values import Carried, kind_of

if TYPE_CHECKING:
    from treering.store.columns import Numbers
    from treering.store.uniform import Block

__all__ = ["MAX_NAME_BYTES", "ColumnPart", "Settle", "flatten", "index_name", "to_columns"]

Settle = Callable[[Carried], Carried]

_SIMPLE_KINDS = {float: "float64", bool: "bool", str: "text"}
_ARRAY_KINDS = {"f": "float64", "i": "int64", "b": "bool"}
#: Written for NUL in keys, since PostgreSQL's text has none.
NUL = "\N{SYMBOL FOR NULL}"
#: Names are cut at so many bytes of UTF-8, since PostgreSQL's indices take no more than 2,704 bytes in all.
MAX_NAME_BYTES = 2000
_SHORT = MAX_NAME_BYTES // 4


class ColumnPart(NamedTuple):
    """New values of one kind for one column, in order of their rows.

    Attributes:
        rows: a `range` where contiguous, else a list.
        values: as many; an array where there are many numbers.
    """

    key: str
    kind: str
    rows: Sequence[int]
    values: Sequence[Any] | Numbers


def to_columns(rows: Sequence[Row | Block], settle: Settle | None = None) -> list[ColumnPart]:
    """Turn rows and blocks of them, ascending by number, into columns; `_step` and `_time` (microseconds) come first.

    Rows with the same keys are transposed together, which is what makes this cheap: a training logs the same few
    sets of keys over and over. `settle` replaces each media value by what goes into its column.
    """
    own: dict[str, list[_Piece]] = {"_step": [], "_time": []}
    columns: dict[str, list[_Piece]] = {}
    singles = [row for row in rows if isinstance(row, Row)]
    numbers = [row.row for row in singles]
    if singles:
        own["_step"].append(_Piece(numbers, [row.step for row in singles], {int}))
        own["_time"].append(_Piece(numbers, [row.time_ns // 1000 for row in singles], {int}))
    if len(singles) < len(rows):
        _add_blocks(own, columns, rows)
    for keys, (row_numbers, records) in _by_shape(numbers, [row.data for row in singles]).items():
        pieces = _transpose(row_numbers, records)
        if _is_flat(keys, pieces):
            for key, piece in zip(keys, pieces, strict=True):
                columns.setdefault(key, []).append(piece)
            continue
        flat = _by_shape(row_numbers, [flatten(data) for data in records])
        for flat_keys, (flat_numbers, flat_records) in flat.items():
            for key, piece in zip(flat_keys, _transpose(flat_numbers, flat_records), strict=True):
                columns.setdefault(key, []).append(piece)
    _make_way(columns)
    parts: list[ColumnPart] = []
    for key, pieces in {**own, **columns}.items():
        column = _join(pieces)
        if settle is not None and not column.types.isdisjoint((Carried, list)):
            column = column._replace(values=[_settled(value, settle) for value in column.values])
        parts.extend(_by_kind(key, column))
    return parts


def _add_blocks(own: dict[str, list[_Piece]], columns: dict[str, list[_Piece]], rows: Iterable[Row | Block]) -> None:
    for block in rows:
        if not isinstance(block, Row):
            numbers = range(block.row, block.next_row)
            own["_step"].append(_Piece(numbers, block.steps, {int}))
            own["_time"].append(_Piece(numbers, block.times_us, {int}))
            for key, values in block.columns.items():
                columns.setdefault(key, []).append(_Piece(numbers, values, {type(values[0].item())}))


def _make_way(columns: dict[str, list[_Piece]]) -> None:
    """Give a user's columns that are called like ours another name: "_step" becomes "_step_"."""
    for key in ("_step", "_time"):
        if key in columns:
            free = f"{key}_"
            while free in columns:
                free += "_"
            columns[free] = columns.pop(key)


def _settled(value: Any, settle: Settle) -> Any:
    if isinstance(value, Carried):
        return settle(value)
    if isinstance(value, list):
        return [_settled(item, settle) for item in cast("list[Any]", value)]
    return value


class _Piece(NamedTuple):
    rows: Sequence[int]
    values: Any  # a sequence, or an array from a block
    types: set[type]


def _by_shape(
    numbers: list[int], records: list[dict[str, Any]]
) -> dict[tuple[str, ...], tuple[list[int], list[dict[str, Any]]]]:
    """Sort rows by the keys they have, in the order of the keys."""
    shapes: dict[tuple[str, ...], tuple[list[int], list[dict[str, Any]]]] = {}
    shape: tuple[list[int], list[dict[str, Any]]] | None
    for number, data in zip(numbers, records, strict=True):
        keys = tuple(data)
        shape = shapes.get(keys)
        if shape is None:
            shape = shapes[keys] = ([], [])
        shape[0].append(number)
        shape[1].append(data)
    return shapes


def _transpose(numbers: list[int], records: list[dict[str, Any]]) -> list[_Piece]:
    values: Iterable[tuple[Any, ...]] = zip(*[record.values() for record in records], strict=True)
    return [_Piece(numbers, column, set(map(type, column))) for column in values]


def _is_flat(keys: tuple[Any, ...], pieces: list[_Piece]) -> bool:
    plain = all(type(key) is str and "\0" not in key and len(key) <= _SHORT for key in keys)
    return plain and not any(dict in piece.types for piece in pieces)


def _join(pieces: list[_Piece]) -> _Piece:
    """Put a column's values from several shapes back into the order of their rows."""
    if len(pieces) == 1:
        return pieces[0]
    types: set[type] = set()
    types.update(*(piece.types for piece in pieces))
    if len(types) == 1 and any(hasattr(piece.values, "dtype") for piece in pieces):
        joined = _join_arrays(pieces, types)
        if joined is not None:
            return joined
    rows = [row for piece in pieces for row in piece.rows]
    values = [
        value
        for piece in pieces
        for value in (piece.values.tolist() if hasattr(piece.values, "dtype") else piece.values)
    ]
    order = sorted(range(len(rows)), key=rows.__getitem__)
    return _Piece([rows[at] for at in order], [values[at] for at in order], types)


def _join_arrays(pieces: list[_Piece], types: set[type]) -> _Piece | None:
    """Join pieces of one type, some of them arrays; None where an integer is too large for an array."""
    import numpy as np

    dtype = next(piece.values.dtype for piece in pieces if hasattr(piece.values, "dtype"))
    pieces = sorted(pieces, key=lambda piece: piece.rows[0])
    try:
        values = np.concatenate([np.asarray(piece.values, dtype=dtype) for piece in pieces])
    except OverflowError:
        return None
    first, last = pieces[0].rows[0], pieces[-1].rows[-1]
    if last - first + 1 == len(values) and all(before.rows[-1] < piece.rows[0] for before, piece in pairwise(pieces)):
        return _Piece(range(first, last + 1), values, types)
    rows = np.concatenate([_row_numbers(piece.rows) for piece in pieces])
    if not bool((rows[1:] > rows[:-1]).all()):
        order = np.argsort(rows, kind="stable")
        rows, values = rows[order], values[order]
    return _Piece(rows.tolist(), values, types)


def _row_numbers(rows: Sequence[int]) -> Any:
    import numpy as np

    return np.arange(rows.start, rows.stop) if isinstance(rows, range) else np.asarray(rows, dtype=np.int64)


def _by_kind(key: str, column: _Piece) -> Iterator[ColumnPart]:
    if hasattr(column.values, "dtype"):
        yield ColumnPart(key, _ARRAY_KINDS[column.values.dtype.kind], _compact(column.rows), column.values)
        return
    if len(column.types) == 1:
        (only,) = column.types
        kind = _SIMPLE_KINDS.get(only)
        if only is int and min(column.values) >= -(2**63) and max(column.values) < 2**63:
            kind = "int64"
        if kind is not None:
            yield ColumnPart(key, kind, _compact(column.rows), as_numbers(kind, column.values))
            return
    kinds: dict[str, tuple[list[int], list[Any]]] = {}
    for row, value in zip(column.rows, column.values, strict=True):
        rows, values = kinds.setdefault(kind_of(value), ([], []))
        rows.append(row)
        values.append(value)
    for kind, (rows, values) in kinds.items():
        yield ColumnPart(key, kind, _compact(rows), values)


def _compact(rows: Sequence[int]) -> Sequence[int]:
    first, last = rows[0], rows[-1]
    return range(first, last + 1) if last - first + 1 == len(rows) else rows


def flatten(data: Mapping[Any, Any], prefix: str = "") -> dict[str, Any]:
    """Write nested dicts as `a/b`; an empty dict stays a value."""
    flat: dict[str, Any] = {}
    for key, value in data.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict) and value:
            flat.update(flatten(cast("dict[Any, Any]", value), f"{name}/"))
        else:
            flat[index_name(name)] = value
    return flat


def index_name(name: str) -> str:
    """Return the form of a name that any database can have in an index; a long one ends in a hash of the whole."""
    name = name.replace("\0", NUL)
    if len(name) <= _SHORT or len(data := name.encode("utf-8", "replace")) <= MAX_NAME_BYTES:
        return name
    import xxhash

    digest = xxhash.xxh3_128_hexdigest(data)
    return f"{data[: MAX_NAME_BYTES - len(digest) - 1].decode('utf-8', 'ignore')}~{digest}"
