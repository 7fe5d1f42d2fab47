"""Saved views of a project's page."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Header, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field, StrictBool

from treering.server.refusals import Refusal
from treering.server.routes_runs import Open
from treering.server.wire import clean
from treering.store.views import NameTaken, SavedView, Superseded, Views

if TYPE_CHECKING:
    from collections.abc import Generator

    from treering.server.shelf import Library

__all__ = ["router"]

router = APIRouter(tags=["views"])

_Id = Annotated[str, Path(max_length=64)]
_Name = Annotated[str, Field(min_length=1, max_length=120)]
_Search = Annotated[str, Field(max_length=50_000, description="the settings, as the page's address has them")]


class ViewRow(BaseModel):
    """A view; its `revision` in quotes is its ETag."""

    id: str
    project: str
    name: str
    search: str
    is_default: bool
    revision: int
    updated_us: int


class NewView(BaseModel):
    """A view to be kept."""

    model_config = ConfigDict(extra="forbid")

    project: Annotated[str, Field(min_length=1, max_length=4096)]
    name: _Name
    search: _Search
    is_default: StrictBool = False


class ViewChange(BaseModel):
    """What is to be otherwise; null or left out stays as it is."""

    model_config = ConfigDict(extra="forbid")

    name: _Name | None = None
    search: _Search | None = None
    is_default: StrictBool | None = None


@contextmanager
def _writing(library: Library) -> Generator[Views]:
    source = library.sources[0]
    database = source.writable()
    try:
        yield Views(database)
    except NameTaken as error:
        raise Refusal(409, "name_taken", str(error)) from None
    except Superseded as error:
        raise Refusal(412, "superseded", str(error)) from None
    finally:
        if database is not source.database:
            database.close()


def _row(view: SavedView) -> ViewRow:
    return ViewRow.model_validate({**view._asdict(), "project": clean(view.project)})


def _answer(response: Response, view: SavedView) -> ViewRow:
    response.headers["etag"] = f'"{view.revision}"'
    return _row(view)


@router.get("/views")
def views(library: Open, project: Annotated[str, Query(max_length=4096)]) -> list[ViewRow]:
    """List a project's views by name."""
    return [_row(view) for view in Views(library.sources[0].database).of(project)]


@router.post("/views", status_code=201)
def add(library: Open, response: Response, given: NewView) -> ViewRow:
    """Keep a view; a name that is taken is answered with 409."""
    with _writing(library) as kept:
        return _answer(response, kept.add(given.project, given.name, given.search, is_default=given.is_default))


@router.patch("/views/{view_id}")
def change(
    library: Open,
    response: Response,
    view_id: _Id,
    given: ViewChange,
    seen: Annotated[
        str | None, Header(alias="If-Match", max_length=100, description="the ETag of the view as it was seen")
    ] = None,
) -> ViewRow:
    """Change a view; 412 when somebody else has changed it since it was seen."""
    if seen is None:
        raise Refusal(428, "not_seen", "a change needs the header If-Match with the view's ETag as it was seen")
    text = seen.strip().removeprefix("W/").strip('"')
    revision = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else -1  # noqa: PLR2004  # of 32 bits
    with _writing(library) as kept:
        changes = given.model_dump()
        return _answer(response, kept.change(view_id, revision, **changes))


@router.delete("/views/{view_id}", status_code=204)
def remove(library: Open, view_id: _Id) -> None:
    """Forget a view; the runs that it showed stay."""
    with _writing(library) as kept:
        kept.remove(view_id)
