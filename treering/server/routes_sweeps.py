"""Sweeps for people: the list, one of them with its trials, what its parameters matter; making and steering them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import JSONResponse

from treering.errors import NotFound, UsageError
from treering.server import sweep_shapes as shapes
from treering.server.routes_runs import Open, open_library
from treering.server.routes_write import Box
from treering.server.sweep_book import SweepBook
from treering.server.sweep_rows import (
    agent_rows,
    axis_rows,
    finding_rows,
    sweep_detail,
    sweep_row,
    trial_row,
)
from treering.server.wire import clean, error_body, plain
from treering.sweeps.audit import audit
from treering.sweeps.config import config_of_text
from treering.sweeps.findings import SweepError
from treering.sweeps.importance import Evaluator
from treering.sweeps.store import StoredSweeps

if TYPE_CHECKING:
    from treering.server.shelf import Library

__all__ = ["SweepId", "open_book", "router"]

router = APIRouter(tags=["sweeps"])


def open_book(request: Request) -> SweepBook:
    """Return the sweeps that were looked at."""
    book: SweepBook = request.app.state.sweep_book
    return book


SweepId = Annotated[str, Path(max_length=64)]
_WRONG: dict[int | str, dict[str, Any]] = {422: {"model": shapes.WrongSweep}}


@router.get("/sweeps")
def sweeps(
    request: Request,
    project: Annotated[str | None, Query(max_length=128)] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    offset: Annotated[int, Query(ge=0, le=10_000_000)] = 0,
) -> shapes.SweepsPage:
    """List the sweeps of a project, or of all, the newest first; none while there is no store."""
    try:
        library = open_library(request)
    except NotFound:
        return shapes.SweepsPage(sweeps=[], total=0)
    book = open_book(request)
    found = book.sweeps(library, project)
    looks = [book.look(library, one.id) for one in found[offset : offset + limit]]
    return shapes.SweepsPage(sweeps=[sweep_row(look, book.front(library, look)) for look in looks], total=len(found))


@router.post("/sweeps", status_code=201, responses=_WRONG, response_model=shapes.SweepDetail)
def create(request: Request, box: Box, new: shapes.NewSweep) -> Any:
    """Make a sweep of a text; what is wrong with it is told line by line (422). To clone one, send its `source`."""
    try:
        config = config_of_text(new.source, "sweep")
    except SweepError as error:
        told = msgspec.json.decode(error_body("wrong_sweep", str(error)))
        return JSONResponse({**told, "findings": [one.model_dump() for one in finding_rows(error.told)]}, 422)
    made = StoredSweeps(box.store.database).create(config.plain, project=new.project, source=new.source)
    return _detail(request, open_library(request), made.id)


@router.post("/sweeps/check")
def check(text: shapes.SweepText) -> shapes.Checked:
    """Say what is wrong with a text, or looks wrong, and make nothing of it: for an editor."""
    try:
        config = config_of_text(text.source, "sweep")
    except SweepError as error:
        return shapes.Checked(errors=finding_rows(error.told), warnings=[], config=None, axes=[], points=None)
    size = config.space.size
    return shapes.Checked(
        errors=[],
        warnings=finding_rows(config.told),
        config=plain(config.plain),
        axes=axis_rows(config.space),
        points=int(size) if math.isfinite(size) else None,
    )


@router.get("/sweeps/{sweep_id}")
def sweep(request: Request, library: Open, sweep_id: SweepId) -> shapes.SweepDetail:
    """Return a sweep, all but its trials."""
    return _detail(request, library, sweep_id)


def _detail(request: Request, library: Library, sweep_id: str) -> shapes.SweepDetail:
    book = open_book(request)
    look = book.look(library, sweep_id)
    leases = book.stored(library, sweep_id).rows.leases(sweep_id)
    return sweep_detail(look, book.front(library, look), agent_rows(look, leases))


@router.post("/sweeps/{sweep_id}/state")
def change(request: Request, library: Open, box: Box, sweep_id: SweepId, wanted: shapes.Action) -> shapes.SweepDetail:
    """Pause, resume, stop (those that run go on to their end) or cancel (they are ended) a sweep."""
    found = open_book(request).stored(library, sweep_id)
    if found.rows.database is library.sources[0].database:
        found = StoredSweeps(box.store.database)  # that one is for reading
    found.change(sweep_id, wanted.action)
    return _detail(request, library, sweep_id)


@router.get("/sweeps/{sweep_id}/trials")
def trials(
    request: Request,
    library: Open,
    sweep_id: SweepId,
    after: Annotated[int, Query(ge=-1, lt=2**62)] = -1,
    curve: bool = False,
) -> shapes.TrialsPage:
    """Return the trials that have changed since a revision, in order of their numbers; all of them without one."""
    book = open_book(request)
    look = book.look(library, sweep_id)
    return shapes.TrialsPage.model_validate(
        {
            "revision": max(look.revision, after),
            "state": look.sweep.state,
            "trials": [trial_row(look, one, curve=curve) for one in look.trials if one.revision > after],
            "front": book.front(library, look),
            "audit": audit(look.config, look.trials)._asdict(),
        }
    )


@router.get("/sweeps/{sweep_id}/importance")
def importance(
    request: Request,
    library: Open,
    sweep_id: SweepId,
    evaluator: Evaluator = "fanova",
    metric: Annotated[str | None, Query(max_length=4096, description="default the first")] = None,
) -> shapes.Importance:
    """Tell which parameters matter to a metric, and how they go with it."""
    book = open_book(request)
    look = book.look(library, sweep_id)
    names = [one.name for one in look.config.metrics]
    if not names:
        raise UsageError("this sweep has no metric; add `metric: {name: ..., goal: minimize}` to its definition")
    if metric is not None and metric not in names:
        raise UsageError(f"this sweep has no metric {metric!r}; it has {', '.join(names)}")
    index = 0 if metric is None else names.index(metric)
    told = book.importance(library, look, index, evaluator)
    return shapes.Importance(
        metric=clean(names[index]),
        evaluator=evaluator,
        trials=told.trials,
        reason=told.reason,
        importances=[
            shapes.ShareRow(parameter=clean(name), importance=share)
            for name, share in sorted(told.shares.items(), key=lambda one: -one[1])
        ],
        correlations=[
            shapes.CorrelationRow(
                parameter=clean(one.parameter),
                value=plain(one.value),
                pearson=one.pearson,
                spearman=one.spearman,
                trials=one.trials,
            )
            for one in told.correlations
        ],
    )
