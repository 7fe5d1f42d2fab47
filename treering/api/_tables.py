"""Named columns with gaps, as pandas, polars or Arrow: each library imported only when it is asked for.

A missing value stays apart from a NaN wherever the library can tell them apart.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np

from treering._framework import framework

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt
    import pandas as pd
    import polars as pl
    import pyarrow as pa

__all__ = ["Filled", "column_of", "plain", "to_arrow", "to_pandas", "to_polars"]


class Filled(NamedTuple):
    """One column of a table.

    Attributes:
        values: (n,) float64, int64, bool, datetime64[us] (UTC) or objects; what stands in a gap means nothing.
        missing: (n,) where the gaps are; None for no gap.
    """

    values: npt.NDArray[Any]
    missing: npt.NDArray[np.bool_] | None = None

    def to_numpy(self) -> npt.NDArray[Any]:
        """Return the values with gaps as NaN, NaT or None; integers and bools with gaps become floats and objects."""
        if self.missing is None:
            return self.values
        roomy = {"i": np.float64, "b": np.object_}.get(self.values.dtype.kind, self.values.dtype)
        filled: npt.NDArray[Any] = np.array(self.values, dtype=roomy)
        filled[self.missing] = {"f": np.nan, "M": np.datetime64("NaT")}.get(filled.dtype.kind)
        return filled


def column_of(values: Sequence[Any]) -> Filled:
    """Return a column of Python values in the narrowest type that holds them all; None is a gap."""
    missing = np.array([value is None for value in values], dtype=np.bool_)
    kinds: set[type] = {type(value) for value in values if value is not None}
    gaps = missing if missing.any() else None
    for kinds_held, dtype, filler in (({bool}, np.bool_, False), ({int}, np.int64, 0), ({int, float}, np.float64, 0.0)):
        if kinds and kinds <= kinds_held:
            try:
                return Filled(np.array([filler if value is None else value for value in values], dtype=dtype), gaps)
            except OverflowError:  # beyond 64 bits
                break
    if kinds == {datetime}:
        times = [0 if value is None else round(value.timestamp() * 1e6) for value in values]
        return Filled(np.array(times, dtype="datetime64[us]"), gaps)
    return Filled(np.fromiter(values, dtype=object, count=len(values)), gaps)


def to_pandas(columns: Mapping[str, Filled]) -> pd.DataFrame:
    """Return a DataFrame; integers and bools with gaps use pandas' nullable types, times are in UTC."""
    with framework("pandas", extra="pandas"):
        import pandas as pd
    frame: pd.DataFrame = pd.DataFrame({name: _pandas_column(column) for name, column in columns.items()})
    return frame


def _pandas_column(column: Filled) -> Any:
    import pandas as pd

    if column.values.dtype.kind == "M":
        return pd.Series(column.to_numpy()).dt.tz_localize("UTC")
    if column.missing is None or column.values.dtype.kind not in "ib":
        return pd.Series(column.to_numpy(), dtype=object if column.values.dtype == object else None)
    # Both of these hold values and a mask of their own, so nothing is rounded and nothing guessed.
    arrays: Any = pd.arrays
    array = arrays.IntegerArray if column.values.dtype.kind == "i" else arrays.BooleanArray
    return pd.Series(array(column.values.copy(), column.missing.copy()))


def to_polars(columns: Mapping[str, Filled]) -> pl.DataFrame:
    """Return a DataFrame; texts stay texts, other objects become JSON."""
    with framework("polars", extra="polars"):
        import polars as pl
    return pl.DataFrame([_polars_column(name, column) for name, column in columns.items()])


def _polars_column(name: str, column: Filled) -> pl.Series:
    import polars as pl

    if column.values.dtype == object:
        return pl.Series(name, _texts(column), dtype=pl.String)
    series = pl.Series(name, column.values, nan_to_null=False)
    if column.values.dtype.kind == "M":
        series = series.dt.replace_time_zone("UTC")
    return series if column.missing is None else series.set(pl.Series(column.missing), None)


def to_arrow(columns: Mapping[str, Filled]) -> pa.Table:
    """Return a table; texts stay texts, other objects become JSON."""
    with framework("pyarrow", extra="arrow"):
        import pyarrow as pa
    arrays: dict[str, Any] = {}
    for name, column in columns.items():
        if column.values.dtype == object:
            arrays[name] = pa.array(_texts(column), type=pa.string())
        else:
            kind = pa.timestamp("us", tz="UTC") if column.values.dtype.kind == "M" else None
            arrays[name] = pa.array(column.values, type=kind, mask=column.missing, from_pandas=False)
    return pa.table(arrays)


def _texts(column: Filled) -> list[str | None]:
    import msgspec

    texts: list[str | None] = []
    for at, value in enumerate(column.values.tolist()):
        if column.missing is not None and column.missing[at]:
            texts.append(None)
        elif isinstance(value, str):
            texts.append(value)
        else:
            texts.append(msgspec.json.encode(plain(value)).decode())
    return texts


def plain(value: object) -> object:
    """Return what JSON can hold in place of media, bytes, and numbers that JSON has no word for."""
    if isinstance(value, float):
        return value if abs(value) <= np.finfo(np.float64).max else str(value)
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in cast("Sequence[object]", value)]
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in cast("dict[object, object]", value).items()}
    if isinstance(value, bytes):
        return value.hex()
    payload = _payload(value)
    return str(value) if payload is None else {"_kind": str(getattr(value, "kind", "")), **payload}


def _payload(value: Any) -> dict[str, object] | None:
    """Return the plain data of media, as an object or as stored; None for anything else."""
    payload: object = value.to_payload() if hasattr(value, "to_payload") else getattr(value, "payload", None)
    if not isinstance(payload, dict):
        return None
    return {str(key): plain(item) for key, item in cast("dict[object, object]", payload).items()}
