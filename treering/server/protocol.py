"""HTTP/1.1 as uvicorn speaks it, with a limit on how slowly the head of a request may come.

uvicorn ends connections that are idle between requests, and `bodies` those whose body stops coming. In between, a
client that sends its headers letter by letter would keep a connection for ever (known as slow-loris).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    import asyncio

    from uvicorn.protocols.http.h11_impl import RequestResponseCycle

__all__ = ["HEAD_S", "PatientProtocol"]

#: So long a client has from its connection, or the first byte of a request, to the end of the head.
HEAD_S = 30.0


class PatientProtocol(H11Protocol):
    """One connection."""

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """See `asyncio.Protocol`."""
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self._forget()
        super().connection_lost(exc)

    def _watch(self) -> None:
        """Set the limit while a head is awaited; what has come of it does not put it off."""
        cycle = cast("RequestResponseCycle | None", self.cycle)  # None until the first head is there
        if cycle is not None and not cycle.response_complete:
            self._forget()
        elif self._deadline is None:
            self._deadline = self.loop.call_later(HEAD_S, self.transport.close)

    def _forget(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
