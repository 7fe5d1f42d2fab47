"""Reading runs: projects, lists, one run, what it printed and what happened to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request

from treering.api._edit import colours_of
from treering.api._listing import leaves
from treering.api._records import Metric
from treering.errors import NotFound, UsageError
from treering.server import shapes
from treering.server.shelf import Library, stored, within
from treering.server.wire import clean, decode_cursor, encode_cursor, plain, us
from treering.store.read_filter import All, AnyOf, Compare, Field, Node, parse_filter, parse_order
from treering.store.read_query import Page

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from treering.api import ApiRun

__all__ = ["Open", "RunId", "open_library", "router", "run_row", "run_rows", "searched"]

_SCOPES = ("config", "summary")
_MAX_LINES = 10_000

router = APIRouter(tags=["runs"])


def open_library(request: Request) -> Library:
    """Return the store that this server shows."""
    library: Library = request.app.state.shelf.library()
    return library


Open = Annotated[Library, Depends(open_library)]
RunId = Annotated[str, Path(max_length=200)]


@router.get("/projects")
def projects(request: Request) -> list[shapes.Project]:
    """List the projects in order of the alphabet; none while there is no store."""
    try:
        library = open_library(request)
    except NotFound:
        return []
    return [
        shapes.Project(name=clean(name), runs=tally.runs, running=tally.running, changed_us=tally.changed_us)
        for name, tally in sorted(library.tallies().items(), key=lambda item: item[0].casefold())
    ]


@router.get("/runs")
def runs(
    library: Open,
    project: str | None = None,
    filters: Annotated[str | None, Query(alias="filter", max_length=20_000)] = None,
    search: Annotated[str | None, Query(max_length=1000, description="what names or ids contain, in any case")] = None,
    order: Annotated[str, Query(max_length=2000)] = "-created",
    columns: Annotated[list[str], Query(alias="column", max_length=1000)] = [],  # noqa: B006  # FastAPI copies it
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    after: Annotated[str | None, Query(max_length=20_000)] = None,
    offset: Annotated[int, Query(ge=0, le=10_000_000)] = 0,
    count: bool = False,
) -> shapes.RunsPage:
    """List runs: `filter` and `order` as in `Api.runs`, each `column` such as config.lr, summary.loss or config.*."""
    where, ordered = searched(within(project, parse_filter(filters)), search), parse_order(order)
    # A condition is looked at once for the page and the count; without one, an index knows either sooner.
    counts: list[int] | None = [] if count and after is None and (filters or search) else None
    position = None if after is None else _position(after, order)
    found, following = library.page(Page(where, ordered, limit, position, offset), counts)
    return shapes.RunsPage(
        runs=run_rows(found, columns),
        next=None if following is None else encode_cursor([order, *following]),
        total=(sum(counts) if counts else library.count(where)) if count else None,
    )


def searched(where: Node, search: str | None) -> Node:
    """Return the condition narrowed to runs whose names or ids contain all of some words."""
    words = (search or "").split()
    named = [AnyOf(tuple(Compare(Field("run", key), "mentions", (word,)) for key in ("name", "id"))) for word in words]
    return All((where, *named)) if named else where


def _position(cursor: str, order: str) -> list[Any]:
    given, *values = decode_cursor(cursor) or [None]
    if given != order:
        raise UsageError("the cursor belongs to a list in another order; begin without one")
    return values


def run_rows(found: Sequence[ApiRun], columns: Sequence[str]) -> list[shapes.RunRow]:
    """Return runs with the chosen columns of config and summary."""
    values: dict[str, dict[str, Any]] = {run.id: {} for run in found}
    for scope in _SCOPES:
        keys = [column.partition(".")[2] for column in columns if column.partition(".")[0] == scope]
        if keys:
            for run_id, whole in stored(found, scope).items():
                values[run_id].update(_chosen(scope, keys, leaves(whole)))
    colours = colours_of(found)
    return [run_row(run, values[run.id], colours.get(run.id)) for run in found]


def _chosen(scope: str, keys: Sequence[str], values: Mapping[str, Any]) -> dict[str, Any]:
    wanted = values if "*" in keys else [key for key in keys if key in values]
    return {f"{scope}.{clean(key)}": plain(values[key]) for key in wanted}


def run_row(run: ApiRun, values: Mapping[str, Any], colour: str | None = None) -> shapes.RunRow:
    """Return a run as a list shows it."""
    return shapes.RunRow(
        id=run.id,
        project=clean(run.project),
        name=clean(run.name),
        state=run.state,
        created_us=us(run.created),
        updated_us=us(run.updated),
        ended_us=None if run.ended is None else us(run.ended),
        duration_s=run.duration,
        attempt=run.attempt,
        group=_cleaned(run.group),
        job_type=_cleaned(run.job_type),
        notes=_cleaned(run.notes),
        parent_id=run.parent_id,
        parent_step=run.parent_step,
        tags=[clean(tag) for tag in run.tags],
        colour=colour,
        values=dict(values),
    )


def _cleaned(text: str | None) -> str | None:
    return None if text is None else clean(text)


@router.get("/runs/{run_id}")
def run(library: Open, run_id: RunId) -> shapes.RunDetail:
    """Return one run: all but its rows."""
    found = library.by_id(run_id)
    system = [
        Metric(key, info.kind, info.value_count, info.stats.first, info.stats.last, info.stats.min, info.stats.max,
               info.stats.mean, info.stats.nan)
        for key, info in found.reader.columns("system").items()
        if key not in {"_step", "_time"}
    ]  # fmt: skip
    return shapes.RunDetail(
        **run_row(found, {}, colours_of([found]).get(run_id)).model_dump(),
        config=plain(stored([found], "config")[run_id]),
        summary=plain(stored([found], "summary")[run_id]),
        failure=plain(found.failure),
        attempts=_attempts(found),
        metrics=[_metric(metric) for metric in found.metrics.values()],
        system=[_metric(metric) for metric in system],
    )


def _attempts(found: ApiRun) -> list[shapes.AttemptRow]:
    return [
        shapes.AttemptRow(
            number=one.number,
            state=one.state,
            started_us=us(one.started),
            ended_us=None if one.ended is None else us(one.ended),
            from_step=one.from_step,
            first_row=one.first_row,
            failure=plain(one.failure),
            config_changes=plain(one.config_changes),
            process=plain(one.process),
            dropped_rows=one.dropped_rows,
        )
        for one in found.attempts
    ]


def _metric(metric: Metric) -> shapes.MetricRow:
    return shapes.MetricRow(
        key=clean(metric.key),
        kind=metric.kind,
        count=metric.count,
        first=plain(metric.first),
        last=plain(metric.last),
        min=plain(metric.min),
        max=plain(metric.max),
        mean=plain(metric.mean),
        nan=metric.nan,
        x=_cleaned(metric.x),
        summary=list(metric.summary),
        goal=metric.goal,
        hidden=metric.hidden,
    )


@router.get("/runs/{run_id}/capture")
def capture(library: Open, run_id: RunId) -> Any:
    """Return what was recorded around a run: environment, git, source."""
    return plain(library.by_id(run_id).capture)


@router.get("/runs/{run_id}/console")
def console(
    library: Open,
    run_id: RunId,
    start: Annotated[int | None, Query(ge=0)] = None,
    limit: Annotated[int, Query(ge=1, le=_MAX_LINES)] = 1000,
) -> shapes.ConsolePage:
    """Return lines that a run printed: from `start` on, or the last ones."""
    log = library.by_id(run_id).console()
    first = max(len(log) - limit, 0) if start is None else start
    return shapes.ConsolePage(
        total=len(log),
        lines=[
            shapes.ConsoleRow(number=line.number, text=clean(line.text), source=line.source, time_us=us(line.time))
            for line in (log[at] for at in range(first, min(first + limit, len(log))))
        ],
    )


@router.get("/runs/{run_id}/events")
def events(library: Open, run_id: RunId) -> list[shapes.EventRow]:
    """Return what happened to a run: alerts, logged events, treering's own notes."""
    return [
        shapes.EventRow(
            kind=clean(event.kind),
            message=clean(event.message),
            level=clean(event.level),
            step=event.step,
            time_us=us(event.time),
            fields=plain(event.fields),
        )
        for event in library.by_id(run_id).events()
    ]
