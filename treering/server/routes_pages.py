"""What is no API: the way in, a sign of life, and the dashboard's pages with their scripts and styles."""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import HTMLResponse, Response

from treering.errors import NotFound
from treering.server.packing import taken_codings
from treering.server.shapes import Health
from treering.server.tokens import Tokens

__all__ = ["STATIC", "router"]

#: Where a package build puts the dashboard.
STATIC = Path(__file__).with_name("static")
_ARRIVED = (
    '<!doctype html><meta charset="utf-8"><title>treering</title><link rel="icon" href="data:,">'
    '<meta http-equiv="refresh" content="0;url={}">'
)
_NO_DASHBOARD = (
    '<!doctype html><html lang="en"><meta charset="utf-8"><title>treering</title><h1>treering</h1>'
    "<p>The dashboard is not built here. In a checkout, <code>nox -s ui</code> builds it (so does <code>python "
    "hatch_build.py</code>, with less); then load this page again. A wheel has it built in."
    "<p>What it would show is at <code>{prefix}/api/v1</code>."
)
_OWN_PATH = re.compile(r"/(?:[A-Za-z0-9~%._-][^\\\x00-\x20;\x7f]*)?")
_ASSET = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
# The build writes a hash of the content into a file's name: what is there under a name never changes.
_HASHED = re.compile(r"-[A-Za-z0-9_-]{8}\.\w+$")
_FOREVER = "private, max-age=31536000, immutable"
# Said here, for what a system believes of them (Windows' registry) can keep scripts from running.
_KINDS = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".woff2": "font/woff2"}
_CODINGS = {"br": ".br", "gzip": ".gz"}

router = APIRouter(include_in_schema=False)


@router.get("/healthz")
def healthz() -> Health:
    """Tell that the server is there; says nothing about what it holds."""
    return Health()


@router.get("/login")
def login(
    request: Request,
    token: Annotated[str, Query(max_length=1000)] = "",
    to: Annotated[str, Query(max_length=2000)] = "/",
) -> Response:
    """Exchange the start address's token, or a ticket, for a cookie, and lead to a page of the dashboard.

    The answer is a page and no redirect: to a browser that came from elsewhere (a file, a mail) a redirect is still
    that foreign visit, and a strict cookie would not be sent along.
    """
    tokens: Tokens = request.app.state.tokens
    prefix: str = request.app.state.options.root_path
    if not tokens.is_token(token) and not tokens.is_ticket(token):
        return HTMLResponse("<!doctype html><title>treering</title><p>This link is no longer valid.", status_code=403)
    # One slash and no other, or the browser would be led to another host.
    page = HTMLResponse(_ARRIVED.format(html.escape(prefix + (to if _OWN_PATH.fullmatch(to) else "/"))))
    page.headers["Set-Cookie"] = tokens.set_cookie(prefix, secure=request.url.scheme == "https")
    page.headers["Cache-Control"] = "no-store"
    return page


@router.get("/api/{rest:path}")
def unknown(rest: str) -> Response:
    """Keep the dashboard's page from answering for the API."""
    raise NotFound(f"there is no /api/{rest}; /api/v1/openapi.json lists what there is")


@router.get("/assets/{name}")
def asset(name: str, accept_encoding: Annotated[str, Header(max_length=1000)] = "") -> Response:
    """Return a script, style or picture of the dashboard, compressed as well as the browser takes it."""
    path = STATIC / "assets" / name
    if not _ASSET.fullmatch(name) or path.suffix in _CODINGS.values() or not path.is_file():
        raise NotFound(f"the dashboard has no file {name!r}; load the page again")
    kind = _KINDS.get(path.suffix, "application/octet-stream")
    headers = {"Vary": "Accept-Encoding", "Cache-Control": _FOREVER if _HASHED.search(name) else "private, no-cache"}
    taken = taken_codings(accept_encoding)
    for coding, ending in _CODINGS.items():
        packed = path.with_name(name + ending)
        if coding in taken and packed.is_file():
            return Response(packed.read_bytes(), headers={**headers, "Content-Encoding": coding}, media_type=kind)
    return Response(path.read_bytes(), headers=headers, media_type=kind)


@router.get("/{path:path}")
def dashboard(request: Request, path: str) -> Response:
    """Return the dashboard's page for every address of its own, such as /PROJECT/runs/RUN."""
    del path
    prefix = html.escape(request.app.state.options.root_path)
    page = STATIC / "index.html"
    if not page.is_file():
        return HTMLResponse(_NO_DASHBOARD.format(prefix=prefix))
    text = page.read_text(encoding="utf-8").replace('="./assets/', f'="{prefix}/assets/')
    return HTMLResponse(text.replace('name="treering-root" content=""', f'name="treering-root" content="{prefix}"', 1))
