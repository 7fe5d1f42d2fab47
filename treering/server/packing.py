"""ETags and compression for answers that are whole when they leave; streams and files pass as they are."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["Packing", "taken_codings"]

_SMALL = 1024
_TEXTS = ("application/json", "application/vnd.treering.series", "text/", "application/javascript", "image/svg")
_ZSTD_LEVEL = 1
_GZIP_LEVEL = 1
_BROTLI_QUALITY = 1  # as quick as gzip, and smaller; higher ones are slower and no smaller


class Packing:
    """An ASGI application around another.

    Args:
        inner: whose answers are packed.
    """

    def __init__(self, inner: ASGIApp) -> None:
        self.inner = inner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self.inner(scope, receive, send)
            return
        asked = {name.lower(): value.decode("latin-1") for name, value in scope["headers"]}
        held: Message | None = None

        async def pack(message: Message) -> None:
            nonlocal held
            if message["type"] == "http.response.start":
                held = message
                return
            if held is not None and message["type"] == "http.response.body":
                start, held = held, None
                if not message.get("more_body") and scope["method"] in {"GET", "POST"}:
                    start, message = _packed(start, message.get("body", b""), scope["method"], asked)
                await send(start)
            await send(message)

        await self.inner(scope, receive, pack)


def _packed(start: Message, body: bytes, method: str, asked: dict[bytes, str]) -> tuple[Message, Message]:
    headers = {name.lower(): value for name, value in start.get("headers", [])}
    cookies = [(name, value) for name, value in start.get("headers", []) if name.lower() == b"set-cookie"]
    status = start["status"]
    if method == "GET" and status == 200 and b"set-cookie" not in headers:  # noqa: PLR2004  # HTTP's own number
        from xxhash import xxh3_128_hexdigest

        tag = headers.setdefault(b"etag", f'W/"{xxh3_128_hexdigest(body)}"'.encode()).decode("latin-1")
        if _matches(asked.get(b"if-none-match", ""), tag):
            status, body = 304, b""
            headers.pop(b"content-type", None)
    kind = headers.get(b"content-type", b"").decode("latin-1")
    if len(body) >= _SMALL and kind.startswith(_TEXTS) and b"content-encoding" not in headers:
        headers[b"vary"] = b"Accept-Encoding"
        coding = _coding(asked.get(b"accept-encoding", ""))
        if coding is not None:
            headers[b"content-encoding"] = coding.encode()
            body = _encoded(body, coding)
    if status == 304:  # noqa: PLR2004  # the same
        headers.pop(b"content-length", None)
    else:
        headers[b"content-length"] = str(len(body)).encode()
    headers.pop(b"set-cookie", None)
    listed = [*headers.items(), *cookies]
    return {**start, "status": status, "headers": listed}, {"type": "http.response.body", "body": body}


def _matches(asked: str, tag: str) -> bool:
    """Compare as RFC 9110 says for `If-None-Match`: without regard to weakness."""
    known = {one.strip().removeprefix("W/") for one in asked.split(",")}
    return tag.removeprefix("W/") in known or "*" in known


def taken_codings(accepted: str) -> set[str]:
    """Return the codings of `Accept-Encoding` that the client takes; one with q=0 is refused."""
    taken: set[str] = set()
    for one in accepted.lower().split(","):
        name, _, options = one.strip().partition(";")
        if options.replace(" ", "") not in {"q=0", "q=0.0", "q=0.00", "q=0.000"}:
            taken.add(name.strip())
    return taken


def _coding(accepted: str) -> str | None:
    taken = taken_codings(accepted)
    return next((coding for coding in ("zstd", "br", "gzip") if coding in taken), None)


def _encoded(body: bytes, coding: str) -> bytes:
    if coding == "gzip":
        return gzip.compress(body, _GZIP_LEVEL, mtime=0)
    if coding == "br":  # Safari's; others take zstd
        import brotli

        return brotli.compress(body, quality=_BROTLI_QUALITY)
    from treering.zstd import pack

    return pack(body, _ZSTD_LEVEL)
