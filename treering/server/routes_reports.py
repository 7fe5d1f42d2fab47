"""Reports: Markdown with live charts and tables, their versions, and what people say of them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Header, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from treering.reports import BlockError, Changed, Reports, open_reports, read_block
from treering.reports.finding import FoundChart, find
from treering.server.refusals import Refusal
from treering.server.routes_runs import Open, run_rows
from treering.server.shapes import ErrorAnswer, RunRow
from treering.server.wire import clean

if TYPE_CHECKING:
    from treering.reports import Comment, Report, Version
    from treering.server.shelf import Library

__all__ = ["router"]

router = APIRouter(tags=["reports"])

_Project = Annotated[str, Field(min_length=1, max_length=1000)]
_Title = Annotated[str, Field(min_length=1, max_length=300)]
_Text = Annotated[str, Field(max_length=500_000)]
_Name = Annotated[str, Field(max_length=100, description="of who does it; empty for nobody who said a name")]
_Id = Annotated[str, Path(max_length=64)]
_Version = Annotated[int | None, Query(ge=1, lt=1 << 31)]
_CHANGED: dict[int | str, dict[str, Any]] = {
    412: {"model": ErrorAnswer, "description": "somebody has saved another version meanwhile"},
    428: {"model": ErrorAnswer, "description": "the request does not say which version it changes"},
}
_MOST_LISTED = 1000


class ReportRow(BaseModel):
    """A report in a list."""

    id: str
    project: str
    title: str
    author: str
    created_us: int
    updated_us: int
    version: int


class ReportText(ReportRow):
    """A report with its text; `shown` is the version that title and text are of."""

    text: str
    shown: int


class NewReport(BaseModel):
    """A report to keep."""

    model_config = ConfigDict(extra="forbid")

    project: _Project
    title: _Title
    text: _Text = ""
    author: _Name = ""


class ReportChange(BaseModel):
    """The next version of a report."""

    model_config = ConfigDict(extra="forbid")

    title: _Title
    text: _Text
    author: _Name = ""
    restored: Annotated[int | None, Field(ge=1, lt=1 << 31, description="the version that it brings back")] = None


class VersionRow(BaseModel):
    """A report as it was saved once."""

    number: int
    time_us: int
    author: str
    title: str
    size: int
    restored: int | None


class CommentRow(BaseModel):
    """What somebody says of a report."""

    id: str
    reply_to: str | None
    author: str
    time_us: int
    text: str
    resolved_us: int | None
    resolved_by: str


class NewComment(BaseModel):
    """Something to say."""

    model_config = ConfigDict(extra="forbid")

    text: Annotated[str, Field(min_length=1, max_length=20_000)]
    author: _Name = ""
    reply_to: Annotated[str | None, Field(max_length=64)] = None


class Settled(BaseModel):
    """Whether a comment is settled."""

    model_config = ConfigDict(extra="forbid")

    resolved: bool
    author: _Name = ""


class BlockText(BaseModel):
    """A fenced block of a report."""

    model_config = ConfigDict(extra="forbid")

    project: _Project
    kind: Literal["chart", "runs"]
    text: Annotated[str, Field(max_length=20_000)]


class ChartKey(BaseModel):
    """A metric and the axis that it is drawn over."""

    key: str
    x: str


class FoundBlock(BaseModel):
    """What a block asks for, found; `error` says why it cannot be read, and then nothing is found."""

    kind: Literal["chart", "runs"]
    error: str | None = None
    title: str = ""
    runs: list[RunRow] = []
    more: bool = Field(default=False, description="whether there are more runs than the block's limit")
    columns: list[str] = []
    keys: list[ChartKey] = []
    missing: list[str] = Field(default=[], description="keys that no run has")
    smoothing: tuple[str, float] = ("none", 0.0)
    log: str = ""
    range: tuple[float, float] | None = None
    height: int = 0


def _reports(library: Library) -> Reports:
    return Reports(library.sources[0].database)


@router.get("/reports")
def reports(
    library: Open, project: Annotated[str | None, Query(min_length=1, max_length=1000)] = None
) -> list[ReportRow]:
    """List the reports, the last changed first."""
    return [_row(one) for one in _reports(library).all(project)[:_MOST_LISTED]]


@router.post("/reports", status_code=201)
def create(library: Open, given: NewReport) -> ReportText:
    """Keep a new report."""
    with open_reports(library.sources[0]) as kept:
        report = kept.create(given.project, given.title, given.text, given.author)
    return _text(report, report.title, given.text, report.version)


@router.get("/reports/{report_id}")
def report(library: Open, report_id: _Id, version: _Version = None) -> ReportText:
    """Return a report as it is now, or as it was in a version."""
    kept = _reports(library)
    found = kept.report(report_id)
    number = found.version if version is None else version
    return _text(found, *kept.text(report_id, number), number)


@router.put("/reports/{report_id}", responses=_CHANGED)
def save(
    library: Open,
    report_id: _Id,
    given: ReportChange,
    version: Annotated[
        str | None, Header(alias="If-Match", max_length=100, description='the version that is changed: "3"')
    ] = None,
) -> ReportText:
    """Save the next version; refused with 412 when somebody else has saved one meanwhile."""
    if version is None:
        raise Refusal(428, "no_version", 'say which version is changed: the header If-Match, such as "3"')
    found = re.fullmatch(r'(?:W/)?"?([1-9][0-9]{0,8})"?', version.strip(), re.ASCII)
    try:
        with open_reports(library.sources[0]) as kept:
            saved = kept.save(
                report_id,
                int(found[1]) if found else 0,
                given.title,
                given.text,
                given.author,
                restored=given.restored,
            )
    except Changed as error:
        raise Refusal(412, "changed_meanwhile", clean(str(error))) from None
    return _text(saved, saved.title, given.text, saved.version)


@router.delete("/reports/{report_id}", status_code=204)
def delete(library: Open, report_id: _Id) -> None:
    """Delete a report with its versions and comments."""
    with open_reports(library.sources[0]) as kept:
        kept.delete(report_id)


@router.get("/reports/{report_id}/versions")
def versions(library: Open, report_id: _Id) -> list[VersionRow]:
    """List the versions, the newest first."""
    kept = _reports(library)
    kept.report(report_id)
    return [_version(one) for one in kept.versions(report_id)[:_MOST_LISTED]]


@router.get("/reports/{report_id}/comments")
def comments(library: Open, report_id: _Id) -> list[CommentRow]:
    """List what people say of it, the oldest first."""
    kept = _reports(library)
    kept.report(report_id)
    return [_comment(one) for one in kept.comments(report_id)]


@router.post("/reports/{report_id}/comments", status_code=201)
def add_comment(library: Open, report_id: _Id, given: NewComment) -> CommentRow:
    """Say something of a report, or answer a comment."""
    with open_reports(library.sources[0]) as kept:
        return _comment(kept.add_comment(report_id, given.text, given.author, given.reply_to))


@router.patch("/reports/{report_id}/comments/{comment_id}")
def settle(library: Open, report_id: _Id, comment_id: _Id, given: Settled) -> CommentRow:
    """Say that a comment is settled, or that it is not."""
    with open_reports(library.sources[0]) as kept:
        return _comment(kept.settle(report_id, comment_id, given.author, resolved=given.resolved))


@router.delete("/reports/{report_id}/comments/{comment_id}", status_code=204)
def remove_comment(library: Open, report_id: _Id, comment_id: _Id) -> None:
    """Delete a comment and the answers to it."""
    with open_reports(library.sources[0]) as kept:
        kept.remove_comment(report_id, comment_id)


@router.get(
    "/reports/{report_id}/page",
    response_class=Response,
    responses={200: {"content": {"text/html": {"schema": {"type": "string"}}}}},
)
def export(library: Open, report_id: _Id, version: _Version = None) -> Response:
    """Return a report as one HTML file that asks no network, to be saved."""
    from treering.reports.page import page

    kept = _reports(library)
    found = kept.report(report_id)
    title, text = kept.text(report_id, found.version if version is None else version)
    name = re.sub(r"[^A-Za-z0-9]+", "-", title).strip("-").lower()[:60] or "report"
    return Response(
        page(library, found, text).encode("utf-8", "backslashreplace"),
        headers={
            "Content-Disposition": f'attachment; filename="{name}.html"',
            "Content-Security-Policy": "sandbox",  # a file to keep, never a page of ours
        },
        media_type="text/html; charset=utf-8",
    )


@router.post("/report-blocks")
def block(library: Open, given: BlockText) -> FoundBlock:
    """Read a fenced block of a report and find its runs and metrics; the curves themselves come from /series."""
    try:
        found = find(library, given.project, read_block(given.kind, given.text))
    except BlockError as error:
        return FoundBlock(kind=given.kind, error=clean(str(error)))
    asked = found.block
    if not isinstance(found, FoundChart):
        rows = run_rows(found.runs, found.columns)
        columns = [clean(column) for column in found.columns]
        return FoundBlock(kind="runs", title=clean(asked.title), runs=rows, more=found.more, columns=columns)
    return FoundBlock(
        kind="chart",
        title=clean(asked.title),
        runs=run_rows(found.runs, []),
        more=found.more,
        keys=[ChartKey(key=clean(key), x=clean(x)) for key, x in found.keys],
        missing=[clean(key) for key in found.missing],
        smoothing=found.block.smoothing,
        log=found.block.log,
        range=found.block.range,
        height=found.block.height,
    )


def _row(one: Report) -> ReportRow:
    return ReportRow.model_validate(_fields(one))


def _text(one: Report, title: str, text: str, shown: int) -> ReportText:
    return ReportText.model_validate({**_fields(one), "title": clean(title), "text": clean(text), "shown": shown})


def _version(one: Version) -> VersionRow:
    return VersionRow.model_validate(_fields(one))


def _comment(one: Comment) -> CommentRow:
    return CommentRow.model_validate(_fields(one))


def _fields(one: Report | Version | Comment) -> dict[str, Any]:
    """Return a record's fields as JSON can hold them."""
    found = {name: getattr(one, name) for name in one.__struct_fields__}
    return {name: clean(value) if isinstance(value, str) else value for name, value in found.items()}
