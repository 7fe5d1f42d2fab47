"""Taking in large bytes: media, chunks of artifacts, and the versions that they make up."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path as FilePath
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Path, Request, Response
from starlette.concurrency import run_in_threadpool

from treering.artifacts import index
from treering.artifacts.committing import ChunksGone
from treering.artifacts.frames import frame_chunk
from treering.artifacts.lookup import find
from treering.artifacts.manifest import ID_BYTES
from treering.artifacts.reading import ChunkReader
from treering.artifacts.receiving import receive_chunks, receive_version
from treering.errors import NotFound, UsageError
from treering.online.delivery import PACK_TYPE, ROWS_TYPE, read_version
from treering.server import shapes
from treering.server.inbox import Inbox
from treering.server.refusals import Refusal
from treering.server.routes_runs import RunId
from treering.server.routes_write import Box, binary_body
from treering.store.blobs import hash_file
from treering.store.values import encode

__all__ = ["router"]

router = APIRouter(tags=["writing"])
_CHUNKS_AT_ONCE = 32
VersionId = Annotated[str, Path(max_length=200)]
_FRAMES = (
    "for each chunk its id (32 bytes), size and stored size (4 each, little endian), and its bytes, or zstd of them"
)
_IDS = binary_body(PACK_TYPE, "ids of chunks one after another, 32 bytes each")
_BYTES: dict[int | str, dict[str, Any]] = {
    200: {"content": {PACK_TYPE: {"schema": {"type": "string", "format": "binary"}}}}
}


@asynccontextmanager
async def _received(request: Request, inbox: Inbox) -> AsyncGenerator[FilePath, None]:
    """Lend a file with the request's body, beside where it will stay; gone afterwards unless it was moved."""
    folder = inbox.store.folder / "blobs" / "incoming"
    folder.mkdir(parents=True, exist_ok=True)
    place = folder / f"arriving-{os.urandom(8).hex()}"
    try:
        with place.open("xb") as file:
            async for piece in request.stream():
                file.write(piece)
        yield place
    finally:
        place.unlink(missing_ok=True)


@router.post("/runs/{run_id}/blobs/missing")
def missing_blobs(inbox: Box, run_id: RunId, asked: shapes.Digests) -> shapes.Missing:
    """Return those media of a run that are not here."""
    inbox.arrival(run_id)
    blobs = inbox.blobs()
    return shapes.Missing(missing=[digest for digest in dict.fromkeys(asked.digests) if blobs.size(digest) is None])


@router.put(
    "/runs/{run_id}/blobs/{digest}", status_code=204, openapi_extra=binary_body(PACK_TYPE, "the bytes of a medium")
)
async def put_blob(
    inbox: Box, request: Request, run_id: RunId, digest: Annotated[str, Path(pattern="^[0-9a-f]{64}$")]
) -> None:
    """Keep a medium under the BLAKE3 hash of its bytes."""
    inbox.arrival(run_id)
    blobs = await run_in_threadpool(inbox.blobs)
    async with _received(request, inbox) as file:

        def work() -> None:
            if hash_file(file) != digest:
                raise UsageError(f"these bytes are not {digest}; send them again")
            with file.open("rb") as whole:
                os.fsync(whole.fileno())
            blobs.adopt(file)

        await run_in_threadpool(work)


def _read_ids(body: bytes, at_most: int) -> list[bytes]:
    if len(body) % ID_BYTES or len(body) > at_most * ID_BYTES:
        raise UsageError(f"{len(body)} bytes are no list of ids of {ID_BYTES} bytes, or more than {at_most:,} of them")
    return [body[start : start + ID_BYTES] for start in range(0, len(body), ID_BYTES)]


