"""What panels are drawn from: columns over runs, importance of parameters, returns over seeds."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from fastapi import APIRouter, Query
from msgspec import json
from pydantic import BaseModel, Field

from treering.api._listing import leaves
from treering.errors import NotFound, UsageError
from treering.server.returns import aligned, over_seeds
from treering.server.routes_runs import Open, searched
from treering.server.shelf import stored, within
from treering.server.wire import clean, plain, us
from treering.store.read_filter import parse_filter, parse_order
from treering.store.read_query import LISTED, Page
from treering.store.stats import ColumnStats
from treering.store.values import NUMERIC, decode
from treering.sweeps.importance_of_runs import FEWEST, importances

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy.typing as npt

    from treering.api import ApiRun

    Numbers = npt.NDArray[np.float64]

__all__ = ["router"]

router = APIRouter(tags=["panels"])

_Column = Annotated[str, Field(max_length=4096)]
_Filter = Annotated[str | None, Query(alias="filter", max_length=20_000)]
_Search = Annotated[str | None, Query(max_length=1000, description="what names or ids contain, in any case")]
_STATS = ("min", "max", "mean")
_OF_RUNS: dict[str, Callable[[ApiRun], Any]] = {
    "id": lambda run: run.id,
    "name": lambda run: run.name,
    "state": lambda run: run.state,
    "group": lambda run: run.group,
    "job_type": lambda run: run.job_type,
    "created": lambda run: us(run.created),
    "duration": lambda run: run.duration,
    "attempts": lambda run: run.attempt,
    "tag": lambda run: ", ".join(run.tags),
}


class RunValues(BaseModel):
    """Columns over runs, as many values in each as there are runs."""

    total: int = Field(description="runs of the filter; more than `ids` where they were too many")
    ids: list[str]
    names: list[str]
    columns: dict[str, list[Any]] = Field(description="null where a run has no such value")


@router.get("/values")
def values(
    library: Open,
    project: Annotated[str, Query(max_length=4096)],
    fields: Annotated[list[_Column], Query(alias="field", max_length=100)] = [],  # noqa: B006  # FastAPI copies it
    filters: _Filter = None,
    search: _Search = None,
    order: Annotated[str, Query(max_length=2000)] = "-created",
    limit: Annotated[int, Query(ge=1, le=5000)] = 2000,
) -> RunValues:
    """Return columns over the runs of a filter.

    A field is config.KEY, summary.KEY, a metric's min.KEY, max.KEY or mean.KEY over all of its points, or one of a
    run's own: id, name, state, group, job_type, created, duration, attempts, tag.
    """
    where = searched(within(project, parse_filter(filters)), search)
    runs, _ = library.page(Page(where, parse_order(order), limit))
    return RunValues(
        total=library.count(where),
        ids=[run.id for run in runs],
        names=[clean(run.name) for run in runs],
        columns={clean(field): [plain(value) for value in found] for field, found in _read(runs, fields).items()},
    )


def _read(runs: Sequence[ApiRun], fields: Sequence[str]) -> dict[str, list[Any]]:
    """Return what each run has of each field; None for nothing."""
    scopes = {field.partition(".")[0] for field in fields}
    whole = {
        scope: {run_id: leaves(document) for run_id, document in stored(runs, scope).items()}
        for scope in ("config", "summary")
        if scope in scopes
    }
    stats = _stats(runs, [field.partition(".")[2] for field in fields if field.partition(".")[0] in _STATS])
    found: dict[str, list[Any]] = {}
    for field in fields:
        scope, dot, key = field.partition(".")
        if field in _OF_RUNS:
            found[field] = [_OF_RUNS[field](run) for run in runs]
        elif dot and scope in whole:
            found[field] = [whole[scope].get(run.id, {}).get(key) for run in runs]
        elif dot and scope in _STATS:
            found[field] = [getattr(stats.get((run.id, key)), scope, None) for run in runs]
        else:
            raise UsageError(
                f"field {field!r} is none; it is config.KEY, summary.KEY, min.KEY, max.KEY, mean.KEY or one of "
                f"{', '.join(_OF_RUNS)}"
            )
    return found


def _stats(runs: Sequence[ApiRun], keys: Sequence[str]) -> dict[tuple[str, str], ColumnStats]:
    """Return the statistics of metrics; a fork's are of its own rows."""
    found: dict[tuple[str, str], ColumnStats] = {}
    if not keys:
        return found
    sources = {id(run.source): run.source for run in runs}
    for source in sources.values():
        ids = LISTED[source.database.dialect]
        for run_id, key, kind, stats in source.database.query(
            f"SELECT run_id, key, kind, stats FROM columns WHERE stream = 'history' AND run_id IN ({ids}) "
            f"AND key IN ({ids.replace(':ids', ':keys')})",
            {"ids": json.encode([run.id for run in runs]).decode(), "keys": json.encode(list(keys)).decode()},
        ):
            if stats and kind in NUMERIC:
                found[run_id, key] = ColumnStats(**decode(stats))
    return found


class ImportanceRow(BaseModel):
    """What is known of one parameter."""

    key: str
    importance: float = Field(description="its share; all of them add up to one")
    correlation: float | None = Field(description="Spearman's, with the result; null for categories")
    values: int = Field(description="different ones among the runs")


class ImportanceAnswer(BaseModel):
    """The parameters, the most important first."""

    runs: int = Field(description="that have the result as a finite number, and so are used")
    maximize: bool
    rows: list[ImportanceRow]
    note: str | None = Field(description="why there are none")


