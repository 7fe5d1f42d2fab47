"""The event stream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import StreamingResponse

from treering.server.live import Feed, event_stream
from treering.server.refusals import Refusal

__all__ = ["router"]

router = APIRouter(tags=["live"])


@router.get(
    "/live",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}},
)
async def live(
    request: Request,
    project: str | None = None,
    runs: Annotated[list[str], Query(alias="run", max_length=1000)] = [],  # noqa: B006  # FastAPI copies it
    keys: Annotated[list[str], Query(alias="key", max_length=200)] = [],  # noqa: B006  # the same
    x: Annotated[str, Query(max_length=4096)] = "_step",
    console: bool = False,
    system: bool = False,
    events: bool = False,
    cursor: Annotated[str | None, Query(max_length=60_000)] = None,
    last_event_id: Annotated[str | None, Header(max_length=60_000)] = None,
) -> StreamingResponse:
    """Send events `hello`, `run`, `rows`, `console`, `system`, `events`, `cursor` and `trouble` as they come.

    `run` is sent for every run of the project that changes, `rows` for each `key` of each `run`, and whole rows of the
    streams that are asked for. A browser that comes back goes on at its last cursor by itself.
    """
    state = request.app.state
    if state.streams >= state.options.max_streams:
        raise Refusal(503, "too_many_streams", "too many pages are open; close some, or raise --max-streams")
    wanted = {"console": console, "system": system, "events": events}
    feed = Feed(state.shelf, project, runs, keys, x, [stream for stream, asked in wanted.items() if asked])
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    hello = await asyncio.to_thread(feed.start, cursor if last_event_id is None else last_event_id)
    stream = _counted(state, feed, hello)
    return StreamingResponse(stream, media_type="text/event-stream", headers=headers)


async def _counted(state: Any, feed: Feed, hello: dict[str, Any]) -> AsyncGenerator[bytes, None]:
    state.streams += 1
    state.onlookers.come(feed.runs)
    try:
        async with aclosing(event_stream(feed, hello)) as events:
            async for event in events:
                yield event
    finally:
        state.streams -= 1
        state.onlookers.go(feed.runs)
        feed.close()
