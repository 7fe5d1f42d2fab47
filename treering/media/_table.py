"""Tables: rows for people, columns for the store."""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import msgspec

from treering.errors import CorruptData, UsageError
from treering.media import _cells
from treering.media._arrays import as_array, is_array
from treering.media._base import INLINE_BYTES, Blobs, Media, Payload, checked, type_name
from treering.store.values import decode, encode

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Table", "is_frame"]

_ROWS_SHOWN = 20


class _Form(msgspec.Struct):
    columns: list[str]
    types: list[str]
    rows: int
    cells: list[list[Any]] | None = None
    data: bytes | None = None
    blob: str | None = None
    uses: list[str] = msgspec.field(default_factory=list[str])


class Table(Media):
    """Rows of cells under named columns.

    A cell holds None, a bool, number, text, bytes, date or time, a nested list or dict of these, a small array, or
    another medium such as an `Image`. Cells are copied as they are added. A column's type is found from its cells.

    Args:
        columns: names, in order. Without it: the keys of `data`'s dicts, the frame's own names, or "0", "1", ...
        data: rows (sequences or dicts), a mapping from names to columns, a 2-D array, or a data frame.
        rows: another word for `data`.
        dataframe: a pandas or polars frame or an Arrow table; of pandas the index is left out.

    Raises:
        UsageError: rows of unequal length, names given twice, more than one of `data`, `rows` and `dataframe`.
        UnsupportedValue: a cell that cannot be stored; the text names its row and column.
    """

    __slots__ = ("_cells", "columns")

    kind = "table"

    def __init__(
        self,
        columns: Sequence[str] | None = None,
        data: object = None,
        rows: object = None,
        dataframe: object = None,
    ) -> None:
        given = [
            (name, value)
            for name, value in (("data", data), ("rows", rows), ("dataframe", dataframe))
            if value is not None
        ]
        if len(given) > 1:
            raise UsageError(
                f"Table got {' and '.join(name for name, _ in given)}; it takes one of data, rows and dataframe. "
                "Leave out the others."
            )
        name, source = given[0] if given else ("data", ())
        if name == "dataframe" and not is_frame(source):
            raise UsageError(
                f"Table got a {type_name(source)} as dataframe; it takes a pandas or polars frame or an Arrow table. "
                "Give other data as data=."
            )
        found, lists = _read_source(source, None if columns is None else [str(one) for one in columns])
        self.columns: list[str] = found
        doubled = {one for one in found if found.count(one) > 1}
        if doubled:
            raise UsageError(
                f"Table got the column names {sorted(doubled)} twice; it takes different ones. Rename them."
            )
        self._cells: list[list[_cells.Cell]] = [
            [_cells.plain(value, column, number) for number, value in enumerate(values)]
            for column, values in zip(found, lists, strict=True)
        ]

    def __len__(self) -> int:
        return len(self._cells[0]) if self._cells else 0

    @property
    def data(self) -> list[list[Any]]:
        """The rows, as lists; a copy."""
        return [list(row) for row in zip(*self._cells, strict=True)]

    @property
    def types(self) -> dict[str, str]:
        """The type of each column: "bool", "int", "number", "string", "image", ..., "empty", or "mixed"."""
        return {name: _cells.type_of(cells) for name, cells in zip(self.columns, self._cells, strict=True)}

    def iterrows(self) -> Iterator[tuple[int, list[Any]]]:
        """Yield each row's number, from 0, and its cells."""
        for number, row in enumerate(zip(*self._cells, strict=True)):
            yield number, list(row)

    def column(self, name: str) -> list[Any]:
        """Return the cells of one column; a copy.

        Raises:
            UsageError: no such column.
        """
        if name not in self.columns:
            raise UsageError(f"Table has no column {name!r}; it has {self.columns}. Choose one of these.")
        return list(self._cells[self.columns.index(name)])

    get_column = column

    def add_data(self, *cells: object) -> None:
        """Add one row, its cells in the order of the columns.

        Raises:
            UsageError: more or fewer cells than columns.
            UnsupportedValue: a cell that cannot be stored.
        """
        if not self.columns and not len(self):
            self.columns = [str(number) for number in range(len(cells))]
            self._cells = [[] for _ in cells]
        if len(cells) != len(self.columns):
            raise UsageError(
                f"Table got a row of {len(cells)} cells; it takes {len(self.columns)}, one for each of {self.columns}. "
                "Use None where there is no value."
            )
        row = [_cells.plain(cell, name, len(self)) for cell, name in zip(cells, self.columns, strict=True)]
        for column, cell in zip(self._cells, row, strict=True):
            column.append(cell)

    def add_row(self, *row: object) -> None:
        """Add one row, given as cells or as one sequence or dict of them; see `add_data`."""
        if len(row) == 1 and isinstance(row[0], Mapping):
            by_name = cast("Mapping[str, object]", row[0])
            unknown = [name for name in by_name if name not in self.columns]
            if unknown:
                raise UsageError(
                    f"Table got a row with {unknown}; its columns are {self.columns}. Use add_column first."
                )
            self.add_data(*(by_name.get(name) for name in self.columns))
        elif len(row) == 1 and isinstance(row[0], (list, tuple)):
            self.add_data(*cast("Sequence[object]", row[0]))
        else:
            self.add_data(*row)

    def add_column(self, name: str, data: Iterable[object]) -> None:
        """Add one column.

        Raises:
            UsageError: the name is taken, or there are more or fewer cells than rows.
            UnsupportedValue: a cell that cannot be stored.
        """
        cells = [_cells.plain(value, name, number) for number, value in enumerate(_as_list(data))]
        if name in self.columns:
            raise UsageError(f"Table has a column {name!r} already; choose another name.")
        if self.columns and len(cells) != len(self):
            raise UsageError(f"Table got a column of {len(cells)} cells; it takes {len(self)}, one for each row.")
        self.columns.append(name)
        self._cells.append(cells)

    def to_pandas(self) -> Any:
        """Return the table as a pandas frame.

        Raises:
            ModuleNotFoundError: pandas is not installed.
        """
        import pandas as pd

        return pd.DataFrame({name: list(cells) for name, cells in zip(self.columns, self._cells, strict=True)})

    get_dataframe = to_pandas

    def to_payload(self) -> Payload:
        """See `Media`."""
        types = [_cells.type_of(cells) for cells in self._cells]
        cells = [_cells.pack(column, name) for column, name in zip(self._cells, types, strict=True)]
        return {"columns": list(self.columns), "types": types, "rows": len(self), "cells": cells}

    @classmethod
    def from_payload(cls, payload: Payload) -> Self:
        """See `Media`."""
        form = checked(payload, _Form, "a Table")
        return cls._made(form, form.cells, None)

    @classmethod
    def _made(cls, form: _Form, cells: list[list[Any]] | None, blobs: Blobs | None) -> Self:
        lengths = {len(column) for column in cells or ()}
        if cells is None or not len(form.columns) == len(form.types) == len(cells) or not lengths <= {form.rows}:
            raise CorruptData(f"a Table in the store is damaged: its {len(form.columns)} columns do not fit together")
        self = cls.__new__(cls)
        self.columns = list(form.columns)
        try:
            self._cells = [_cells.unpack(column, name, blobs) for column, name in zip(cells, form.types, strict=True)]
        except (TypeError, ValueError, KeyError) as error:
            raise CorruptData(f"a Table in the store is damaged: {error}") from error
        return self

    @classmethod
    def store(cls, payload: Payload, blobs: Blobs) -> Payload:
        """See `Media`."""
        from treering.zstd import pack

        uses: list[str] = []
        cells = [
            _cells.store(column, name, blobs, uses)
            for column, name in zip(payload["cells"], payload["types"], strict=True)
        ]
        reference: Payload = {name: payload[name] for name in ("columns", "types", "rows")}
        data = pack(encode(cells), 3)
        if len(data) <= INLINE_BYTES:
            reference["data"] = data
        else:
            reference["blob"] = blobs.put(data)
        if uses:
            reference["uses"] = sorted(set(uses))
        return reference

    @classmethod
    def load(cls, reference: Payload, blobs: Blobs) -> Self:
        """See `Media`."""
        from treering.zstd import ZstdError, unpack

        form = checked(reference, _Form, "a Table")
        data = form.data if form.blob is None else blobs.get(form.blob)
        if data is None:
            return cls.from_payload(reference)
        try:
            cells = msgspec.convert(decode(unpack(data)), list[list[Any]])
        except (ZstdError, msgspec.MsgspecError) as error:
            raise CorruptData(f"a Table in the store is damaged: {error}") from error
        return cls._made(form, cells, blobs)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Table):
            return NotImplemented
        if self.columns != other.columns or self.types != other.types:
            return False
        return all(_cells.equal(a, b) for a, b in zip(self._cells, other._cells, strict=True))

    __hash__ = None

    def __repr__(self) -> str:
        names = ", ".join(f"{name}: {kind}" for name, kind in self.types.items())
        return f"Table({len(self)} rows; {names})"

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{html.escape(name)}</th>" for name in self.columns)
        body = "".join(
            "<tr>" + "".join(f"<td>{_cells.to_html(cells[row])}</td>" for cells in self._cells) + "</tr>"
            for row in range(min(len(self), _ROWS_SHOWN))
        )
        more = f"<caption>{_ROWS_SHOWN} of {len(self)} rows</caption>" if len(self) > _ROWS_SHOWN else ""
        return f"<table>{more}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def is_frame(value: object) -> bool:
    """Say whether `value` is a data frame: pandas, polars, or an Arrow table."""
    if isinstance(value, type):
        return False
    return (hasattr(value, "columns") and (hasattr(value, "iloc") or hasattr(value, "get_columns"))) or (
        hasattr(value, "column_names") and hasattr(value, "itercolumns")
    )


