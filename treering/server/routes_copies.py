"""For `treering.Api(url=...)`: runs as the store has them, to be read there with the code that reads here."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field

from treering.online.delivery import ROWS_TYPE
from treering.server import shapes
from treering.server.routes_runs import Open, RunId
from treering.store.copies import RUN_FIELDS, chunks_of, rows_of
from treering.store.filter_tree import filter_of
from treering.store.read_filter import parse_order
from treering.store.read_query import Page
from treering.store.values import encode

__all__ = ["router"]

router = APIRouter(tags=["copies"])

_ANSWER: dict[int | str, dict[str, Any]] = {200: {"content": {ROWS_TYPE: {"schema": {"type": "object"}}}}}
_BYTES_AT_ONCE = 16 << 20
_Key = Annotated[str, Field(max_length=4096)]


class CopiesQuery(BaseModel):
    """Which runs, in which order."""

    model_config = ConfigDict(extra="forbid", strict=True)

    where: list[Any] = Field(description='a filter: ["<", "config", "lr", [0.1]], ["not", ...], ["all", ...]')
    order: Annotated[list[_Key], Field(max_length=100, description="fields; a minus before one means descending")] = []
    limit: Annotated[int, Field(ge=1, le=10_000)] = 1000
    offset: Annotated[int, Field(ge=0, le=10_000_000)] = 0


class ChunksQuery(BaseModel):
    """Which columns of a stream, and which of their chunks are known."""

    model_config = ConfigDict(extra="forbid", strict=True)

    keys: Annotated[list[_Key], Field(max_length=100_000)] | None = None
    known: Annotated[
        dict[_Key, list[Annotated[list[int], Field(min_length=2, max_length=2)]]],
        Field(description="by key, the first row and checksum of chunks"),
    ] = {}


@router.post("/copies", response_class=Response, responses=_ANSWER)
def copies(library: Open, query: CopiesQuery) -> shapes.Packed:
    """Return rows of the table `runs`, in order: `names` of the columns, and `rows`."""
    found = library.listed(Page(filter_of(query.where), parse_order(query.order), query.limit, offset=query.offset))
    rows: dict[str, tuple[Any, ...]] = {}
    for source in {id(run.source): run.source for run in found}.values():
        ids = [run.id for run in found if run.source is source]
        rows |= {row[0]: row for row in source.rows(RUN_FIELDS, ids)}
    return shapes.Packed(encode({"names": RUN_FIELDS, "rows": [rows[run.id] for run in found if run.id in rows]}))


@router.get("/runs/{run_id}/copy", response_class=Response, responses=_ANSWER)
def copy(library: Open, run_id: RunId) -> shapes.Packed:
    """Return all of a run, and of those it was forked from, but its chunks: rows by table."""
    return shapes.Packed(encode(rows_of(library.by_id(run_id).source.database, run_id)))


@router.post("/runs/{run_id}/copy/{stream}", response_class=Response, responses=_ANSWER)
def copy_chunks(
    library: Open, run_id: RunId, stream: Literal["history", "system", "console", "events"], query: ChunksQuery
) -> shapes.Packed:
    """Return the chunks of a run's columns that are not known; ask again while there is `more`."""
    database = library.by_id(run_id).source.database
    found, more = chunks_of(database, run_id, stream, query.keys, query.known, _BYTES_AT_ONCE)
    return shapes.Packed(encode({"columns": found, "more": more}))
