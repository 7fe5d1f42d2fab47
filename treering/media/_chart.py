"""Charts of a program's own, described in Vega-Lite, with their data inside."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, Literal, cast

from treering.errors import CorruptData, UnsupportedValue, UsageError
from treering.media._base import type_name
from treering.media._files import FileForm, FileMedia, checked_caption
from treering.media._table import Table, is_frame

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Chart", "is_altair"]

#: More than a picture has room for; a browser slows down beyond.
_MOST_ROWS = 100_000
_SHAPES = frozenset(("mark", "layer", "concat", "hconcat", "vconcat", "facet", "repeat", "spec"))
_TAKES = "a Vega-Lite description as a dict or JSON, or a chart of Altair"


class _Form(FileForm, kw_only=True):
    format: Literal["vega-lite"]


class Chart(FileMedia):
    """A chart described in Vega-Lite, or made with Altair.

    Args:
        spec: the description, as a dict or JSON text, or a chart of Altair, which brings its data.
        data: rows for it: a `Table`, a data frame, or a list of dicts. What is not finite is left out of the drawing.
        caption: text to show with the chart.

    Raises:
        UnsupportedValue: something that is no description.
        UsageError: a description without a mark, one that would fetch data, or more than 100,000 rows.
    """

    __slots__ = ()

    kind = "chart"
    form = _Form
    inline_bytes = 0  # one way to read it is enough

    def __init__(self, spec: object, data: object = None, caption: str | None = None) -> None:
        self.caption, self.format = checked_caption(caption, "Chart"), "vega-lite"
        described = _described(spec)
        if data is not None:
            described["data"] = {"values": _rows(data)}
        if not _SHAPES.intersection(described):
            raise UsageError(f"Chart got a description without a mark; it takes {_TAKES}. Add 'mark': 'point'.")
        if _fetches(described):
            raise UsageError("Chart got data with a url, which nobody will fetch; give the rows themselves.")
        try:
            text = json.dumps(_finite(described), ensure_ascii=False, allow_nan=False, default=_plain)
        except (TypeError, ValueError) as error:
            raise UnsupportedValue(f"Chart got a description that is no JSON ({error}); it takes {_TAKES}.") from error
        self._data = text.encode("utf-8", "backslashreplace")

    @property
    def spec(self) -> dict[str, Any]:
        """The description, with its data.

        Raises:
            CorruptData: what is in the store is none.
        """
        try:
            found = json.loads(self.to_bytes())
        except ValueError as error:
            raise CorruptData(f"the Chart in the store is damaged: {error}") from error
        return cast("dict[str, Any]", found)

    def __repr__(self) -> str:
        caption = "" if self.caption is None else f", caption={self.caption!r}"
        return f"Chart({len(self.to_bytes()):,} bytes{caption})"

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        del include, exclude
        return {"application/vnd.vegalite.v5+json": self.spec, "text/plain": repr(self)}


def is_altair(value: object) -> bool:
    """Say whether `value` is a chart of Altair."""
    return hasattr(value, "to_dict") and any(
        cls.__module__.partition(".")[0] == "altair" for cls in type(value).__mro__
    )


def _described(spec: object) -> dict[str, Any]:
    if is_altair(spec):
        return dict(cast("Any", spec).to_dict())
    if isinstance(spec, str):
        try:
            spec = json.loads(spec)
        except ValueError as error:
            raise UsageError(f"Chart got text that is no JSON ({error}); it takes {_TAKES}.") from error
    if not isinstance(spec, dict):
        raise UnsupportedValue(f"Chart got a {type_name(spec)}; it takes {_TAKES}.")
    return dict(cast("dict[str, Any]", spec))


def _rows(data: object) -> list[Mapping[str, Any]]:
    table = Table(dataframe=data) if is_frame(data) else data
    if isinstance(table, Table):
        rows: list[Any] = [dict(zip(table.columns, row, strict=True)) for row in table.data]
    elif isinstance(table, (list, tuple)):
        rows = list(cast("list[Any]", table))
    else:
        raise UnsupportedValue(
            f"Chart got a {type_name(data)} as data; it takes a Table, a data frame, or a list of dicts."
        )
    if len(rows) > _MOST_ROWS:
        raise UsageError(
            f"Chart got {len(rows):,} rows; it takes up to {_MOST_ROWS:,}. Log the values themselves: any number fits."
        )
    return rows


def _fetches(value: object) -> bool:
    if isinstance(value, dict):
        found = cast("dict[str, object]", value)
        data = found.get("data")
        asks = isinstance(data, dict) and "url" in data
        return asks or any(_fetches(item) for key, item in found.items() if key not in {"values", "datasets"})
    return isinstance(value, list) and any(_fetches(item) for item in cast("list[object]", value))


def _finite(value: object) -> object:
    """Return `value` with None for numbers that JSON does not have."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in cast("dict[str, object]", value).items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in cast("list[object]", value)]
    return value


def _plain(value: object) -> object:
    """Return numbers and arrays of NumPy and its kin, and times, as JSON has them."""
    if hasattr(value, "tolist"):
        return _finite(cast("Any", value).tolist())
    if hasattr(value, "isoformat"):
        return cast("Any", value).isoformat()
    raise TypeError(f"it holds a {type_name(value)}")
