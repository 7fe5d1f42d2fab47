"""Charts of a table's columns; `treering.plot` has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from treering.errors import UsageError
from treering.media import Chart, Table

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["bar", "histogram", "line", "line_series", "scatter"]


def line(table: Table, x: str, y: str, stroke: str | None = None, title: str | None = None, **_: object) -> Chart:
    """Draw one column over another as a line, or as one for each value of `stroke`.

    Raises:
        UsageError: the table has no such column.
    """
    return _drawn(
        "line", table, {"x": (x, "quantitative"), "y": (y, "quantitative"), "color": (stroke, "nominal")}, title
    )


def scatter(table: Table, x: str, y: str, title: str | None = None, **_: object) -> Chart:
    """Draw a point for each row.

    Raises:
        UsageError: the table has no such column.
    """
    return _drawn("point", table, {"x": (x, "quantitative"), "y": (y, "quantitative")}, title)


def bar(table: Table, label: str, value: str, title: str | None = None, **_: object) -> Chart:
    """Draw a bar for each row, in the table's order.

    Raises:
        UsageError: the table has no such column.
    """
    return _drawn("bar", table, {"y": (label, "nominal"), "x": (value, "quantitative")}, title, sort=None)


def histogram(table: Table, value: str, title: str | None = None, **_: object) -> Chart:
    """Count the values of a column in bins.

    Raises:
        UsageError: the table has no such column.
    """
    return _drawn("bar", table, {"x": (value, "quantitative")}, title, bins=True)


def line_series(
    xs: Any,
    ys: Any,
    keys: Sequence[str] | None = None,
    title: str | None = None,
    xname: str = "x",
    **_: object,
) -> Chart:
    """Draw several lines.

    Args:
        xs: the places of all lines, or those of each; sequences or arrays.
        ys: the values of each line.
        keys: names of the lines; default "0", "1", ...
        title: of the chart.
        xname: name of the axis.

    Raises:
        UsageError: lengths that do not fit.
    """
    names = [str(at) for at in range(len(ys))] if keys is None else list(keys)
    places: list[Sequence[float]] = list(xs) if len(xs) and hasattr(xs[0], "__len__") else [xs] * len(ys)
    if not len(names) == len(ys) == len(places):
        raise UsageError(
            f"line_series got {len(places)} places, {len(ys)} lines and {len(names)} keys; give as many of each."
        )
    for name, x, y in zip(names, places, ys, strict=True):
        if len(x) != len(y):
            raise UsageError(f"line_series got {len(x)} places for the {len(y)} values of {name!r}; give as many.")
    rows = [[a, b, name] for name, x, y in zip(names, places, ys, strict=True) for a, b in zip(x, y, strict=True)]
    return line(Table(columns=[xname, "value", "line"], data=rows), xname, "value", "line", title)


def _drawn(
    mark: str,
    table: Table,
    channels: dict[str, tuple[str | None, str]],
    title: str | None,
    *,
    bins: bool = False,
    sort: str | None = "ascending",
) -> Chart:
    encoding: dict[str, Any] = {}
    for channel, (column, kind) in channels.items():
        if column is not None:
            cells = table.column(column)
            shown_as = "nominal" if any(isinstance(cell, str) for cell in cells) else kind
            # A name may hold what means something to Vega: dots and brackets lead into objects.
            field = "".join(f"\\{letter}" if letter in ".[]\\'" + '"' else letter for letter in column)
            encoding[channel] = {"field": field, "type": shown_as, "title": column}
    if bins:
        encoding = {"x": {**encoding["x"], "bin": {"maxbins": 30}}, "y": {"aggregate": "count", "title": "count"}}
    if sort is None:
        encoding["y"]["sort"] = None
    shown: dict[str, Any] = {"mark": {"type": mark, "tooltip": True}, "encoding": encoding}
    wanted = [column for column, _ in channels.values() if column is not None]
    rows = zip(*(table.column(column) for column in wanted), strict=True)
    data = [dict(zip(wanted, row, strict=True)) for row in rows]
    return Chart(shown if not title else {"title": title, **shown}, data)