@router.get("/importance")
def importance(
    library: Open,
    project: Annotated[str, Query(max_length=4096)],
    target: Annotated[str, Query(max_length=4096)],
    goal: Literal["min", "max"] = "min",
    filters: _Filter = None,
    search: _Search = None,
    limit: Annotated[int, Query(ge=1, le=2000)] = 1000,
) -> ImportanceAnswer:
    """Tell which parameters tell the best tenth of the runs (at least five) from all, by PED-ANOVA."""
    runs, _ = library.page(Page(searched(within(project, parse_filter(filters)), search), limit=limit))
    results = _read(runs, [target])[target]
    used = [(run, float(result)) for run, result in zip(runs, results, strict=True) if _is_finite(result)]
    documents = {run_id: leaves(one) for run_id, one in stored([run for run, _ in used], "config").items()}
    keys = _shared(list(documents.values()))
    parameters = {key: [_parameter(documents[run.id][key]) for run, _ in used] for key in keys[:200]}
    found = importances(parameters, [result for _, result in used], maximize=goal == "max")
    note = None
    if len(used) < FEWEST:
        note = f"{len(used)} runs have {target} as a number; it takes {FEWEST} to compare them"
    elif not found:
        note = "no parameter that all of the runs have differs between them, or their results are all the same"
    return ImportanceAnswer(
        runs=len(used),
        maximize=goal == "max",
        rows=[
            ImportanceRow(
                key=clean(one.key), importance=one.importance, correlation=_known(one.correlation), values=one.values
            )
            for one in found
        ],
        note=None if note is None else clean(note),
    )


def _shared(documents: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the keys that all have: one that some runs lack says first of all that they are other runs."""
    counts: dict[str, int] = {}
    for document in documents:
        for key in document:
            counts[key] = counts.get(key, 0) + 1
    return sorted(key for key, count in counts.items() if count == len(documents))


def _is_finite(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e300  # noqa: PLR2004  # squares are finite


def _parameter(value: Any) -> Any:
    return value if value is None or isinstance(value, (bool, int, float, str)) else json.encode(plain(value)).decode()


def _known(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


class ReturnsLine(BaseModel):
    """One line: at each place the interquartile mean of runs, with its interval."""

    name: str
    runs: int
    tasks: int
    episodes: int
    draws: int = Field(description="resamplings that the interval comes from; 0 where there is nothing to resample")
    values: list[float | None]
    low: list[float | None]
    high: list[float | None]
    counts: list[int] = Field(description="runs that reach each place")


class ReturnsAnswer(BaseModel):
    """Returns over seeds, all lines over the same places."""

    x: list[float]
    window: float = Field(description="how far back each run's mean reaches, on the x axis")
    lines: list[ReturnsLine]
    without: int = Field(description="runs that have no such episodes")


@router.get("/returns")
def returns(
    library: Open,
    project: Annotated[str, Query(max_length=4096)],
    key: Annotated[str, Query(max_length=4096)] = "episode/return",
    x: Annotated[str, Query(max_length=4096)] = "_step",
    by: Annotated[list[_Column], Query(max_length=8)] = [],  # noqa: B006  # FastAPI copies it
    task: Annotated[str | None, Query(max_length=4096)] = None,
    filters: _Filter = None,
    search: _Search = None,
    places: Annotated[int, Query(ge=2, le=400)] = 120,
    smooth: Annotated[float, Query(gt=0, le=1, description="share of the axis that a run's mean reaches back")] = 0.05,
    limit: Annotated[int, Query(ge=1, le=500)] = 200,
) -> ReturnsAnswer:
    """Return the interquartile mean over runs with stratified bootstrap intervals; a line for each value of `by`."""
    runs, _ = library.page(Page(searched(within(project, parse_filter(filters)), search), limit=limit))
    columns = _read(runs, [*by, *([task] if task else [])])
    found = [(at, points) for at, run in enumerate(runs) if (points := _episodes(run, key, x)) is not None]
    if not found:
        return ReturnsAnswer(x=[], window=0, lines=[], without=len(runs))
    reach = [end for _, (xs, _) in found for end in (float(xs.min()), float(xs.max()))]
    grid = np.linspace(min(reach), max(reach), places)
    window = max((max(reach) - min(reach)) * smooth, 1e-12)
    grouped: dict[str, list[tuple[int, tuple[Numbers, Numbers]]]] = {}
    for at, points in found:
        name = ", ".join(f"{field.partition('.')[2] or field} = {columns[field][at]}" for field in by) or key
        grouped.setdefault(name, []).append((at, points))
    lines: list[ReturnsLine] = []
    for name, members in sorted(grouped.items()):
        tasks = [str(columns[task][at]) if task else "" for at, _ in members]
        middle = over_seeds(np.stack([aligned(*points, grid, window) for _, points in members]), tasks)
        lines.append(
            ReturnsLine(
                name=clean(name),
                runs=len(members),
                tasks=len(set(tasks)),
                episodes=sum(len(points[1]) for _, points in members),
                draws=middle.draws,
                values=_finite(middle.values),
                low=_finite(middle.low),
                high=_finite(middle.high),
                counts=middle.counts.tolist(),
            )
        )
    return ReturnsAnswer(x=grid.tolist(), window=window, lines=lines, without=len(runs) - len(found))


def _episodes(run: ApiRun, key: str, x: str) -> tuple[Numbers, Numbers] | None:
    try:
        points = run.reader.points("history", key, x)
    except NotFound:
        return None
    if points.kind not in NUMERIC or points.x.dtype == object or not len(points.values):
        return None
    xs, found = points.x.astype(np.float64), points.values.astype(np.float64)
    known = np.isfinite(xs) & np.isfinite(found) & (np.abs(xs) < 1e300) & (np.abs(found) < 1e300)  # noqa: PLR2004  # sums are finite
    return (xs[known], found[known]) if known.any() else None


def _finite(values: Numbers) -> list[float | None]:
    return [float(value) if np.isfinite(value) else None for value in values]