def _read_source(source: object, names: list[str] | None) -> tuple[list[str], list[list[object]]]:
    """Return names and columns of whatever `Table` takes."""
    if is_frame(source):
        found, lists = _read_frame(source)
    elif isinstance(source, Mapping):
        by_name = cast("Mapping[object, object]", source)
        found, lists = [str(name) for name in by_name], [_as_list(values) for values in by_name.values()]
        if len({len(values) for values in lists}) > 1:
            raise UsageError(
                f"Table got columns of {', '.join(str(len(values)) for values in lists)} cells; it takes columns of "
                "equal length. Fill the short ones with None."
            )
    else:
        return _read_rows(_as_list(source), names)
    if names is None:
        return found, lists
    missing = [name for name in names if name not in found]
    if missing:
        raise UsageError(f"Table got data without the columns {missing}; it has {found}. Choose among these.")
    return names, [lists[found.index(name)] for name in names]


def _read_frame(frame: Any) -> tuple[list[str], list[list[object]]]:
    if hasattr(frame, "iloc"):  # pandas
        found = [str(name) for name in frame.columns]
        return found, [frame.iloc[:, number].tolist() for number in range(len(found))]
    if hasattr(frame, "get_columns"):  # polars
        return list(frame.columns), [series.to_list() for series in frame.get_columns()]
    return list(frame.column_names), [column.to_pylist() for column in frame.itercolumns()]


