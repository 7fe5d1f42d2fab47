"""Bytes that users have stored: media and files of artifacts.

Whatever they are, they never act as a page of ours: nothing is guessed from them but a few pictures and films by their
first bytes, everything else is only ever saved to disk, and each answer is locked into a sandbox without an origin.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import FileResponse, HTMLResponse, Response, StreamingResponse

from treering.api._versions import versions_of
from treering.artifacts import Artifact, ArtifactFile
from treering.artifacts.media_objects import ObjectBlobs
from treering.artifacts.names import check_path
from treering.errors import NotFound
from treering.server import shapes
from treering.server.refusals import Refusal
from treering.server.routes_runs import Open, RunId
from treering.server.shelf import Library
from treering.server.wire import clean, plain, us

__all__ = ["VersionId", "find_version", "router", "shown_type", "version_row"]

_HEAD_BYTES = 16
_PIECE_BYTES = 1 << 20
_LARGEST_PAGE_BYTES = 32 << 20
_LOCKED = {
    "Content-Security-Policy": "sandbox; default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
# Named by its content, it never changes.
_FOREVER = {"Cache-Control": "private, max-age=31536000, immutable"}
# An SVG is a document with scripts, and so is HTML: neither is in here.
_SHOWN = (
    (re.compile(rb"\x89PNG\r\n\x1a\n"), "image/png"),
    (re.compile(rb"\xff\xd8\xff"), "image/jpeg"),
    (re.compile(rb"GIF8[79]a"), "image/gif"),
    (re.compile(rb"RIFF....WEBP", re.DOTALL), "image/webp"),
    (re.compile(rb"RIFF....WAVE", re.DOTALL), "audio/wav"),
    (re.compile(rb"ID3|\xff[\xf2\xf3\xfa\xfb]"), "audio/mpeg"),
    (re.compile(rb"OggS"), "audio/ogg"),
    (re.compile(rb"fLaC"), "audio/flac"),
    (re.compile(rb"....ftyp", re.DOTALL), "video/mp4"),
    (re.compile(rb"\x1aE\xdf\xa3"), "video/webm"),
)

# What a page of a user may do in its frame: run its own scripts, and show what it carries.
_PAGE_POLICY = (
    "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "img-src data: blob:; media-src data: blob:; font-src data:; frame-ancestors 'self'"
)

router = APIRouter(tags=["files"])
_BYTES: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}
}


def shown_type(head: bytes) -> str | None:
    """Return the type of what a page may show, told by its first 16 bytes; None for what is only saved."""
    return next((kind for pattern, kind in _SHOWN if pattern.match(head)), None)


def _disposition(name: str, *, shown: bool) -> str:
    return f"{'inline' if shown else 'attachment'}; filename*=UTF-8''{quote(clean(name), safe='')}"


@router.get("/runs/{run_id}/media")
def media(
    library: Open,
    run_id: RunId,
    key: Annotated[str, Query(max_length=4096)],
    x: Annotated[str, Query(max_length=4096)] = "_step",
    start: Annotated[int, Query(ge=0, description="how many to leave out")] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> shapes.MediaPage:
    """Return what was logged under `key` row by row; the bytes of a medium are at `blobs/` under its "blob"."""
    points = library.by_id(run_id).reader.points("history", key, x)
    span = slice(start, start + limit)
    rows = zip(points.rows[span].tolist(), points.x[span].tolist(), points.values[span].tolist(), strict=True)
    return shapes.MediaPage(
        kind=points.kind,
        total=points.total,
        rows=[shapes.MediaRow(row=row, x=plain(place), value=plain(value)) for row, place, value in rows],
    )


@router.get("/runs/{run_id}/blobs/{digest}", response_class=FileResponse, responses=_BYTES)
def blob(library: Open, run_id: RunId, digest: Annotated[str, Path(max_length=64)]) -> Response:
    """Return the bytes of a medium."""
    blobs = library.by_id(run_id).source.blobs
    if isinstance(blobs, ObjectBlobs):
        pieces = blobs.pieces(digest)
        first = next(pieces, b"")
        kind = shown_type(first[:_HEAD_BYTES])
        length = {"Content-Length": str(blobs.size(digest))}
        answer = StreamingResponse(chain((first,), pieces), headers={**_headers_of(digest, kind), **length})
        answer.headers["Content-Type"] = kind or "application/octet-stream"
        return answer
    path = blobs.path(digest)
    try:
        with path.open("rb") as file:
            kind = shown_type(file.read(_HEAD_BYTES))
    except OSError:
        raise NotFound(f"blob {digest} is not in the store") from None
    return FileResponse(path, media_type=kind or "application/octet-stream", headers=_headers_of(digest, kind))


@router.get(
    "/runs/{run_id}/pages/{digest}",
    response_class=Response,
    responses={200: {"content": {"text/html": {"schema": {"type": "string"}}}}},
)
def page(request: Request, library: Open, run_id: RunId, digest: Annotated[str, Path(max_length=64)]) -> Response:
    """Return a medium of HTML as a page without an origin, which reaches neither us nor anybody else; for a frame."""
    blobs = library.by_id(run_id).source.blobs
    if (blobs.size(digest) or 0) > _LARGEST_PAGE_BYTES:
        raise Refusal(413, "too_large", f"pages of up to {_LARGEST_PAGE_BYTES >> 20} MiB are shown; save this one")
    framing: tuple[str, ...] = request.app.state.options.frame_origins
    headers = {
        **_FOREVER,
        "ETag": f'"{digest}"',
        "Content-Security-Policy": " ".join((_PAGE_POLICY, *framing)),
        # It knows one page only; where there may be others, the policy alone says which.
        **({} if framing else {"X-Frame-Options": "SAMEORIGIN"}),
    }
    return HTMLResponse(blobs.get(digest), headers=headers)


def _headers_of(digest: str, kind: str | None) -> dict[str, str]:
    return {
        **_LOCKED,
        **_FOREVER,
        "ETag": f'"{digest}"',
        "Content-Disposition": _disposition(digest, shown=kind is not None),
    }


@router.get("/artifacts")
def artifacts(library: Open, project: str | None = None, name: str | None = None) -> list[shapes.VersionRow]:
    """List versions of artifacts, the oldest first."""
    return [version_row(version) for version in library.versions(name, project)]


@router.get("/runs/{run_id}/artifacts")
def artifacts_of_run(library: Open, run_id: RunId, used: bool = False) -> list[shapes.VersionRow]:
    """List the versions that a run made, or those that it used."""
    run = library.by_id(run_id)
    return [version_row(version) for version in (run.used_versions() if used else run.versions())]


def version_row(version: Artifact) -> shapes.VersionRow:
    """Return a version as a list shows it."""
    return shapes.VersionRow(
        id=version.id,
        project=clean(version.project),
        name=version.name,
        type=clean(version.type),
        version=version.version,
        run_id=version.run_id,
        created_us=us(version.created),
        digest=version.digest,
        size=version.size,
        stored=version.stored,
        aliases=list(version.aliases),
        tags=list(version.tags),
        description=None if version.description is None else clean(version.description),
        metadata=plain(version.metadata),
    )


VersionId = Annotated[str, Path(max_length=200)]


def find_version(library: Library, version_id: str) -> Artifact:
    """Return the version of this id.

    Raises:
        NotFound: there is none.
    """
    for source in library.sources:
        for version in versions_of(source, "id = :value", version_id):
            return version
    raise NotFound(f"there is no version {version_id!r}")


@router.get("/artifacts/{version_id}/files")
def artifact_files(library: Open, version_id: VersionId) -> list[shapes.ArtifactFileRow]:
    """List the files of a version."""
    return [
        shapes.ArtifactFileRow(path=clean(one.path), size=one.size, digest=one.digest, uri=one.uri)
        for one in find_version(library, version_id).files()
    ]


@router.get("/artifacts/{version_id}/file", response_class=StreamingResponse, responses=_BYTES)
def artifact_file(
    library: Open, version_id: VersionId, path: Annotated[str, Query(min_length=1, max_length=2048)]
) -> Response:
    """Return one file of a version, always to be saved."""
    one = find_version(library, version_id).get_path(check_path(path))
    if one.uri is not None:
        raise NotFound(f"{path!r} is only a reference to {one.uri}; its bytes are not here")
    headers = {
        **_LOCKED,
        "Content-Length": str(one.size),
        "Content-Disposition": _disposition(path.rpartition("/")[2], shown=False),
    }
    return StreamingResponse(_pieces(one), media_type="application/octet-stream", headers=headers)


def _pieces(one: ArtifactFile) -> Iterator[bytes]:
    for start in range(0, one.size, _PIECE_BYTES):
        yield one.read(start, min(_PIECE_BYTES, one.size - start))
