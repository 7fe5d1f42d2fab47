"""What a block asks for, looked up in a store: which runs, which metrics, which columns."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from treering.api._listing import Runs, leaves
from treering.errors import NotFound, UsageError
from treering.reports.blocks import BlockError, ChartBlock, Chosen, RunsBlock
from treering.store.values import NUMERIC

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from treering.api import Api, ApiRun

__all__ = ["Curve", "FoundChart", "FoundRuns", "find", "read_curve", "telling"]

_MOST_KEYS = 30
_MOST_FOUND_COLUMNS = 12
_SHOWN_LETTERS = 200


@dataclass(frozen=True)
class FoundRuns:
    """The runs of a block.

    Attributes:
        block: what was asked.
        runs: in its order.
        more: whether there are more than its limit.
        columns: of the table.
    """

    block: RunsBlock
    runs: Sequence[ApiRun]
    more: bool
    columns: tuple[str, ...]


@dataclass(frozen=True)
class FoundChart:
    """The curves of a block.

    Attributes:
        block: what was asked.
        runs: in its order.
        more: whether there are more than its limit.
        keys: metrics, each with its x axis; those that no run has are left out.
        missing: keys that no run has.
    """

    block: ChartBlock
    runs: Sequence[ApiRun]
    more: bool
    keys: tuple[tuple[str, str], ...]
    missing: tuple[str, ...]


def find(api: Api, project: str, block: ChartBlock | RunsBlock) -> FoundChart | FoundRuns:
    """Look up what a block asks for.

    Args:
        api: the store.
        project: of the report.
        block: of the report.

    Raises:
        BlockError: its filter or order cannot be read.
    """
    runs, more = _runs(api, project, block)
    if isinstance(block, RunsBlock):
        return FoundRuns(block, runs, more, block.columns or telling(runs))
    keys, missing = _keys(runs, block)
    return FoundChart(block, runs, more, keys, missing)


def _runs(api: Api, project: str, block: Chosen) -> tuple[Sequence[ApiRun], bool]:
    filters: Any = {"id": {"$in": list(block.runs)}} if block.runs else block.filter or None
    try:
        found = api.runs(block.project or project, filters, block.order, block.limit + 1)
    except UsageError as error:
        raise BlockError(str(error)) from error
    if block.runs:
        places = {run_id: at for at, run_id in enumerate(block.runs)}
        found = Runs(sorted(found, key=lambda run: places[run.id]))
    return found[: block.limit], len(found) > block.limit


def _keys(runs: Sequence[ApiRun], block: ChartBlock) -> tuple[tuple[tuple[str, str], ...], tuple[str, ...]]:
    known: dict[str, str] = {}
    for run in runs:
        for key, metric in run.metrics.items():
            if metric.kind in NUMERIC:
                known[key] = known.get(key) or metric.x or ""
    found: dict[str, str] = {}
    missing: list[str] = []
    for key in block.keys:
        matching = [key] if key in known else sorted(one for one in known if "*" in key and fnmatchcase(one, key))
        if not matching:
            missing.append(key)
        found.update({one: block.x or known[one] or "_step" for one in matching})
    return tuple(found.items())[:_MOST_KEYS], tuple(missing)


def telling(runs: Sequence[ApiRun]) -> tuple[str, ...]:
    """Return the columns that tell the runs apart: parameters that differ, and what came of them."""
    found: list[str] = []
    for scope in ("config", "summary"):
        values: dict[str, list[Any]] = {}
        for run in runs:
            for key, value in leaves(run.config if scope == "config" else run.summary).items():
                if isinstance(value, (str, int, float, bool)) and not key.startswith("_"):
                    values.setdefault(key, []).append(value)
        differ = [
            f"{scope}.{key}"
            for key, given in values.items()
            if scope == "summary" or len(given) < len(runs) or len(set(map(repr, given))) > 1
        ]
        found += differ[: _MOST_FOUND_COLUMNS // 2]
    return ("name", "state", *found)


@dataclass(frozen=True)
class Curve:
    """One metric of one run, reduced to what a picture can show.

    Attributes:
        label: of the run.
        x: (n,) places; microseconds since 1970 for the time of day.
        y: (n,) values; may be NaN or infinite.
        total: how many points there are.
    """

    label: str
    x: npt.NDArray[Any]
    y: npt.NDArray[Any]
    total: int


def read_curve(run: ApiRun, key: str, x: str, block: ChartBlock, width: int) -> Curve | None:
    """Read a curve; None where the run has no such numbers.

    Args:
        run: whose.
        key: the metric.
        x: its axis.
        block: says which range.
        width: pixels; of each the smallest and the largest value are kept.
    """
    import numpy as np

    scale = 1e6 if x == "_time" else 1.0
    start, stop = (None, None) if block.range is None else (block.range[0] * scale, block.range[1] * scale)
    if stop is not None:
        stop = float(np.nextafter(stop, np.inf))  # the end belongs to the picture
    try:
        points = run.reader.points("history", key, x, start=start, stop=stop, samples=2 * width + 2)
    except NotFound:
        return None
    if points.kind not in NUMERIC or points.x.dtype == object or not len(points.values):
        return None
    x_values, y_values = points.x.astype(float), points.values.astype(float)
    order = np.argsort(x_values, kind="stable")
    return Curve(run.name[:_SHOWN_LETTERS] or run.id, x_values[order], y_values[order], points.total)
