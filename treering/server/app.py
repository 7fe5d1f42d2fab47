"""Putting the server together."""

from __future__ import annotations

import asyncio
import threading
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, cast

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from treering.alerts import Watcher, load_targets, targets_file
from treering.errors import NotFound, StoreError, TreeringError, UsageError
from treering.onlookers import Onlookers
from treering.server import (
    routes_agents,
    routes_alerts,
    routes_artifacts,
    routes_compare,
    routes_copies,
    routes_episodes,
    routes_files,
    routes_groups,
    routes_lineage,
    routes_live,
    routes_media,
    routes_pages,
    routes_panels,
    routes_project,
    routes_reports,
    routes_runs,
    routes_series,
    routes_sweeps,
    routes_upload,
    routes_views,
    routes_write,
    shapes,
)
from treering.server.commits import Commits
from treering.server.gate import Gate
from treering.server.inbox import Inbox, watch_lost
from treering.server.jobs import Jobs
from treering.server.packing import Packing
from treering.server.refusals import Refusal
from treering.server.shelf import Shelf
from treering.server.sweep_book import SweepBook
from treering.server.sweep_desk import SweepDesk
from treering.server.tokens import Tokens
from treering.server.wire import error_body

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from starlette.requests import Request

    from treering.server.options import ServerOptions

__all__ = ["API", "create_api", "create_app"]

API = "/api/v1"
# What the gate, or any route, may answer instead.
#: What is below `/api/v1`.
_MODULES = (
    routes_runs,
    routes_project,
    routes_groups,
    routes_views,
    routes_panels,
    routes_series,
    routes_files,
    routes_media,
    routes_episodes,
    routes_live,
    routes_write,
    routes_upload,
    routes_alerts,
    routes_sweeps,
    routes_artifacts,
    routes_lineage,
    routes_compare,
    routes_reports,
    routes_agents,
    routes_copies,
)
#: After how many seconds to ask again: what is worked out ends soon, a database or a page takes longer.
_RETRY_S = {429: 1, 503: 5}
_REFUSALS = (400, 401, 403, 404, 405, 409, 412, 413, 415, 421, 422, 428, 429, 503)
_CODES = {400: "bad_request", 404: "not_found", 405: "method_not_allowed", 422: "bad_request"}


def create_app(options: ServerOptions) -> Gate:
    """Return the server as an ASGI application; `Gate.inner` leads to what it protects."""
    return Gate(Packing(create_api(options)), options)


def create_api(options: ServerOptions) -> FastAPI:
    """Return the routes alone, without anything in front of them: for tests and for the OpenAPI description."""
    import treering

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None, None]:
        watch = asyncio.create_task(watch_lost(app.state.inbox))
        alerts = Watcher(app.state.shelf.library, app.state.alert_targets)
        alerts.start()
        yield
        alerts.stop()
        watch.cancel()
        app.state.commits.close()
        app.state.shelf.close()
        app.state.inbox.close()

    app = FastAPI(
        title="treering",
        version=treering.__version__,
        lifespan=lifespan,
        openapi_url=f"{API}/openapi.json",
        docs_url=None,  # both load scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
        responses={status: {"model": shapes.ErrorAnswer} for status in _REFUSALS},
    )
    app.state.options = options
    app.state.tokens = Tokens(options.token)
    app.state.shelf = Shelf(options.place)
    app.state.inbox = Inbox(options.place)
    app.state.commits = Commits(app.state.inbox)
    app.state.sweep_book = SweepBook()
    app.state.jobs = Jobs()
    app.state.sweep_desk = SweepDesk(app.state.inbox)
    app.state.streams = 0
    app.state.onlookers = Onlookers()
    app.state.alert_tries = threading.Lock()
    alerts_file = targets_file(options.place, options.alerts)
    load_targets(alerts_file)  # so that a mistake in the file is told now
    app.state.alert_targets = lambda: load_targets(alerts_file)
    for module in _MODULES:
        app.include_router(module.router, prefix=API)
    app.include_router(routes_pages.router)
    _translate_errors(app)
    return app


def _translate_errors(app: FastAPI) -> None:
    """Give every failure the same body; none of them tells a traceback, a path of ours or a statement."""

    def answer(status: int, code: str, message: str, expected: int | None = None) -> Response:
        headers = {"Retry-After": str(_RETRY_S[status])} if status in _RETRY_S else None
        return Response(error_body(code, message, expected), status, headers, media_type="application/json")

    async def ours(_request: Request, error: Exception) -> Response:
        if isinstance(error, Refusal):
            return answer(error.status, error.code, error.message, error.expected)
        if isinstance(error, UsageError):
            return answer(400, "bad_request", str(error))
        if isinstance(error, NotFound):
            return answer(404, "not_found", str(error))
        return answer(503 if isinstance(error, StoreError) else 500, "store_error", str(error))

    async def invalid(_request: Request, error: Exception) -> Response:
        found: Sequence[Any] = error.errors() if isinstance(error, RequestValidationError) else []
        told = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in found[:5])
        return answer(422, "bad_request", told)

    async def http(_request: Request, error: Exception) -> Response:
        found = cast("HTTPException", error)
        told = answer(found.status_code, _CODES.get(found.status_code, "error"), str(found.detail))
        told.headers.update(found.headers or {})  # what a wrong method may be replaced by
        return told

    async def too_deep(_request: Request, _error: Exception) -> Response:
        return answer(400, "bad_request", "the request is nested too deeply")

    async def bug(_request: Request, _error: Exception) -> Response:
        return answer(500, "internal", "something went wrong in the server; what it was is in its log")

    app.add_exception_handler(Exception, bug)
    app.add_exception_handler(TreeringError, ours)
    app.add_exception_handler(Refusal, ours)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(RecursionError, too_deep)
