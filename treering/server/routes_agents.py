"""Sweeps for agents: the calls of `treering.sweeps.store.Sweeps`, in MessagePack, each good for being made again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import msgspec
from fastapi import APIRouter, Depends, Path, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from treering.errors import UsageError
from treering.online.delivery import ROWS_TYPE
from treering.server import shapes
from treering.server.routes_sweeps import SweepId
from treering.server.routes_write import binary_body
from treering.server.sweep_desk import SweepDesk
from treering.store.arriving_documents import check_id
from treering.store.values import decode, encode
from treering.sweeps.records import Agent, Curve, Key, Result

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["router"]

router = APIRouter(prefix="/agent/sweeps", tags=["agents"])

_Kind = TypeVar("_Kind")
_Number = Annotated[int, Path(ge=0, lt=2**31)]
_PACKED: dict[str, Any] = {
    "response_class": Response,  # so that failures are described as JSON
    "responses": {200: {"content": {ROWS_TYPE: {"schema": {"description": "see `treering.sweeps.records`"}}}}},
}


class _New(msgspec.Struct, forbid_unknown_fields=True):
    config: dict[str, Any]
    project: Annotated[str, msgspec.Meta(min_length=1, max_length=128)] | None = None
    source: Annotated[str, msgspec.Meta(max_length=1_000_000)] | None = None


def open_desk(request: Request) -> SweepDesk:
    """Return who gives trials out."""
    desk: SweepDesk = request.app.state.sweep_desk
    return desk


Desk = Annotated[SweepDesk, Depends(open_desk)]


def _body(text: str) -> dict[str, Any]:
    return binary_body(ROWS_TYPE, f"MessagePack; {text}")


def _read(body: bytes, kind: type[_Kind]) -> _Kind:
    try:
        return msgspec.convert(decode(body), kind)
    except (msgspec.MsgspecError, TypeError, ValueError, RecursionError) as error:
        raise UsageError(f"the body is not what this route takes: {str(error) or 'nested too deeply'}") from None


async def _packed(work: Callable[[], Any]) -> shapes.Packed:
    return shapes.Packed(await run_in_threadpool(lambda: encode(msgspec.to_builtins(work()))))


@router.get("", **_PACKED)
async def sweeps(desk: Desk, project: Annotated[str | None, Query(max_length=128)] = None) -> shapes.Packed:
    """Return all sweeps, the newest first."""
    return await _packed(lambda: desk.sweeps.sweeps(project))


@router.get("/{sweep_id}", **_PACKED)
async def sweep(desk: Desk, sweep_id: SweepId) -> shapes.Packed:
    """Return a sweep's record."""
    return await _packed(lambda: desk.sweeps.sweep(sweep_id))


@router.put("/{sweep_id}", openapi_extra=_body("config, project and source"), **_PACKED)
async def create(desk: Desk, request: Request, sweep_id: SweepId) -> shapes.Packed:
    """Make a sweep of this id, once."""
    body = await request.body()

    def work() -> Any:
        new = _read(body, _New)
        made = check_id(sweep_id)
        return desk.sweeps.create(new.config, project=new.project, source=new.source, sweep_id=made)

    return await _packed(work)


@router.get("/{sweep_id}/trials", **_PACKED)
async def trials(desk: Desk, sweep_id: SweepId, after: Annotated[int, Query(ge=-1, lt=2**62)] = -1) -> shapes.Packed:
    """Return the records of the trials that have changed since a revision."""
    return await _packed(lambda: desk.sweeps.trials(sweep_id, after))


@router.post("/{sweep_id}/lease", openapi_extra=_body("an `Agent`"), **_PACKED)
async def lease(desk: Desk, request: Request, sweep_id: SweepId) -> shapes.Packed:
    """Give an agent a trial, or the one that it has; or say that it should wait, or that the sweep is over."""
    body = await request.body()
    return await _packed(lambda: desk.lease(sweep_id, _read(body, Agent)))


@router.post("/{sweep_id}/{action}", **_PACKED)
async def change(desk: Desk, sweep_id: SweepId, action: Literal["pause", "resume", "stop", "cancel"]) -> shapes.Packed:
    """Steer a sweep."""
    return await _packed(lambda: desk.sweeps.change(sweep_id, action))


@router.post("/{sweep_id}/trials/{number}/{attempt}/beat", openapi_extra=_body("an `Agent`"), **_PACKED)
async def beat(desk: Desk, request: Request, sweep_id: SweepId, number: _Number, attempt: _Number) -> shapes.Packed:
    """Renew the lease of a trial, and hear whether to go on."""
    body = await request.body()
    return await _packed(lambda: desk.beat(Key(sweep_id, number, attempt), _read(body, Agent)))


@router.post("/{sweep_id}/trials/{number}/{attempt}/report", openapi_extra=_body("a `Curve`"), **_PACKED)
async def report(desk: Desk, request: Request, sweep_id: SweepId, number: _Number, attempt: _Number) -> shapes.Packed:
    """Take new points of a trial's curve, and say whether to go on."""
    body = await request.body()
    return await _packed(lambda: desk.report(Key(sweep_id, number, attempt), _read(body, Curve)))


@router.post("/{sweep_id}/trials/{number}/{attempt}/finish", openapi_extra=_body("a `Result`"), **_PACKED)
async def finish(desk: Desk, request: Request, sweep_id: SweepId, number: _Number, attempt: _Number) -> shapes.Packed:
    """Take note of a trial's end."""
    body = await request.body()
    return await _packed(lambda: desk.finish(Key(sweep_id, number, attempt), _read(body, Result)))


@router.post("/{sweep_id}/trials/{number}/{attempt}/give-back", openapi_extra=_body("why"), **_PACKED)
async def give_back(
    desk: Desk, request: Request, sweep_id: SweepId, number: _Number, attempt: _Number
) -> shapes.Packed:
    """Let another agent have a trial that did not end."""
    body = await request.body()
    return await _packed(lambda: desk.give_back(Key(sweep_id, number, attempt), _read(body, str)[:2000]))
