"""What goes over the network when a run is brought to a server: the forms that both sides agree on.

A run goes over in parts, each of which may be sent again without changing anything: its rows by their numbers, its
*document* (all but its rows) by a version that only grows, media and files by the hash of their bytes. Rows are framed
as the journal has them: four bytes with the length (little endian), then MessagePack `[stream, row, step, time_ns,
data]`, with media as references to blobs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from treering.errors import UsageError
from treering.store.values import encode, read_extension

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "PACK_TYPE",
    "ROWS_TYPE",
    "AttemptPart",
    "ColumnPiece",
    "Progress",
    "RunDocument",
    "VersionPart",
    "fingerprint",
    "frame_rows",
    "read_columns",
    "read_document",
    "read_version",
    "split_rows",
    "unpack_bounded",
]

ROWS_TYPE = "application/msgpack"
PACK_TYPE = "application/octet-stream"
_LENGTH = 4


class AttemptPart(msgspec.Struct):
    """One row of `attempts`, less the place in a journal that only its own machine has."""

    attempt: int
    state: str
    started_us: int
    first_row: int
    ended_us: int | None = None
    from_step: int | None = None
    failure: Any = None
    config_changes: Any = None
    process: Any = None
    dropped_rows: int = 0


class RunDocument(msgspec.Struct, kw_only=True):
    """A run without its rows.

    Attributes:
        version: grows with each change; a document older than the one that is there comes too late.
        complete: all rows and versions are there; until then the server shows the run as running.
        capture: None where it is as it was.
        capture_digest: of `capture`, given or not.
        uses: (version id, microseconds since 1970, the words it was asked for by) of each version that it uses.
        aliases: (version id, alias, microseconds since 1970 when it was moved there) of its versions.
    """

    version: int
    project: str
    name: str
    state: str
    created_us: int
    attempt: int
    attempts: list[AttemptPart]
    complete: bool = False
    ended_us: int | None = None
    group_name: str | None = None
    job_type: str | None = None
    notes: str | None = None
    parent_id: str | None = None
    parent_step: int | None = None
    resume_key: str | None = None
    sweep: str | None = None
    next_step: int = 0
    tags: list[str] = []
    config: dict[str, Any] = {}
    summary_set: dict[str, Any] = {}
    definitions: list[dict[str, Any]] = []
    failure: Any = None
    capture: dict[str, Any] | None = None
    capture_digest: str = ""
    uses: list[tuple[str, int, str]] = []
    aliases: list[tuple[str, str, int]] = []


class VersionPart(msgspec.Struct, kw_only=True):
    """A version of an artifact; `manifest` is as the table `manifests` keeps it. Aliases are in the run's document."""

    name: str
    type: str
    project: str
    created_us: int
    manifest: bytes
    stored: int = 0
    tags: list[str] = []
    metadata: dict[str, Any] = {}
    description: str | None = None
    base_id: str | None = None
    expires_us: int | None = None


class ColumnPiece(msgspec.Struct, array_like=True, gc=False):
    """Numbers of one column, encoded as the store's chunks are; a body of them is an array.

    Attributes:
        kind: "float64", "int64" or "bool"; this last one is sent as integers 0 and 1.
        count: how many values there are.
        rows: the distances of their rows from `first_row`; None where each row has a value.
        data: the values.
    """

    key: str
    kind: str
    first_row: int
    last_row: int
    count: int
    rows: bytes | None
    data: bytes


class Progress(msgspec.Struct):
    """How much of a run a server has.

    Attributes:
        next_rows: by stream, the number of the row that it expects next.
        version: of its document.
        fingerprint: of that document; "" where none has come.
        watched: whether somebody looks at the run there.
    """

    created_us: int
    state: str
    attempt: int
    version: int
    fingerprint: str
    next_rows: dict[str, int]
    watched: bool = False


def fingerprint(document: RunDocument) -> str:
    """Return what two documents have in common that say the same, whatever their version; rows move `next_step`."""
    from xxhash import xxh3_128_hexdigest

    return xxh3_128_hexdigest(encode(msgspec.structs.replace(document, version=0, next_step=0, capture=None)))


_documents = msgspec.msgpack.Decoder(RunDocument, ext_hook=read_extension)
_versions = msgspec.msgpack.Decoder(VersionPart, ext_hook=read_extension)
_columns = msgspec.msgpack.Decoder(list[ColumnPiece])


def read_document(data: bytes) -> RunDocument:
    """Return the document that these bytes are.

    Raises:
        UsageError: they are none.
    """
    try:
        return _documents.decode(data)
    except (msgspec.MsgspecError, TypeError, ValueError, RecursionError) as error:
        raise UsageError(f"the body is no document of a run: {str(error) or 'it is nested too deeply'}") from None


def read_version(data: bytes) -> VersionPart:
    """Return the version that these bytes are.

    Raises:
        UsageError: they are none.
    """
    try:
        return _versions.decode(data)
    except (msgspec.MsgspecError, TypeError, ValueError, RecursionError) as error:
        raise UsageError(f"the body is no version of an artifact: {str(error) or 'it is nested too deeply'}") from None


def read_columns(data: bytes) -> list[ColumnPiece]:
    """Return the columns that these bytes are; what is in them is not looked at.

    Raises:
        UsageError: they are none.
    """
    try:
        return _columns.decode(data)
    except (msgspec.MsgspecError, TypeError, ValueError, RecursionError) as error:
        raise UsageError(f"the body holds no columns: {str(error) or 'it is nested too deeply'}") from None


def frame_rows(records: Iterable[bytes]) -> bytes:
    """Return records as one body."""
    return b"".join(part for data in records for part in (len(data).to_bytes(_LENGTH, "little"), data))


def split_rows(body: bytes) -> list[bytes]:
    """Return the records of a body.

    Raises:
        UsageError: it is cut off.
    """
    records: list[bytes] = []
    at, end = 0, len(body)
    while at < end:
        start = at + _LENGTH
        at = start + int.from_bytes(body[at:start], "little")
        if start > end or at > end:
            raise UsageError(f"the rows are cut off in record {len(records)}; send whole records")
        records.append(body[start:at])
    return records


def unpack_bounded(data: bytes, max_bytes: int) -> bytes | None:
    """Return what zstd has packed, or None where that is larger than allowed; memory is bounded either way.

    Raises:
        UsageError: it is not zstd.
    """
    from treering.zstd import ZstdError, announced, unpack

    try:
        # Written by the sender in one frame that says how much it holds, so a body that was cut off is an error.
        size = announced(data)
        if size > max_bytes:
            return None
        return unpack(data, max_bytes)
    except ZstdError as error:
        raise UsageError(f"the body is not zstd: {error}") from None
