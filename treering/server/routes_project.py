"""What a project's page needs besides its runs: which columns there are, which metrics, and changes by people."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from msgspec import json
from pydantic import BaseModel, ConfigDict, Field

from treering.api._edit import colours_of, edit_run
from treering.server.routes_runs import Open, RunId, run_row
from treering.server.shapes import RunRow
from treering.server.shelf import Library, within
from treering.server.wire import clean, plain
from treering.store.read_filter import Node, parse_filter
from treering.store.read_query import LISTED, Page, RunQuery
from treering.store.values import NUMERIC

__all__ = ["router"]

router = APIRouter(tags=["project"])

_Text = Annotated[str, Field(max_length=4096)]
_OWN = frozenset({"_step", "_time", "_runtime"})


class ValueColumn(BaseModel):
    """A key of config or summary over some runs."""

    scope: Literal["config", "summary"]
    key: str
    runs: int = Field(description="how many of them have it")
    numbers: int = Field(description="in how many it is a number")
    min: Any = Field(description="the smallest, of numbers if there are any, else of texts")
    max: Any
    differs: bool = Field(description="whether it is not the same in all of them")


class ValueColumns(BaseModel):
    """The columns that a table of runs can have."""

    runs: int = Field(description="how many runs were looked at: the newest")
    columns: list[ValueColumn]


@router.get("/columns")
def columns(
    library: Open,
    project: str | None = None,
    filters: Annotated[str | None, Query(alias="filter", max_length=20_000)] = None,
    newest: Annotated[int, Query(ge=1, le=10_000)] = 500,
) -> ValueColumns:
    """Tell which keys of config and summary the newest runs have, and in which they differ."""
    where = within(project, parse_filter(filters))
    total, found = 0, dict[tuple[str, str], ValueColumn]()
    for count, column in _columns(library, where, newest):
        total += count
        known = found.get((column.scope, column.key)) if column is not None else None
        if column is not None:
            found[column.scope, column.key] = column if known is None else _joined(known, column)
    for column in found.values():
        column.differs = column.differs or column.runs < total
    return ValueColumns(runs=total, columns=list(found.values()))


def _columns(library: Library, where: Node, newest: int) -> list[tuple[int, ValueColumn | None]]:
    found: list[tuple[int, ValueColumn | None]] = []
    for source in library.sources:
        query = RunQuery(source.database.dialect)
        ids = [
            row[0] for row in source.database.query(query.select(["id"], Page(where, limit=newest)), query.parameters)
        ]
        found.append((len(ids), None))
        for scope, key, runs, numbers, *ends in source.database.query(
            "SELECT scope, key, COUNT(*), COUNT(number), MIN(number), MAX(number), MIN(SUBSTR(text, 1, 300)), "
            f"MAX(SUBSTR(text, 1, 300)) FROM run_values WHERE run_id IN ({LISTED[source.database.dialect]}) "
            "GROUP BY scope, key ORDER BY scope, key",
            {"ids": json.encode(ids).decode()},
        ):
            low, high = ends[:2] if numbers else ends[2:]
            differs = ends[0] != ends[1] or ends[2] != ends[3] or 0 < numbers < runs
            column = ValueColumn(
                scope=scope,
                key=clean(key),
                runs=runs,
                numbers=numbers,
                min=plain(low),
                max=plain(high),
                differs=differs,
            )
            found.append((0, column))
    return found


def _joined(one: ValueColumn, other: ValueColumn) -> ValueColumn:
    """Return a column over the runs of two databases."""
    both = [end for column in (one, other) for end in (column.min, column.max)]
    numbers = [end for end in both if isinstance(end, (int, float))]
    texts = [end for end in both if isinstance(end, str)]
    low, high = (min(numbers), max(numbers)) if numbers else (min(texts, default=None), max(texts, default=None))
    return ValueColumn(
        scope=one.scope,
        key=one.key,
        runs=one.runs + other.runs,
        numbers=one.numbers + other.numbers,
        min=low,
        max=high,
        differs=one.differs or other.differs or (one.min, one.max) != (other.min, other.max),
    )


class MetricsQuery(BaseModel):
    """Some runs."""

    model_config = ConfigDict(extra="forbid")

    runs: Annotated[list[_Text], Field(max_length=1000)]
    stream: Literal["history", "system"] = "history"


class MetricColumn(BaseModel):
    """A metric over some runs."""

    key: str
    numeric: bool
    kinds: list[str] = Field(default=[], description="of its values: float64, histogram, media, ...")
    runs: int
    points: int
    x: str | None = None
    hidden: bool = False


@router.post("/metrics")
def metrics(library: Open, query: MetricsQuery) -> list[MetricColumn]:
    """Tell which metrics some runs have, in the order of the alphabet."""
    found: dict[str, MetricColumn] = {}
    for source in library.sources:
        for key, kind, runs, points in source.database.query(
            "SELECT key, kind, COUNT(*), SUM(count) FROM columns "
            f"WHERE run_id IN ({LISTED[source.database.dialect]}) AND stream = :stream GROUP BY key, kind",
            {"ids": json.encode(query.runs).decode(), "stream": query.stream},
        ):
            if key in _OWN:
                continue
            metric = found.setdefault(key, MetricColumn(key=clean(key), numeric=False, runs=0, points=0))
            metric.numeric |= kind in NUMERIC
            metric.kinds = sorted({*metric.kinds, kind})
            metric.runs += runs
            metric.points += int(points)
    if query.stream == "history":
        _defined(library, query.runs[:8], found)
    return [found[key] for key in sorted(found)]


def _defined(library: Library, runs: list[str], found: dict[str, MetricColumn]) -> None:
    """Add what `define_metric` said of them; the first runs speak for all."""
    for run in library.by_ids(runs).values():
        for key, metric in run.metrics.items():
            known = found.get(key)
            if known is not None:
                known.x = known.x or (None if metric.x is None else clean(metric.x))
                known.hidden = known.hidden or metric.hidden


class RunChange(BaseModel):
    """What people say of a run; null or left out stays as it is."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str | None, Field(max_length=1000)] = None
    notes: Annotated[str | None, Field(max_length=100_000)] = None
    tags: Annotated[list[_Text] | None, Field(max_length=1000)] = None
    group: Annotated[str | None, Field(max_length=1000, description="empty for none")] = None
    colour: Annotated[str | None, Field(max_length=7, description="#rrggbb as it is on white; empty for any")] = None


@router.patch("/runs/{run_id}")
def change(library: Open, run_id: RunId, given: RunChange) -> RunRow:
    """Give a run another name, other notes, tags, another group or colour."""
    found = edit_run(library.by_id(run_id), **given.model_dump())
    return run_row(found, {}, colours_of([found]).get(run_id))


@router.delete("/runs/{run_id}", status_code=204)
def delete(library: Open, run_id: RunId) -> None:
    """Delete a run and everything it logged; the file versions that it made stay."""
    library.delete(library.by_id(run_id))
