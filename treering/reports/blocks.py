"""What a fenced block of a report asks for: curves of runs (`chart`) or a table of them (`runs`), in YAML or JSON."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, fields
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, cast

from treering.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["KINDS", "RUN_FIELDS", "BlockError", "ChartBlock", "Chosen", "RunsBlock", "read_block"]

#: The first word after the fence of a block that is ours.
KINDS = ("chart", "runs")
#: What a column of a table can be besides config.KEY and summary.KEY.
RUN_FIELDS = ("name", "id", "state", "created", "duration", "group", "job_type", "tag", "notes", "attempts")
_SMOOTHINGS = ("none", "ema", "gauss", "mean", "median")
_LOGS = {"": "", "none": "", "x": "x", "y": "y", "xy": "xy", "yx": "xy"}
_LONGEST_TEXT = 20_000
_MOST_KEYS = 30
_MOST_BRACKETS = 200
_MOST_COLUMNS = 50
_MOST_RUNS = 500
_HEIGHTS = (100, 1000)


class BlockError(UsageError):
    """A block that cannot be read; the text says where and what is taken."""


@dataclass(frozen=True)
class Chosen:
    """Which runs a block is about.

    Attributes:
        title: above it; "" for none.
        project: "" for the report's own.
        filter: as `Api.runs` takes it.
        runs: ids, which say it exactly; empty for what the filter finds.
        order: as `Api.runs` takes it.
        limit: at most so many runs.
    """

    title: str = ""
    project: str = ""
    filter: str = ""
    runs: tuple[str, ...] = ()
    order: str = "-created"
    limit: int = 20


@dataclass(frozen=True)
class ChartBlock(Chosen):
    """Curves: one chart for each key.

    Attributes:
        keys: metrics; one with * stands for all that match.
        x: "" for what each metric says of itself, else _step, _time, _runtime or a metric.
        smoothing: kind and strength (0 to 100), as on a project's page.
        log: the axes that are logarithmic: "", "x", "y" or "xy".
        range: of the x axis, or None for all of it.
        height: of a chart, in pixels.
    """

    keys: tuple[str, ...] = ()
    x: str = ""
    smoothing: tuple[str, float] = ("none", 0.0)
    log: str = ""
    range: tuple[float, float] | None = None
    height: int = 240


@dataclass(frozen=True)
class RunsBlock(Chosen):
    """A table.

    Attributes:
        columns: such as config.lr, summary.val/loss, state; empty for what tells the runs apart.
    """

    columns: tuple[str, ...] = ()


def read_block(kind: str, text: str) -> ChartBlock | RunsBlock:
    """Read a block.

    Args:
        kind: "chart" or "runs".
        text: what stands between the fences.

    Raises:
        BlockError: it cannot be read; the text says the line, what was found, and what is taken.
    """
    if kind not in KINDS:
        raise BlockError(f"there is no block {kind!r}; there are {' and '.join(KINDS)}")
    given = _mapping(kind, text)
    form = ChartBlock if kind == "chart" else RunsBlock
    known = [one.name for one in fields(form)]
    found: dict[str, Any] = {}
    for word, value in given.items():
        name = _SHORT.get(word, word)
        if name not in known:
            close = get_close_matches(str(word), known, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(known)}"
            raise BlockError(f"a {kind} has no {word!r}; {hint}")
        if value is not None:
            found[name] = _READERS[name](name, value)
    block = form(**found)
    if isinstance(block, ChartBlock) and not block.keys:
        raise BlockError("a chart needs keys: the metrics that it shows, such as `keys: [train/loss, val/*]`")
    if block.runs and block.filter:
        raise BlockError(f"a {kind} takes runs or filter, not both; add a condition on id to the filter")
    return block


def _mapping(kind: str, text: str) -> Mapping[str, Any]:
    from treering.sweeps.text import read_yaml

    if len(text) > _LONGEST_TEXT:
        raise BlockError(f"the block has {len(text):,} letters; {_LONGEST_TEXT:,} are taken")
    if not text.strip():
        return {}
    if text.count("[") + text.count("{") > _MOST_BRACKETS:  # reading them takes long where none is closed
        raise BlockError(f"the block has more than {_MOST_BRACKETS} brackets; a list needs one pair")
    try:
        data = read_yaml(text, kind).data
    except BlockError:
        raise
    except UsageError as error:
        raise BlockError(str(error)) from error
    except RecursionError as error:
        raise BlockError("the block is nested too deeply") from error
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise BlockError(f"a {kind} is written as `name: value` lines, such as `{_EXAMPLES[kind]}`")
    return cast("dict[str, Any]", data)


_EXAMPLES = {"chart": "keys: [train/loss]", "runs": "columns: [name, config.lr, summary.val/loss]"}
_SHORT = {"key": "keys", "column": "columns", "run": "runs", "smooth": "smoothing", "sort": "order", "xaxis": "x"}


def _text(name: str, value: Any) -> str:
    if not isinstance(value, (str, int, float)) or isinstance(value, bool):
        raise BlockError(f"{name} got {_told(value)}; it takes a text")
    return str(value)


def _texts(most: int) -> Callable[[str, Any], tuple[str, ...]]:
    def read(name: str, value: Any) -> tuple[str, ...]:
        items = cast("list[Any]", value) if isinstance(value, list) else [value]
        if len(items) > most:
            raise BlockError(f"{name} has {len(items)} items; up to {most} are taken")
        return tuple(dict.fromkeys(_text(name, item) for item in items))

    return read


def _columns(name: str, value: Any) -> tuple[str, ...]:
    found = tuple("tag" if column == "tags" else column for column in _texts(_MOST_COLUMNS)(name, value))
    for column in found:
        if column not in RUN_FIELDS and not re.match(r"(config|summary)\..", column, re.DOTALL):
            raise BlockError(
                f"there is no column {column!r}; write config.KEY, summary.KEY, or {', '.join(RUN_FIELDS)}"
            )
    return found


def _whole(low: int, high: int) -> Callable[[str, Any], int]:
    def read(name: str, value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise BlockError(f"{name} got {_told(value)}; it takes a whole number from {low} to {high}")
        return value

    return read


def _smoothing(name: str, value: Any) -> tuple[str, float]:
    """Read `ema 60`, `{kind: ema, strength: 60}` or 60."""
    if isinstance(value, dict):
        given = cast("dict[str, Any]", value)
        kind, strength = given.get("kind", "ema"), given.get("strength", 50)
    elif isinstance(value, str):
        kind, _, rest = value.strip().replace(":", " ").partition(" ")
        strength = rest.strip() or (0 if kind == "none" else 50)
    else:
        kind, strength = "ema", value
    try:
        number = float(strength) if not isinstance(strength, bool) else math.nan
    except (TypeError, ValueError):
        number = math.nan
    if kind not in _SMOOTHINGS or not 0 <= number <= 100:  # noqa: PLR2004  # the end of the scale
        raise BlockError(
            f"{name} got {_told(value)}; it takes a kind and a strength from 0 to 100, such as `ema 60` "
            f"({', '.join(_SMOOTHINGS)})"
        )
    return str(kind), number


def _log(name: str, value: Any) -> str:
    word = {True: "y", False: ""}.get(value) if isinstance(value, bool) else str(value).lower()
    found = _LOGS.get(word or "")
    if found is None:
        raise BlockError(f"{name} got {_told(value)}; it takes x, y or xy: the axes that are logarithmic")
    return found


def _range(name: str, value: Any) -> tuple[float, float]:
    items = cast("list[Any]", value) if isinstance(value, list) else []
    if (
        len(items) != 2  # noqa: PLR2004  # both ends
        or not all(isinstance(item, (int, float)) and math.isfinite(item) for item in items)
        or not items[0] < items[1]
    ):
        raise BlockError(f"{name} got {_told(value)}; it takes both ends of the x axis, such as [0, 1000]")
    return float(items[0]), float(items[1])


def _told(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."  # noqa: PLR2004  # as much as fits on a line


_READERS: Mapping[str, Callable[[str, Any], Any]] = {
    "title": _text,
    "project": _text,
    "filter": _text,
    "order": _text,
    "x": _text,
    "runs": _texts(_MOST_RUNS),
    "keys": _texts(_MOST_KEYS),
    "columns": _columns,
    "limit": _whole(1, _MOST_RUNS),
    "height": _whole(*_HEIGHTS),
    "smoothing": _smoothing,
    "log": _log,
    "range": _range,
}
