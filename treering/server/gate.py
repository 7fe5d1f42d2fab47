"""The one way in. Every request of every route, known or not, passes here before anything else looks at it.

In this order: is the request well formed; is it meant for us (`Host`), so that a name that an attacker points at this
machine finds nothing; does it come from our own pages (`Origin`, `Sec-Fetch-Site`); does it carry a body that a form
of a foreign page could not have sent; and does it show the token. Every answer leaves with the same headers.
"""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from treering.server.bodies import Listening, give_again, limited, read_whole, rule_for, too_large
from treering.server.options import LOOPBACK_NAMES
from treering.server.refusals import Refusal
from treering.server.tokens import Tokens

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from treering.server.bodies import Rule
    from treering.server.options import ServerOptions

__all__ = ["OPEN_PATHS", "Gate", "Refusal"]

#: Answered without a token; a test walks all other routes.
OPEN_PATHS = frozenset({"/login", "/healthz"})
_SAFE_METHODS = frozenset({"GET", "HEAD"})
# Whoever sends a large body listens only when it is through.
_HEARD_AFTER_THE_BODY = frozenset({413, 415})
_METHODS = _SAFE_METHODS | {"POST", "PUT", "PATCH", "DELETE"}
# What no form can send, so that a foreign page needs a preflight, which is refused.
_BODY_TYPES = frozenset({"application/json", "application/octet-stream", "application/msgpack"})
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?)(?::(\d{1,5}))?")


class _Headers:
    """A request's headers; one that must not be there twice is refused when it is."""

    def __init__(self, scope: Scope) -> None:
        self._found: dict[str, list[str]] = {}
        for name, value in scope["headers"]:
            self._found.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))

    def one(self, name: str) -> str | None:
        values = self._found.get(name)
        if values is None:
            return None
        if len(values) > 1:
            raise Refusal(400, "bad_request", f"the request has {len(values)} headers {name!r}; send one")
        return values[0]


