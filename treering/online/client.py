"""A server, as seen from a program: the calls by which runs are brought to it and read from it.

One client is used by one thread at a time. It keeps a connection open, and tries again what may have come through or
not: every call may be repeated without changing anything.
"""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, Any, cast

import msgspec

from treering.errors import NotFound, StoreError, TreeringError, UsageError
from treering.online.delivery import PACK_TYPE, ROWS_TYPE, Progress, frame_rows
from treering.store.values import decode, encode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    import httpx
    from typing_extensions import Self

    from treering.online.delivery import ColumnPiece, RunDocument, VersionPart

__all__ = ["Client", "Conflict", "FilePieces", "RefusedKey", "RowsExpected", "TooLarge", "Unreachable"]

_PACK_LEVEL = 1
_SMALL = 512
_PIECE_BYTES = 1 << 20
_PATIENT_S = 60.0
_CONNECT_S = 5.0
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
#: The server, or a proxy before it, is there and cannot answer now.
_LATER = frozenset({429, 502, 503, 504})
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.2, 10.0
#: No server is left alone for longer than this, whatever it asks for.
_LONGEST_RETRY_S = 300.0


class Unreachable(StoreError):  # noqa: N818  # a state more than an error
    """The server does not answer now; what was sent may have come through or not.

    Attributes:
        retry_after_s: seconds that the server asks to be left alone for; 0 where it says nothing.
    """

    retry_after_s = 0.0


class RefusedKey(UsageError):  # noqa: N818  # says what is wrong
    """The server does not take this key."""


