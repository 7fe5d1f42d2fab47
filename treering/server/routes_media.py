"""Media that a page cannot read by itself: tables, which are packed, and histograms, of which there are too many."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, cast

import msgspec
import numpy as np
from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from treering.errors import CorruptData, NotFound
from treering.media._histogram import Histogram
from treering.media._registry import KINDS
from treering.server.routes_runs import Open, RunId
from treering.server.wire import clean, plain
from treering.store.values import Carried, decode

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    from treering.api import ApiRun

__all__ = ["router"]

router = APIRouter(tags=["files"])

_MOST_EDGES = 257
_LINEAR_BINS = 64
# Bytes of a table's cells, whatever whoever sent it says.
_MOST_CELLS = 256 << 20


class TablePage(BaseModel):
    """Some rows of a table; a medium in a cell is {"$media": kind, "value": ...} as everywhere."""

    columns: list[str]
    types: list[str]
    total: int = Field(description="rows of the whole table")
    rows: list[list[Any]]


@router.get("/runs/{run_id}/table")
def table(
    library: Open,
    run_id: RunId,
    key: Annotated[str, Query(max_length=4096)],
    row: Annotated[int, Query(ge=0, lt=1 << 62, description="of the run, in which it was logged")],
    item: Annotated[int, Query(ge=0, description="which one, where a list was logged")] = 0,
    start: Annotated[int, Query(ge=0)] = 0,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 1000,
) -> TablePage:
    """Return rows of a table that was logged."""
    run = library.by_id(run_id)
    reference = _table_at(run, key, row, item)
    columns, types = list(reference["columns"]), list(reference["types"])
    shown = [
        [_cell(cell, kind) for cell in cells[start : start + limit]]
        for cells, kind in zip(_cells(run, reference), types, strict=True)
    ]
    return TablePage(
        columns=[clean(name) for name in columns],
        types=types,
        total=int(reference["rows"]),
        rows=[list(cells) for cells in zip(*shown, strict=True)],
    )


def _table_at(run: ApiRun, key: str, row: int, item: int) -> Mapping[str, Any]:
    points = run.reader.points("history", key)
    at = int(np.searchsorted(points.rows, row))
    found: Any = points.values[at] if at < len(points.rows) and points.rows[at] == row else None
    if isinstance(found, list):
        media = cast("list[object]", found)
        found = media[item] if item < len(media) else None
    if not isinstance(found, Carried) or found.kind != "table":
        raise NotFound(f"row {row} of {key!r} has no table; `media` says which rows do")
    return cast("Mapping[str, Any]", found.payload)


def _cells(run: ApiRun, reference: Mapping[str, Any]) -> Sequence[list[Any]]:
    """Return a table's columns as they are stored."""
    from treering.zstd import ZstdError, unpack

    if reference.get("cells") is not None:
        return cast("list[list[Any]]", reference["cells"])
    blob = reference.get("blob")
    data = reference.get("data", b"") if blob is None else run.source.blobs.get(blob)
    try:
        return msgspec.convert(decode(unpack(data, _MOST_CELLS)), list[list[Any]])
    except (ZstdError, msgspec.MsgspecError) as error:
        raise CorruptData(f"a table in the store is damaged: {error}") from error


def _cell(cell: Any, kind: str) -> Any:
    if cell is None:
        return None
    if kind == "mixed":
        own, value = cell
        return _cell(value, own)
    return {"$media": kind, "value": plain(cell)} if kind in KINDS else plain(cell)


class HistogramColumn(BaseModel):
    """The histograms of some steps, merged."""

    x: Any = Field(description="place of the first of them")
    last: Any
    merged: int
    counts: list[float] = Field(description="in each bin")
    nan: int
    inf: int = Field(description="infinities of either sign")


class HistogramSeries(BaseModel):
    """A histogram over time: every column has the same bins."""

    key: str
    total: int
    edges: list[float]
    powers: bool = Field(description="whether edges are powers of two, of either sign")
    columns: list[HistogramColumn]
    error: str | None = None


