"""Bodies of requests: what each route takes, read so that no body can take more memory than that."""

from __future__ import annotations

import asyncio
import contextlib
import re
from typing import TYPE_CHECKING, NamedTuple

from treering.errors import UsageError
from treering.online.delivery import unpack_bounded
from treering.server.refusals import Refusal

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from starlette.types import Message, Receive

__all__ = ["Listening", "Rule", "give_again", "limited", "read_whole", "rule_for", "too_large"]

#: A body that is refused is still taken in so far, since a client that is sending does not hear an answer.
_DRAIN_BYTES = 16 << 20
_DRAIN_S = 10.0
#: A client that sends nothing for so long in the middle of a body has gone away.
_SILENCE_S = 60.0
_SMALL = 256 << 10


class Rule(NamedTuple):
    """What a route takes.

    Attributes:
        max_bytes: of the body as it comes.
        max_unpacked: what zstd may make of it; 0 where none is taken.
        streamed: the route reads it piece by piece, so it may be larger than memory should hold.
    """

    max_bytes: int
    max_unpacked: int = 0
    streamed: bool = False


_RUN = r"/api/v1/runs/[^/]+"
_RULES = (
    (re.compile(_RUN), "PUT", Rule(16 << 20, 64 << 20)),
    (re.compile(rf"{_RUN}/(?:rows|columns)/[^/]+"), "POST", Rule(8 << 20, 32 << 20)),
    (re.compile(rf"{_RUN}/blobs/[^/]+"), "PUT", Rule(4 << 30, streamed=True)),
    (re.compile(rf"{_RUN}/chunks"), "POST", Rule(128 << 20, streamed=True)),
    (re.compile(rf"{_RUN}/versions/[^/]+"), "PUT", Rule(64 << 20, 64 << 20)),
)


def rule_for(method: str, path: str, max_bytes: int) -> Rule:
    """Return what a request may carry.

    Args:
        method: of the request.
        path: below the server's prefix.
        max_bytes: of every route that is not listed here.
    """
    return next((rule for form, verb, rule in _RULES if verb == method and form.fullmatch(path)), Rule(max_bytes))


def too_large(max_bytes: int) -> Refusal:
    """Return what is said to a body that is larger than allowed."""
    return Refusal(413, "too_large", f"the body is larger than {max_bytes:,} bytes; send less at a time")


class _Gone(Refusal):
    def __init__(self) -> None:
        super().__init__(400, "cut_off", "the body was cut off")


async def read_whole(receive: Receive, rule: Rule, coding: str) -> bytes:
    """Take in a body, bounded although it may come without a length.

    Args:
        receive: gives it.
        rule: of its route.
        coding: "identity" or "zstd".

    Raises:
        Refusal: it is too large, cut off, too slow, or not what it says it is.
    """
    body = b"".join([part async for part in pieces(receive, rule.max_bytes)])
    if coding == "identity":
        return body
    try:
        if len(body) < _SMALL:
            unpacked = unpack_bounded(body, rule.max_unpacked)
        else:
            unpacked = await asyncio.to_thread(unpack_bounded, body, rule.max_unpacked)
    except UsageError as error:
        raise Refusal(400, "bad_request", str(error)) from None
    if unpacked is None:
        raise Refusal(
            413, "too_large", f"the body unpacks to more than {rule.max_unpacked:,} bytes; send less at a time"
        )
    return unpacked


async def pieces(receive: Receive, max_bytes: int) -> AsyncGenerator[bytes, None]:
    """Yield a body's pieces."""
    size, more = 0, True
    while more:
        try:
            message = await asyncio.wait_for(receive(), _SILENCE_S)
        except asyncio.TimeoutError:
            raise Refusal(408, "too_slow", f"nothing came for {_SILENCE_S:.0f} s") from None
        if message["type"] != "http.request":
            raise _Gone  # the client left; half a body must not be taken for a whole one
        part = message.get("body", b"")
        size += len(part)
        if size > max_bytes:
            raise too_large(max_bytes)
        more = message.get("more_body", False)
        yield part


def give_again(body: bytes, receive: Receive) -> Receive:
    """Return what gives a body that has been taken in."""
    whole: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return whole.pop() if whole else await receive()

    return again


def limited(receive: Receive, max_bytes: int) -> Receive:
    """Return what gives a body piece by piece, and raises `Refusal` when there is too much of it."""
    size = 0

    async def counted() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > max_bytes:
            raise too_large(max_bytes)
        return message

    return counted


class Listening:
    """Receives a body, and remembers whether it has ended."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._ended = False

    async def __call__(self) -> Message:
        """Return the next message."""
        message = await self._receive()
        self._ended |= message["type"] != "http.request" or not message.get("more_body", False)
        return message

    async def drain(self) -> None:
        """Take in and throw away what is left of a refused body, within bounds."""
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._drain(), _DRAIN_S)

    async def _drain(self) -> None:
        size = 0
        while not self._ended and size < _DRAIN_BYTES:
            size += len((await self()).get("body", b""))