class Gate:
    """An ASGI application in front of another.

    Args:
        inner: gets what is let through.
        options: of the server.
    """

    def __init__(self, inner: ASGIApp, options: ServerOptions) -> None:
        self.inner = inner
        self.options = options
        self.tokens = Tokens(options.token)
        self._hosts = LOOPBACK_NAMES | options.hosts
        self._always = _headers_of_every_answer(options.frame_origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] == "lifespan":
            await self.inner(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})  # there are none
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": self._completed(message.get("headers", []))}
            await send(message)

        listening = Listening(receive)
        try:
            path = self._check(scope)
            if scope["method"] not in _SAFE_METHODS:
                receive = await self._take_body(scope, path, listening)
        except Refusal as refusal:
            if refusal.status in _HEARD_AFTER_THE_BODY and scope["method"] not in _SAFE_METHODS:
                await listening.drain()
            await _refuse(refusal, scope, send_with_headers)
        else:
            await self._inside(scope, receive, send_with_headers)

    async def _take_body(self, scope: Scope, path: str, receive: Receive) -> Receive:
        headers = _Headers(scope)
        rule = rule_for(scope["method"], path, self.options.max_body_bytes)
        coding = _check_body(headers, rule)
        if rule.streamed:
            return limited(receive, rule.max_bytes)
        return give_again(await read_whole(receive, rule, coding), receive)

    async def _inside(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self.inner(scope, receive, send)
        except Exception:
            # An answer has been given by then; raised further it would only tear down the connection of others.
            logging.getLogger("treering.server").exception("%s %s failed", scope["method"], scope["path"])

    def _completed(self, headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        """Add what every answer has; a route may be stricter, so what it says itself stays."""
        there = {name.lower() for name, _ in headers}
        return [*headers, *(pair for pair in self._always if pair[0] not in there)]

    def _check(self, scope: Scope) -> str:
        """Refuse what is not for us, and return the path below the prefix."""
        headers = _Headers(scope)
        path, method = self._path(scope), scope["method"]
        self._check_host(headers)
        if method not in _METHODS:
            # Also a preflight: no page of another origin may ask for anything.
            raise Refusal(405 if method != "OPTIONS" else 403, "method_not_allowed", f"{method} is not taken here")
        self._check_origin(headers, method, path)
        if method not in _SAFE_METHODS:
            _check_kind(headers)
        if path not in OPEN_PATHS:
            self._check_token(headers, path)
        return path

    def _path(self, scope: Scope) -> str:
        path: str = scope["path"]
        if not path.startswith("/") or any(letter < " " or letter in "\\\x7f" for letter in path):
            raise Refusal(400, "bad_request", "the request's path is none of ours")
        prefix = self.options.root_path
        scope["root_path"] = prefix
        if prefix and (path == prefix or path.startswith(f"{prefix}/")):
            return path[len(prefix) :] or "/"
        return path

    def _check_host(self, headers: _Headers) -> None:
        host = headers.one("host")
        found = _HOST.fullmatch((host or "").lower())
        if found is None or found[1] not in self._hosts:
            raise Refusal(
                421,
                "wrong_host",
                f"this server is not called {host!r}; use 127.0.0.1 or localhost, or start it with --allow-host",
            )

    def _check_origin(self, headers: _Headers, method: str, path: str) -> None:
        host, origin, site = headers.one("host"), headers.one("origin"), headers.one("sec-fetch-site")
        if origin is not None:
            parts = urlsplit(origin) if origin.isprintable() else urlsplit("")
            if parts.scheme not in {"http", "https"} or parts.netloc.lower() != (host or "").lower():
                raise Refusal(403, "foreign_origin", f"requests from {origin!r} are not taken")
        if site in {None, "same-origin", "none"}:
            if origin is None and site is None and method not in _SAFE_METHODS and headers.one("authorization") is None:
                raise Refusal(403, "foreign_origin", "a change needs an Origin, or a token in Authorization")
            return
        # A link in a mail may lead to a page of ours, but nothing else elsewhere may ask for anything.
        is_link = headers.one("sec-fetch-mode") == "navigate" and (
            headers.one("sec-fetch-dest") == "document" or bool(self.options.frame_origins)
        )
        if method != "GET" or not is_link or path.startswith("/api/"):
            raise Refusal(403, "foreign_origin", "requests from other sites are not taken")

    def _check_token(self, headers: _Headers, path: str) -> None:
        authorization = headers.one("authorization")
        if authorization is not None:
            scheme, _, given = authorization.partition(" ")
            if scheme.lower() == "bearer":
                if self.tokens.is_token(given.strip()):
                    return
                run_id = self.tokens.run_of(given.strip())
                if run_id is not None:
                    _check_scope(run_id, path)
                    return
        else:
            for part in (headers.one("cookie") or "").split(";"):
                name, _, value = part.strip().partition("=")
                if name == self.tokens.cookie_name and self.tokens.is_cookie(value):
                    return
        raise Refusal(401, "no_token", "open the address that `treering ui` printed, or send its token as Bearer")


def _check_scope(run_id: str, path: str) -> None:
    """Keep the key of one run to that run."""
    own = f"/api/v1/runs/{run_id}"
    if path != own and not path.startswith(f"{own}/"):
        raise Refusal(403, "other_run", f"this key is for run {run_id!r} alone")


def _headers_of_every_answer(frame_origins: tuple[str, ...]) -> list[tuple[bytes, bytes]]:
    frames = " ".join(frame_origins) or "'none'"
    policy = (
        "default-src 'self'; img-src 'self' data: blob:; object-src 'none'; base-uri 'none'; form-action 'none'; "
        f"frame-ancestors {frames}"
    )
    found = {
        "content-security-policy": policy,
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
        "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
        "cache-control": "private, no-cache",
        **({} if frame_origins else {"x-frame-options": "DENY"}),
    }
    return [(name.encode(), value.encode("latin-1")) for name, value in found.items()]


def _check_kind(headers: _Headers) -> None:
    if headers.one("content-length") == "0" or (
        headers.one("content-length") is None and headers.one("transfer-encoding") is None
    ):
        return
    kind = (headers.one("content-type") or "").partition(";")[0].strip().lower()
    if kind not in _BODY_TYPES:
        raise Refusal(415, "unsupported_type", f"a body of type {kind!r} is not taken; send application/json")


def _check_body(headers: _Headers, rule: Rule) -> str:
    """Refuse a body by what its headers say, and return how it is packed."""
    length = headers.one("content-length")
    if length is not None and (not length.isascii() or not length.isdigit() or int(length[:20]) > rule.max_bytes):
        raise too_large(rule.max_bytes)
    coding = (headers.one("content-encoding") or "identity").lower()
    if coding != "identity" and (coding != "zstd" or not rule.max_unpacked):
        raise Refusal(415, "unsupported_encoding", f"a body packed with {coding!r} is not taken here; send it as it is")
    return coding


async def _refuse(refusal: Refusal, scope: Scope, send: Send) -> None:
    from treering.server.wire import error_body

    body = error_body(refusal.code, refusal.message)
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if refusal.status == 401:  # noqa: PLR2004  # HTTP's own number
        headers.append((b"www-authenticate", b"Bearer"))
    if refusal.status == 405:  # noqa: PLR2004  # the same
        headers.append((b"allow", ", ".join(sorted(_METHODS)).encode()))
    headers.append((b"connection", b"close"))  # what is left of the body is not read
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})