@router.get("/runs/{run_id}/histograms")
def histograms(
    library: Open,
    run_id: RunId,
    keys: Annotated[list[str], Query(alias="key", min_length=1, max_length=64)],
    x: Annotated[str, Query(max_length=4096)] = "_step",
    columns: Annotated[int, Query(ge=1, le=1000)] = 150,
) -> list[HistogramSeries]:
    """Return histograms over time, merged until there are no more than `columns`: none is left out."""
    run = library.by_id(run_id)
    return [_over_time(run, key, x, columns) for key in keys]


def _over_time(run: ApiRun, key: str, x: str, columns: int) -> HistogramSeries:
    def nothing(why: str) -> HistogramSeries:
        return HistogramSeries(key=clean(key), total=0, edges=[], powers=False, columns=[], error=clean(why))

    try:
        points = run.reader.points("history", key, x)
    except NotFound as error:
        return nothing(str(error))
    if points.kind != "histogram":
        return nothing(f"{key!r} holds no histograms; it is {points.kind}")
    values = cast("list[Carried]", points.values.tolist())
    references = [cast("dict[str, Any]", value.payload) for value in values]
    found = [Histogram.load(reference, run.source.blobs) for reference in references]
    edges, powers = _common_edges(found, on_grid=any("exponent" in reference for reference in references))
    shown: list[HistogramColumn] = []
    for some in np.array_split(np.arange(len(found)), min(columns, max(len(found), 1))):
        if not len(some):
            continue
        members = found[int(some[0]) : int(some[-1]) + 1]
        first, last = points.x[[some[0], some[-1]]].tolist()
        shown.append(
            HistogramColumn(
                x=plain(first),
                last=plain(last),
                merged=len(members),
                counts=sum((_spread(one, edges) for one in members), np.zeros(max(len(edges) - 1, 0))).tolist(),
                nan=sum(one.nan for one in members),
                inf=sum(one.inf + one.minus_inf for one in members),
            )
        )
    return HistogramSeries(key=clean(key), total=points.total, edges=edges.tolist(), powers=powers, columns=shown)


def _common_edges(found: Sequence[Histogram], *, on_grid: bool) -> tuple[npt.NDArray[np.float64], bool]:
    """Return edges of bins that all of them can be shown in, and whether they are powers of two."""
    both = np.unique(np.concatenate([np.asarray(one.edges, dtype=np.float64) for one in found] or [np.empty(0)]))
    if not len(both):
        return both, False
    powers = not on_grid and bool(np.all((np.frexp(both)[0] == 0) | (np.abs(np.frexp(both)[0]) == 0.5)))  # noqa: PLR2004  # of a power of two
    if not on_grid and len(both) <= _MOST_EDGES:
        return both, powers
    # Halves, since the span of two floats may be no float.
    middle, half = both[-1] / 2 + both[0] / 2, both[-1] / 2 - both[0] / 2
    return middle + half * np.linspace(-1, 1, _LINEAR_BINS + 1), False


def _spread(one: Histogram, edges: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return its counts in other bins: exact where edges agree, in proportion where a bin is cut."""
    if not one.counts:
        return np.zeros(max(len(edges) - 1, 0))
    counts, own = np.array(one.counts, dtype=np.float64), np.asarray(one.edges, dtype=np.float64)
    # Zeros, and what is too small to matter, stay one bin: spread, they would look like small values.
    around_zero = (own[:-1] < 0) & (own[1:] > 0)
    zeros, counts[around_zero] = counts[around_zero].sum(), 0
    found: npt.NDArray[np.float64] = np.diff(np.interp(edges, own, np.concatenate([[0.0], np.cumsum(counts)])))
    if zeros:
        found[np.searchsorted(edges, 0.0, side="right") - 1] += zeros
    return found
