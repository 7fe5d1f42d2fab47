"""Taking in runs: their document, their rows, a sign of life."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Depends, Query, Request, Response

from treering.online.delivery import ROWS_TYPE, Progress, RunDocument, fingerprint, read_document
from treering.onlookers import Onlookers
from treering.server import shapes
from treering.server.commits import Commits
from treering.server.inbox import Inbox
from treering.server.incoming_columns import read_incoming_columns
from treering.server.incoming_rows import read_incoming
from treering.server.refusals import Refusal
from treering.server.routes_runs import RunId
from treering.store.arrivals import Arrival, Arriving, Gap
from treering.store.arriving_documents import OtherRun, check_document
from treering.store.departures import document_of
from treering.store.values import encode

__all__ = ["Box", "binary_body", "open_inbox", "router"]

router = APIRouter(tags=["writing"])


async def open_inbox(request: Request) -> Inbox:  # not a plain function, for which each request waits for a thread
    """Return where runs go."""
    inbox: Inbox = request.app.state.inbox
    return inbox


async def _open_commits(request: Request) -> Commits:
    commits: Commits = request.app.state.commits
    return commits


Box = Annotated[Inbox, Depends(open_inbox)]
_Changes = Annotated[Commits, Depends(_open_commits)]
Stream = Literal["history", "system", "console", "events"]


def binary_body(kind: str, text: str, schema: dict[str, Any] | None = None) -> dict[str, Any]:
    """Describe a body that is no JSON."""
    content = {kind: {"schema": schema or {"type": "string", "format": "binary"}}}
    return {"requestBody": {"required": True, "description": text, "content": content}}


def _told(request: Request, run_id: str, progress: Progress) -> shapes.RunProgress:
    progress.watched = _is_watched(request, run_id)
    return shapes.RunProgress(**msgspec.to_builtins(progress))


def _is_watched(request: Request, run_id: str) -> bool:
    onlookers: Onlookers = request.app.state.onlookers
    return onlookers.look_at(run_id)


def _add(arrival: Arrival, stream: str, first_row: int, stop: int, rows: Arriving) -> int:
    """Add rows in whatever form; returns the number of the next one."""
    try:
        return arrival.append(stream, first_row, stop, rows)
    except Gap as gap:
        raise Refusal(409, "gap", f"row {first_row} came, and {gap}", gap.expected) from None


def _put(arrival: Arrival, document: RunDocument) -> Progress:
    try:
        return arrival.put(document, fingerprint(document))
    except OtherRun as error:
        raise Refusal(409, "other_run", str(error)) from None


_DOCUMENT = {"type": "object", "description": ", ".join(RunDocument.__struct_fields__)}


@router.put("/runs/{run_id}", openapi_extra=binary_body(ROWS_TYPE, "MessagePack; see `RunDocument`", _DOCUMENT))
async def put_run(commits: _Changes, request: Request, run_id: RunId) -> shapes.RunProgress:
    """Create a run, or bring all of it but its rows up to date; an older document than the last one changes nothing."""
    body = await request.body()

    def read() -> Callable[[Arrival], Progress]:
        document = read_document(body)
        check_document(document)
        return lambda arrival: _put(arrival, document)

    return _told(request, run_id, await commits.change(run_id, read, len(body)))


@router.post(
    "/runs/{run_id}/rows/{stream}",
    openapi_extra=binary_body(ROWS_TYPE, "for each row four bytes with its length, then its record as in a journal"),
    responses={409: {"model": shapes.ErrorAnswer}},
)
async def append(
    commits: _Changes,
    request: Request,
    run_id: RunId,
    stream: Stream,
    first_row: Annotated[int, Query(ge=0, lt=2**62)],
    stop: Annotated[int | None, Query(ge=0, lt=2**62)] = None,
) -> shapes.Appended:
    """Add rows; those that are there are left out, and the number of the next one is in an answer 409 to a gap."""
    body = await request.body()

    def read() -> Callable[[Arrival], int]:
        rows, end = read_incoming(body, stream, first_row, stop)
        return lambda arrival: _add(arrival, stream, first_row, end, rows)

    next_row = await commits.change(run_id, read, len(body))
    return shapes.Appended(next_row=next_row, watched=_is_watched(request, run_id))


@router.post(
    "/runs/{run_id}/columns/{stream}",
    openapi_extra=binary_body(ROWS_TYPE, "an array of columns, encoded as the chunks of a store"),
    responses={409: {"model": shapes.ErrorAnswer}},
)
async def append_columns(
    commits: _Changes,
    request: Request,
    run_id: RunId,
    stream: Stream,
    first_row: Annotated[int, Query(ge=0, lt=2**62)],
    stop: Annotated[int, Query(ge=0, lt=2**62)],
) -> shapes.Appended:
    """Add rows that hold numbers only, as columns; what is there is left out, as it is for rows."""
    body = await request.body()

    def read() -> Callable[[Arrival], int]:
        rows = read_incoming_columns(body, first_row, stop)
        return lambda arrival: _add(arrival, stream, first_row, stop, rows)

    next_row = await commits.change(run_id, read, len(body))
    return shapes.Appended(next_row=next_row, watched=_is_watched(request, run_id))


@router.post("/runs/{run_id}/beat")
async def beat(commits: _Changes, request: Request, run_id: RunId) -> shapes.RunProgress:
    """Show that a run's writer lives, and tell it how much has arrived."""
    return _told(request, run_id, await commits.change(run_id, lambda: Arrival.beat))


@router.get(
    "/runs/{run_id}/document",
    response_class=Response,  # so that failures are described as JSON
    responses={200: {"content": {ROWS_TYPE: {"schema": _DOCUMENT}}}},
)
def document(inbox: Box, run_id: RunId) -> shapes.Packed:
    """Return a run's document and how many rows it has, for whoever goes on with it elsewhere."""
    database = inbox.store.database
    found = document_of(database, run_id)
    rows = database.query("SELECT stream, next_row FROM streams WHERE run_id = :id", {"id": run_id})
    return shapes.Packed(encode({"document": msgspec.structs.asdict(found), "next_rows": dict(rows)}))


@router.post("/runs/{run_id}/key")
def key(request: Request, run_id: RunId) -> shapes.RunKey:
    """Return a key that opens this run and nothing else."""
    from treering.store.arriving_documents import check_id

    return shapes.RunKey(key=request.app.state.tokens.for_run(check_id(run_id)))
