"""What is no API: the way in, a sign of life, and the dashboard's page."""

from __future__ import annotations

import html
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, Response

from treering.errors import NotFound
from treering.server.shapes import Health
from treering.server.tokens import Tokens

__all__ = ["STATIC", "router"]

#: Where a package build puts the dashboard.
STATIC = Path(__file__).with_name("static")
_ARRIVED = '<!doctype html><meta charset="utf-8"><title>treering</title><meta http-equiv="refresh" content="0;url={}">'
_NO_DASHBOARD = (
    '<!doctype html><html lang="en"><meta charset="utf-8"><title>treering</title><h1>treering</h1>'
    "<p>This installation has no dashboard built in. What it would show is at <code>{prefix}/api/v1</code>.</p>"
)

router = APIRouter(include_in_schema=False)


@router.get("/healthz")
def healthz() -> Health:
    """Tell that the server is there; says nothing about what it holds."""
    return Health()


@router.get("/login")
def login(request: Request, token: Annotated[str, Query(max_length=1000)] = "") -> Response:
    """Exchange the start address's token for a cookie.

    The answer is a page and no redirect: to a browser that came from elsewhere (a file, a mail) a redirect is still
    that foreign visit, and a strict cookie would not be sent along.
    """
    tokens: Tokens = request.app.state.tokens
    prefix: str = request.app.state.options.root_path
    if not tokens.is_token(token):
        return HTMLResponse("<!doctype html><title>treering</title><p>This link is no longer valid.", status_code=403)
    page = HTMLResponse(_ARRIVED.format(html.escape(f"{prefix}/")))
    page.headers["Set-Cookie"] = tokens.set_cookie(prefix, secure=request.url.scheme == "https")
    page.headers["Cache-Control"] = "no-store"
    return page


@router.get("/api/{rest:path}")
def unknown(rest: str) -> Response:
    """Keep the dashboard's page from answering for the API."""
    raise NotFound(f"there is no /api/{rest}; /api/v1/openapi.json lists what there is")


@router.get("/{path:path}")
def dashboard(request: Request, path: str) -> Response:
    """Return the dashboard's page for every address of its own, such as /PROJECT/runs/RUN."""
    del path
    prefix: str = request.app.state.options.root_path
    page = STATIC / "index.html"
    if not page.is_file():
        return HTMLResponse(_NO_DASHBOARD.format(prefix=html.escape(prefix)))
    text = page.read_text(encoding="utf-8")
    return HTMLResponse(text.replace('<base href="/">', f'<base href="{html.escape(prefix)}/">', 1))