@router.post("/runs/{run_id}/chunks/missing", response_class=Response, responses=_BYTES, openapi_extra=_IDS)
async def missing_chunks(inbox: Box, request: Request, run_id: RunId) -> Response:
    """Return the ids of those chunks that are not here."""
    ids = _read_ids(await request.body(), 1 << 15)
    inbox.arrival(run_id)

    def work() -> bytes:
        there = index.known(inbox.store.database, ids) if ids else set[bytes]()
        return b"".join(chunk_id for chunk_id in dict.fromkeys(ids) if chunk_id not in there)

    return Response(await run_in_threadpool(work), media_type=PACK_TYPE)


@router.post("/runs/{run_id}/chunks", openapi_extra=binary_body(PACK_TYPE, _FRAMES))
async def put_chunks(inbox: Box, request: Request, run_id: RunId) -> shapes.Taken:
    """Take in chunks, each of which is checked. They stay if a version names them soon."""
    inbox.arrival(run_id)
    depot = await run_in_threadpool(inbox.depot)
    async with _received(request, inbox) as file:
        return shapes.Taken(chunks=await run_in_threadpool(receive_chunks, depot, file))


@router.post("/runs/{run_id}/versions/missing")
def missing_versions(inbox: Box, run_id: RunId, asked: shapes.Ids) -> shapes.Missing:
    """Return those versions of a run that are not here."""
    inbox.arrival(run_id)
    database = inbox.store.database
    known = {
        version_id
        for version_id, _ in database.query(
            "SELECT filed_versions.id, version_id FROM filed_versions JOIN versions ON versions.id = version_id "
            "WHERE filed_versions.run_id = :id",
            {"id": run_id},
        )
    }
    known |= {
        version_id for (version_id,) in database.query("SELECT id FROM versions WHERE run_id = :id", {"id": run_id})
    }
    return shapes.Missing(missing=[one for one in dict.fromkeys(asked.ids) if one not in known])


@router.put("/runs/{run_id}/versions/{version_id}", openapi_extra=binary_body(ROWS_TYPE, "MessagePack"))
async def put_version(inbox: Box, request: Request, run_id: RunId, version_id: VersionId) -> shapes.FiledRow:
    """Make a version visible, whole or not at all; its chunks are there. The same content is the same version."""
    body = await request.body()
    inbox.arrival(run_id)

    def work() -> shapes.FiledRow:
        try:
            filed = receive_version(inbox.store.database, run_id, version_id, read_version(body))
        except ChunksGone as error:
            raise Refusal(409, "chunks_missing", str(error)) from None
        return shapes.FiledRow(**msgspec.to_builtins(filed))

    return await run_in_threadpool(work)


@router.get(
    "/versions/find",
    response_class=Response,  # so that failures are described as JSON
    responses={200: {"content": {ROWS_TYPE: {"schema": {"type": "object"}}}}},
)
def find_version(inbox: Box, name: str, project: str | None = None) -> shapes.Packed:
    """Return what is known of the version that "name:v3" or "project/name:alias" means, and its list of files."""
    database = inbox.store.database
    facts = find(database, name, project or None)
    ((manifest,),) = database.query("SELECT data FROM manifests WHERE version_id = :id", {"id": facts.id})
    return shapes.Packed(encode({"facts": msgspec.structs.asdict(facts), "manifest": bytes(manifest)}))


@router.post("/versions/{version_id}/chunks", response_class=Response, responses=_BYTES, openapi_extra=_IDS)
async def read_chunks(inbox: Box, request: Request, version_id: VersionId) -> Response:
    """Return chunks of a version in order, framed as they are sent here."""
    ids = _read_ids(await request.body(), _CHUNKS_AT_ONCE)

    def work() -> bytes:
        if not inbox.chunks_of(version_id).issuperset(ids):
            raise NotFound("the version has no such chunk")
        found = ChunkReader(inbox.depot()).chunks(ids)
        return b"".join(part for chunk in zip(ids, found, strict=True) for part in frame_chunk(*chunk))

    return Response(await run_in_threadpool(work), media_type=PACK_TYPE)
