"""Comparing runs: where the curves of two of them part, by every value that was logged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from treering.errors import NotFound
from treering.server.routes_runs import Open
from treering.server.wire import clean, plain
from treering.store.parting import Tolerance, parting

if TYPE_CHECKING:
    from treering.api import ApiRun

__all__ = ["router"]

router = APIRouter(tags=["compare"])

_Name = Annotated[str, Field(max_length=4096)]
# Read at once; a metric of a run takes some 100 bytes of memory a value while it is compared.
_MAX_VALUES = 20_000_000


class PartingQuery(BaseModel):
    """Two runs, and the metrics to compare."""

    model_config = ConfigDict(extra="forbid")

    runs: Annotated[list[_Name], Field(min_length=2, max_length=2)]
    keys: Annotated[list[_Name], Field(max_length=200)]
    x: _Name | None = Field(default=None, description="x axis; null for what define_metric said, else the step")
    absolute: Annotated[float, Field(ge=0, le=1e300)] = 0.0
    relative: Annotated[float, Field(ge=0, le=1)] = 0.0
    stream: Literal["history", "system"] = "history"


class PartingRow(BaseModel):
    """How far a metric of two runs is the same; places are on the x axis."""

    key: str
    x_key: str
    state: Literal["same", "parted", "apart", "unread"] = Field(
        description="apart: no place at which both have a value; unread: `error` says why"
    )
    compared: int = 0
    only: tuple[int, int] = Field(default=(0, 0), description="values of each run without a partner in the other")
    differing: int = 0
    at: Any = Field(default=None, description="the first place at which they are not the same")
    values: list[Any] = Field(default=[], description="of the two runs there")
    last_same: Any = Field(default=None, description="the place compared before that, or the last one of all")
    widest_at: Any = None
    widest: Any = Field(default=None, description="the largest difference of finite numbers")
    error: str | None = None


@router.post("/parting")
def partings(library: Open, query: PartingQuery) -> list[PartingRow]:
    """Tell for each metric at which place two runs part, exactly: every value is looked at."""
    first, second = (library.by_id(run_id) for run_id in query.runs)
    counts = [run.reader.columns(query.stream) for run in (first, second)]
    left = _MAX_VALUES
    rows: list[PartingRow] = []
    for key in query.keys:
        size = sum(one[key].value_count for one in counts if key in one)
        if rows and size > left:
            rows.append(_unread(key, "", "more than is compared at once; ask for fewer metrics"))
            continue
        left -= size
        rows.append(_row(first, second, key, query))
    return rows


def _row(first: ApiRun, second: ApiRun, key: str, query: PartingQuery) -> PartingRow:
    known = first.metrics.get(key) if query.stream == "history" else None
    x = query.x or (known.x if known is not None and known.x else "_step")
    try:
        one, other = (run.reader.points(query.stream, key, x) for run in (first, second))
    except NotFound as error:
        return _unread(key, x, str(error))
    if len(one.values) + len(other.values) > _MAX_VALUES:
        return _unread(key, x, f"has {len(one.values) + len(other.values):,} values; {_MAX_VALUES:,} can be compared")
    if "O" in {one.x.dtype.kind, other.x.dtype.kind}:
        return _unread(key, x, f"{x!r} holds no numbers and is no axis")
    found = parting(one, other, Tolerance(query.absolute, query.relative))
    place, *values = found.at or (None,)
    return PartingRow(
        key=clean(key),
        x_key=clean(x),
        state="apart" if not found.compared else "parted" if found.differing else "same",
        compared=found.compared,
        only=(found.only_first, found.only_second),
        differing=found.differing,
        at=plain(place),
        values=plain(values),
        last_same=plain(found.last_same),
        widest_at=None if found.widest is None else plain(found.widest[0]),
        widest=None if found.widest is None else plain(found.widest[1]),
    )


def _unread(key: str, x: str, why: str) -> PartingRow:
    return PartingRow(key=clean(key), x_key=clean(x), state="unread", error=clean(why))