class Conflict(TreeringError):  # noqa: N818  # says what is wrong
    """What was sent does not go with what is there.

    Attributes:
        code: "other_run", "written_here" or "chunks_missing".
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class RowsExpected(TreeringError):  # noqa: N818  # a state more than an error
    """Rows came too early; `expected` has to come next."""

    def __init__(self, expected: int) -> None:
        super().__init__(f"row {expected} is expected next")
        self.expected = expected


class TooLarge(UsageError):  # noqa: N818  # says what is wrong
    """The server takes less at a time."""


class Client:
    """Calls of one server.

    Args:
        url: of the server, with the prefix that it is shown under.
        key: its token, or the key of one run.
        patience_s: how long a call tries again while the server does not answer; 0: not at all.

    Attributes:
        watched: whether somebody looks, on the server, at the run that was last brought there.
    """

    def __init__(self, url: str, key: str, *, patience_s: float = 0.0) -> None:
        self.url = check_url(url)
        self.patience_s = patience_s
        self.watched = False
        self._key = key
        self._http: httpx.Client | None = None

    def _connection(self) -> httpx.Client:
        if self._http is None:
            import httpx

            address = httpx.URL(self.url)
            self._http = httpx.Client(
                base_url=f"{self.url}/api/v1/",
                headers={"Authorization": f"Bearer {self._key}", "User-Agent": "treering"},
                timeout=httpx.Timeout(_PATIENT_S, connect=_CONNECT_S),
                # The key is for this server: no redirect takes it elsewhere, and no proxy is between us and ourselves.
                follow_redirects=False,
                verify=address.scheme == "https",  # reading the certificates of all authorities takes 50 ms
                trust_env=address.host not in _LOOPBACK,
            )
        return self._http

    def close(self) -> None:
        """Close the connection; the next call opens another."""
        if self._http is not None:
            self._http.close()
            self._http = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    # -- calls --------------------------------------------------------------------------------------------------------

    def _call(self, method: str, path: str, **what: Any) -> httpx.Response:
        """Make a call and return its answer, whose status is below 400."""
        deadline_s, wait_s = time.monotonic() + self.patience_s, _FIRST_WAIT_S
        while True:
            try:
                return self._try(method, path, **what)
            except Unreachable as error:
                # With chance in it, so that many clients of a server that was away do not come back all at once.
                wait_s = min(wait_s * 2, _LONGEST_WAIT_S)
                rest_s = max(wait_s * random.uniform(0.5, 1.0), error.retry_after_s)  # noqa: S311  # no secret
                if time.monotonic() + rest_s > deadline_s:
                    raise
                time.sleep(rest_s)

    def _try(self, method: str, path: str, **what: Any) -> httpx.Response:
        import httpx

        content = what.get("content")
        if callable(content):  # read anew with every try
            what = {**what, "content": content()}
        try:
            answer = self._connection().request(method, path, **what)
        except (httpx.HTTPError, httpx.StreamError, OSError) as error:
            self.close()
            raise Unreachable(f"{self.url} does not answer: {type(error).__name__} {error}") from error
        if answer.status_code < 300:  # noqa: PLR2004  # HTTP's own numbers, here and below
            return answer
        raise self._failure(answer)

    def _failure(self, answer: httpx.Response) -> TreeringError:
        status = answer.status_code
        try:
            told = msgspec.json.decode(answer.content, type=dict[str, dict[str, Any]])["error"]
        except (msgspec.MsgspecError, KeyError):
            told = {"code": "error", "message": answer.text[:300]}
        code, message = str(told.get("code")), f"{self.url}: {told.get('message')}"
        expected: Any = told.get("expected")
        if code == "gap" and isinstance(expected, int):
            return RowsExpected(expected)
        if status in _LATER or (status >= 500 and code != "store_error"):  # noqa: PLR2004
            unreachable = Unreachable(message)
            unreachable.retry_after_s = _retry_after_s(answer.headers.get("retry-after", ""))
            return unreachable
        if status in {401, 403}:
            return RefusedKey(f"{message}. Give its token as TREERING_API_KEY, or with `treering login {self.url}`")
        kinds: dict[int, Callable[[str], TreeringError]] = {404: NotFound, 409: lambda text: Conflict(code, text)}
        kinds |= {413: TooLarge, 408: Unreachable}
        if status in kinds:
            return kinds[status](message)
        return UsageError(message) if status < 500 else StoreError(message)  # noqa: PLR2004

    def get(self, path: str, **parameters: Any) -> Any:
        """Return the answer, of JSON, to a question of the API: `get("runs", project="p")`."""
        return self._call("GET", path, params=parameters).json()

    def _post(self, path: str, data: Mapping[str, Any]) -> Any:
        return self._call("POST", path, json=data).json()

    def _send(self, method: str, path: str, data: bytes, *, pack: bool = True, **parameters: Any) -> httpx.Response:
        headers = {"Content-Type": ROWS_TYPE}
        if pack and len(data) >= _SMALL:
            from treering import zstd

            data = zstd.pack(data, _PACK_LEVEL)
            headers["Content-Encoding"] = "zstd"
        return self._call(method, path, content=data, headers=headers, params=parameters)

    def exchange(self, method: str, path: str, data: Any = None, **parameters: Any) -> Any:
        """Send plain data and return the answer's, both in MessagePack."""
        what: dict[str, Any] = {"params": parameters}
        if method != "GET":
            what |= {"content": encode(data), "headers": {"Content-Type": ROWS_TYPE}}
        return decode(self._call(method, path, **what).content)

    # -- a run --------------------------------------------------------------------------------------------------------

    def put_run(self, run_id: str, document: RunDocument) -> Progress:
        """Create a run, or bring all but its rows up to date.

        Raises:
            Conflict: another run has this id there.
            Unreachable, RefusedKey: as every call.
        """
        answer = self._send("PUT", f"runs/{run_id}", encode(msgspec.structs.asdict(document)))
        return self._progress(answer)

    def append(self, run_id: str, stream: str, first_row: int, stop: int, records: Iterable[bytes]) -> int:
        """Add rows to a stream; see `delivery`.

        Returns:
            The row that is expected next.

        Raises:
            RowsExpected: rows before these are missing.
            NotFound: the run's document has not come yet.
            TooLarge: send less at a time.
            UsageError: the server does not take these rows.
        """
        return self._append(f"runs/{run_id}/rows/{stream}", first_row, stop, frame_rows(records))

    def append_columns(self, run_id: str, stream: str, first_row: int, stop: int, pieces: Sequence[ColumnPiece]) -> int:
        """Add rows to a stream as columns; returns and raises what `append` does."""
        return self._append(
            f"runs/{run_id}/columns/{stream}", first_row, stop, msgspec.msgpack.encode(pieces), pack=False
        )

    def _append(self, path: str, first_row: int, stop: int, body: bytes, *, pack: bool = True) -> int:
        answer = self._send("POST", path, body, pack=pack, first_row=first_row, stop=stop)
        told = answer.json()
        self.watched = bool(told.get("watched"))
        return int(told["next_row"])

    def beat(self, run_id: str) -> Progress:
        """Show that a run's writer lives, and return how much has arrived.

        Raises:
            NotFound: the run's document has not come yet.
        """
        return self._progress(self._call("POST", f"runs/{run_id}/beat"))

    def _progress(self, answer: httpx.Response) -> Progress:
        progress = msgspec.json.decode(answer.content, type=Progress)
        self.watched = progress.watched
        return progress

    def document(self, run_id: str) -> dict[str, Any]:
        """Return a run's `document`, as a mapping, and its `next_rows`, by stream.

        Raises:
            NotFound: no such run.
        """
        return cast("dict[str, Any]", decode(self._call("GET", f"runs/{run_id}/document").content))

    # -- reading ------------------------------------------------------------------------------------------------------

    def find_copies(self, query: Mapping[str, Any]) -> dict[str, Any]:
        """Return `names` and `rows` of the runs that `query` means; see the route."""
        return cast("dict[str, Any]", decode(self._call("POST", "copies", json=query).content))

    def copy_run(self, run_id: str) -> dict[str, Any]:
        """Return the rows of a run, by table, but for its chunks.

        Raises:
            NotFound: no such run.
        """
        return cast("dict[str, Any]", decode(self._call("GET", f"runs/{run_id}/copy").content))

    def copy_chunks(self, run_id: str, stream: str, query: Mapping[str, Any]) -> dict[str, Any]:
        """Return `columns` of a run with their chunks, and whether there is `more`; see the route.

        Raises:
            NotFound: no such run.
        """
        return cast("dict[str, Any]", decode(self._call("POST", f"runs/{run_id}/copy/{stream}", json=query).content))

    def blob(self, run_id: str, digest: str) -> bytes:
        """Return the bytes of a medium.

        Raises:
            NotFound: no such medium.
        """
        return self._call("GET", f"runs/{run_id}/blobs/{digest}").content

    # -- large bytes --------------------------------------------------------------------------------------------------

    def missing_blobs(self, run_id: str, digests: Sequence[str]) -> list[str]:
        """Return those media that the server has not got."""
        return list(self._post(f"runs/{run_id}/blobs/missing", {"digests": list(digests)})["missing"])

    def put_blob(self, run_id: str, digest: str, pieces: Callable[[], Iterable[bytes]]) -> None:
        """Send a medium; `pieces` gives its bytes, from the start each time it is called."""
        self._call("PUT", f"runs/{run_id}/blobs/{digest}", content=pieces, headers={"Content-Type": PACK_TYPE})

    def missing_chunks(self, run_id: str, ids: Sequence[bytes]) -> list[bytes]:
        """Return those chunks that the server has not got; up to 32,768 at a time."""
        headers = {"Content-Type": PACK_TYPE}
        found = self._call("POST", f"runs/{run_id}/chunks/missing", content=b"".join(ids), headers=headers).content
        return [found[start : start + 32] for start in range(0, len(found), 32)]

    def put_chunks(self, run_id: str, frames: bytes) -> None:
        """Send chunks, as `artifacts.frames` has them."""
        self._call("POST", f"runs/{run_id}/chunks", content=frames, headers={"Content-Type": PACK_TYPE})

    def missing_versions(self, run_id: str, ids: Sequence[str]) -> list[str]:
        """Return those versions that the server has not got."""
        return list(self._post(f"runs/{run_id}/versions/missing", {"ids": list(ids)})["missing"])

    def put_version(self, run_id: str, version_id: str, version: VersionPart) -> None:
        """Make a version visible, whose chunks are there.

        Raises:
            Conflict: some of them are not ("chunks_missing").
        """
        self._send("PUT", f"runs/{run_id}/versions/{version_id}", encode(msgspec.structs.asdict(version)))

    def find_version(self, name: str, project: str) -> dict[str, Any]:
        """Return what is known of the version that "name:v3", "name:alias" or "project/name:alias" means.

        Raises:
            NotFound: no such version.
        """
        found = self._call("GET", "versions/find", params={"name": name, "project": project}).content
        return cast("dict[str, Any]", decode(found))

    def chunks(self, version_id: str, ids: Sequence[bytes]) -> bytes:
        """Return chunks of a version, as `artifacts.frames` has them."""
        headers = {"Content-Type": PACK_TYPE}
        return self._call("POST", f"versions/{version_id}/chunks", content=b"".join(ids), headers=headers).content


def _retry_after_s(said: str) -> float:
    """Return the seconds of a `Retry-After`, which a proxy may have written; 0 for what cannot be read."""
    from email.utils import parsedate_to_datetime

    try:
        asked_s = float(said) if said.strip().isdigit() else parsedate_to_datetime(said).timestamp() - time.time()
    except (TypeError, ValueError, OverflowError):
        return 0.0
    return min(max(asked_s, 0.0), _LONGEST_RETRY_S)


class FilePieces:
    """A file's bytes piece by piece, from the start each time they are asked for."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __call__(self) -> Iterator[bytes]:
        """Yield them."""
        with self._path.open("rb") as file:
            while piece := file.read(_PIECE_BYTES):
                yield piece


def check_url(url: str) -> str:
    """Return a server's address without an end.

    Raises:
        UsageError: it is none.
    """
    from urllib.parse import urlsplit

    parts = urlsplit(url.strip())
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment or parts.username:
        raise UsageError(
            f"{url!r} is no address of a server; write it as 'https://host:8265' or with a prefix behind it"
        )
    return url.strip().rstrip("/")
