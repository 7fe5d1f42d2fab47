"""What reading a metric gives back: `Series` for one, `History` for several over one x axis."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np

from treering.api._tables import Filled, to_arrow, to_pandas, to_polars
from treering.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import numpy.typing as npt
    import pandas as pd
    import polars as pl
    import pyarrow as pa

    from treering.store.read_columns import Damage

    Values = npt.NDArray[Any]

__all__ = ["History", "Series"]

_SHOWN_ROWS = 10
_SHOWN_METRICS = 6


class Series:
    """One metric over an x axis, in the order in which it was logged.

    Iterating gives (x, value) pairs; `np.asarray(series)` gives the values.

    Attributes:
        key: the metric.
        x_key: what x is: "_step", "_time", "_runtime" (seconds), "_row" or a metric.
        x: (n,) places on the x axis; datetime64[us] in UTC for "_time".
        values: (n,) float64, int64 or bool; objects (text, media, lists) for the other kinds.
        kind: float64, int64, bool, text, json, histogram or media.
        row_numbers: (n,) number of each point's row in the run; negative ones are a parent's.
        total: points there are, before `samples` made them fewer.
        without_x: points left out because the x metric had no value yet.
        damage: what could not be read, in words; empty when all is well.
    """

    def __init__(  # noqa: PLR0913  # a plain record
        self,
        key: str,
        values: Values,
        *,
        kind: str,
        x_key: str,
        x: Values,
        row_numbers: Values,
        total: int | None = None,
        without_x: int = 0,
        damage: Sequence[Damage] = (),
    ) -> None:
        self.key = key
        self.kind = kind
        self.x_key = x_key
        self.x = x
        self.values = values
        self.row_numbers = row_numbers
        self.total = len(values) if total is None else total
        self.without_x = without_x
        self.damage = [item.message for item in damage]

    @property
    def rows(self) -> int:
        """Number of points."""
        return len(self.values)

    def __len__(self) -> int:
        return len(self.values)

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        return zip(self.x.tolist(), self.values.tolist(), strict=True)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Values:
        # NumPy before 2 knows no copy=None.
        array: Values = np.asarray(self.values, dtype) if copy is None else np.array(self.values, dtype, copy=copy)
        return array

    def to_numpy(self) -> Values:
        """Return the values."""
        return self.values

    def to_pandas(self) -> pd.Series[Any]:
        """Return a Series named after the metric, with x as its index."""
        frame = to_pandas({"x": Filled(self.x), "value": Filled(self.values)})
        values = cast("Any", frame.set_index("x")["value"])
        return cast("pd.Series[Any]", values.rename_axis(self.x_key).rename(self.key))

    def to_polars(self) -> pl.DataFrame:
        """Return a DataFrame of two columns, x and the metric."""
        return to_polars(self._columns())

    def to_arrow(self) -> pa.Table:
        """Return a table of two columns, x and the metric."""
        return to_arrow(self._columns())

    def _columns(self) -> dict[str, Filled]:
        # The two may be one and the same metric.
        name = self.key if self.key != self.x_key else f"{self.key}_value"
        return {self.x_key: Filled(self.x), name: Filled(self.values)}

    def __repr__(self) -> str:
        reduced = "" if self.total == len(self) else f" of {self.total:,}"
        text = f"{self.key!r} over {self.x_key!r}: {len(self):,}{reduced} points, {self.kind}"
        return f"Series({text}{_damaged(self.damage)})" + _table({self.x_key: self.x, self.key: self.values})


class History:
    """Several metrics over one x axis: a table with a row for each logged row that has any of them.

    Iterating gives the metrics' names; `history["loss"]` gives one as a `Series`, without the rows it is missing in.

    Attributes:
        x_key, x: as in `Series`.
        row_numbers: (n,) number of each row in the run.
        damage: what could not be read, in words.
    """

    def __init__(
        self,
        columns: Mapping[str, tuple[str, Filled]],
        *,
        x_key: str,
        x: Values,
        row_numbers: Values,
        damage: Sequence[Damage] = (),
    ) -> None:
        self._kinds = {key: kind for key, (kind, _) in columns.items()}
        self._filled = {key: filled for key, (_, filled) in columns.items()}
        self.x_key = x_key
        self.x = x
        self.row_numbers = row_numbers
        self._damage = list(damage)
        self.damage = [item.message for item in damage]

    def keys(self) -> list[str]:
        """Return the metrics' names."""
        return list(self._filled)

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.row_numbers)

    def __len__(self) -> int:
        return len(self.row_numbers)

    def __iter__(self) -> Iterator[str]:
        return iter(self._filled)

    def __contains__(self, key: object) -> bool:
        return key in self._filled

    def __getitem__(self, key: str) -> Series:
        if key not in self._filled:
            raise NotFound(f"this history has no {key!r}; it has {', '.join(map(repr, self._filled)) or 'no metric'}")
        filled = self._filled[key]
        present = slice(None) if filled.missing is None else ~filled.missing
        return Series(
            key,
            filled.values[present],
            kind=self._kinds[key],
            x_key=self.x_key,
            x=self.x[present],
            row_numbers=self.row_numbers[present],
            damage=self._damage,
        )

    def to_numpy(self) -> dict[str, Values]:
        """Return an array for x and for each metric, gaps as NaN or None."""
        return {name: column.to_numpy() for name, column in self._columns().items()}

    def to_pandas(self) -> pd.DataFrame:
        """Return a DataFrame: x first, then the metrics."""
        return to_pandas(self._columns())

    def to_polars(self) -> pl.DataFrame:
        """Return a DataFrame: x first, then the metrics; gaps are null."""
        return to_polars(self._columns())

    def to_arrow(self) -> pa.Table:
        """Return a table: x first, then the metrics; gaps are null."""
        return to_arrow(self._columns())

    def filled(self) -> dict[str, Filled]:
        """Return the metrics' columns with their gaps."""
        return dict(self._filled)

    def _columns(self) -> dict[str, Filled]:
        return {self.x_key: Filled(self.x), **{key: self._filled[key] for key in self if key != self.x_key}}

    def __repr__(self) -> str:
        more = len(self._filled) - _SHOWN_METRICS
        names = ", ".join(map(repr, self.keys()[:_SHOWN_METRICS])) + (f" and {more:,} more" if more > 0 else "")
        head = f"History({names or 'no metric'} over {self.x_key!r}: {len(self):,} rows{_damaged(self.damage)})"
        columns = {key: self._filled[key].to_numpy() for key in self.keys()[:_SHOWN_METRICS]}
        return head + _table({self.x_key: self.x, **columns})


def _damaged(damage: Sequence[str]) -> str:
    return f", {len(damage)} damaged places" if len(damage) > 1 else ", 1 damaged place" if damage else ""


def _table(columns: Mapping[str, Values]) -> str:
    """Return the first and last rows as text, one line each."""
    count = len(next(iter(columns.values())))
    if not count:
        return ""
    shown = range(count) if count <= _SHOWN_ROWS else [*range(5), *range(count - 5, count)]
    cells = [[name, *(_cell(values[at]) for at in shown)] for name, values in columns.items()]
    widths = [min(max(map(len, column)), 24) for column in cells]
    lines = [
        "  ".join(text[:24].rjust(width) for text, width in zip(row, widths, strict=True))
        for row in zip(*cells, strict=True)
    ]
    if count > _SHOWN_ROWS:
        lines.insert(6, "  ".join("...".rjust(width) for width in widths))
    return "\n" + "\n".join(f"  {line.rstrip()}" for line in lines)


def _cell(value: object) -> str:
    if isinstance(value, (float, np.floating)):
        return f"{value:.6g}"
    if isinstance(value, np.datetime64):
        return str(value.astype("datetime64[ms]")).replace("T", " ")
    return "" if value is None else str(value).replace("\n", " ")
