"""Files behind http:// and https:// addresses: what identifies one, and its bytes."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from treering.errors import NotFound, StoreError

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    import httpx

__all__ = ["WebFile"]

_TIMEOUT_S = 60.0
_BLOCK = 1 << 20
_GONE = frozenset({404, 410})
# Servers that do not take HEAD say so in one of these ways.
_NO_HEAD = frozenset({403, 405, 501})


class WebFile:
    """A file by its address, the query that may be in it included; redirects are followed.

    Raises:
        NotFound: nothing is there.
        StoreError: it cannot be reached, or the server refuses it.
    """

    def __init__(self, uri: str) -> None:
        self._uri = uri

    def head(self) -> tuple[int, str]:
        """Return size in bytes (-1 where the server does not say) and what to compare later, "" for nothing."""
        with self._asked("HEAD") as answer:
            if answer.status_code not in _NO_HEAD:
                return self._known(answer)
        with self._asked("GET") as answer:
            return self._known(answer)

    @contextmanager
    def opened(self) -> Generator[tuple[str, Iterator[bytes]]]:
        """Lend what to compare, and its bytes."""
        with self._asked("GET") as answer:
            _, check = self._known(answer)
            yield check, answer.iter_bytes(_BLOCK)

    def _known(self, answer: httpx.Response) -> tuple[int, str]:
        if answer.status_code in _GONE:
            raise NotFound(f"there is nothing at {self._uri}")
        if answer.is_error:
            raise StoreError(f"{self._uri} cannot be read: the server says {answer.status_code} {answer.reason_phrase}")
        headers = answer.headers
        etag, modified = headers.get("etag", ""), headers.get("last-modified", "")
        check = f"etag:{etag}" if etag else f"modified:{modified}" if modified else ""
        # Of what comes compressed, the length is another one.
        size = headers.get("content-length", "") if headers.get("content-encoding", "identity") == "identity" else ""
        return (int(size) if size.isdecimal() else -1), check

    @contextmanager
    def _asked(self, verb: str) -> Generator[httpx.Response]:
        import httpx

        plain = {"Accept-Encoding": "identity"}
        try:
            with (
                httpx.Client(follow_redirects=True, timeout=_TIMEOUT_S, headers=plain) as client,
                client.stream(verb, self._uri) as answer,
            ):
                yield answer
        except httpx.InvalidURL as error:
            raise StoreError(f"{self._uri} is no address: {error}") from error
        except httpx.HTTPError as error:
            raise StoreError(f"{self._uri} cannot be reached: {str(error) or type(error).__name__}") from error