def _read_rows(rows: list[object], names: list[str] | None) -> tuple[list[str], list[list[object]]]:
    if rows and all(isinstance(row, Mapping) for row in rows):
        dicts = cast("list[Mapping[object, object]]", rows)
        if names is None:
            names = list(dict.fromkeys(str(name) for row in dicts for name in row))
        keyed = [{str(name): value for name, value in row.items()} for row in dicts]
        return names, [[row.get(name) for row in keyed] for name in names]
    lists: list[list[object]] = []
    for number, row in enumerate(rows):
        if _is_no_row(row):
            raise UsageError(
                f"Table got a {type_name(row)} as row {number}; it takes rows that are all sequences or all dicts. For "
                "one column write data=[[x] for x in values]."
            )
        lists.append(list(cast("Iterable[object]", row)))
    if names is None:
        names = [str(number) for number in range(len(lists[0]) if lists else 0)]
    for number, cells in enumerate(lists):
        if len(cells) != len(names):
            raise UsageError(
                f"Table got {len(cells)} cells in row {number}; it takes {len(names)}, one for each of {names}. Use "
                "None where there is no value."
            )
    return names, [list(cells) for cells in zip(*lists, strict=True)] if lists else [[] for _ in names]


def _is_no_row(value: object) -> bool:
    return isinstance(value, (str, bytes, Mapping)) or not hasattr(value, "__iter__")


def _as_list(values: object) -> list[object]:
    if is_array(values):
        values = as_array(values).tolist()
    if isinstance(values, (str, bytes)) or not hasattr(values, "__iter__"):
        raise UsageError(
            f"Table got a {type_name(values)} as data; it takes rows, a mapping from names to columns, a 2-D array or "
            "a data frame. Put the rows into a list."
        )
    return list(cast("Iterable[object]", values))
