"""What requests and answers look like: the types behind the OpenAPI description.

Times are microseconds since 1970 (UTC). Fields of type `Any` hold values as `wire.plain` gives them.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import Response
from pydantic import BaseModel, ConfigDict, Field

__all__ = [
    "Appended",
    "ArtifactFileRow",
    "AttemptRow",
    "ConsolePage",
    "ConsoleRow",
    "Digests",
    "ErrorAnswer",
    "ErrorText",
    "EventRow",
    "FiledRow",
    "Health",
    "Ids",
    "MediaPage",
    "MediaRow",
    "MetricRow",
    "Missing",
    "Packed",
    "Project",
    "RunDetail",
    "RunKey",
    "RunProgress",
    "RunRow",
    "RunsPage",
    "SeriesQuery",
    "Taken",
    "VersionRow",
]

_Name = Annotated[str, Field(max_length=4096)]


class ErrorText(BaseModel):
    """Why there is no answer."""

    code: str
    message: str
    expected: int | None = Field(default=None, description="the row that has to come next, where rows came too early")


class ErrorAnswer(BaseModel):
    """The body of every answer whose status is 400 or more."""

    error: ErrorText


class Health(BaseModel):
    """That the server is there."""

    status: Literal["ok"] = "ok"


class Project(BaseModel):
    """A project."""

    name: str
    runs: int
    running: int = 0
    changed_us: int = Field(default=0, description="when one of its runs last changed")


class RunRow(BaseModel):
    """A run in a list."""

    id: str
    project: str
    name: str
    state: str
    created_us: int
    updated_us: int
    ended_us: int | None
    duration_s: float
    attempt: int
    group: str | None
    job_type: str | None
    notes: str | None
    parent_id: str | None
    parent_step: int | None
    tags: list[str]
    colour: str | None = Field(description="of its lines, as somebody chose it: #rrggbb on white")
    values: dict[str, Any] = Field(description="the columns that were asked for, such as config.lr")


class RunsPage(BaseModel):
    """Some runs, in order."""

    runs: list[RunRow]
    next: str | None = Field(description="give it as `after` for the next page; null on the last one")
    total: int | None = Field(description="all runs of the filter, when `count` asked for it")


class AttemptRow(BaseModel):
    """One stretch of a run between a start and its end."""

    number: int
    state: str
    started_us: int
    ended_us: int | None
    from_step: int | None
    first_row: int
    failure: Any
    config_changes: Any
    process: Any
    dropped_rows: int


class MetricRow(BaseModel):
    """What is known of a metric without its values."""

    key: str
    kind: str
    count: int
    first: Any
    last: Any
    min: Any
    max: Any
    mean: Any
    nan: int
    x: str | None = None
    summary: list[str] = []
    goal: str | None = None
    hidden: bool = False


class RunDetail(RunRow):
    """Everything about a run but its rows."""

    config: Any
    summary: Any
    failure: Any
    attempts: list[AttemptRow]
    metrics: list[MetricRow]
    system: list[MetricRow]


class ConsoleRow(BaseModel):
    """A line that was printed."""

    number: int
    text: str
    source: str
    time_us: int


class ConsolePage(BaseModel):
    """Some lines."""

    lines: list[ConsoleRow]
    total: int


class EventRow(BaseModel):
    """Something that happened to a run."""

    kind: str
    message: str
    level: str
    step: int | None
    time_us: int
    fields: Any


class MediaRow(BaseModel):
    """What was logged in one row: a medium, a list of them, a text, a histogram."""

    row: int
    x: Any
    value: Any


class MediaPage(BaseModel):
    """Some of what was logged under one name."""

    kind: str
    rows: list[MediaRow]
    total: int


class VersionRow(BaseModel):
    """A version of an artifact."""

    id: str
    project: str
    name: str
    type: str
    version: int
    run_id: str
    created_us: int
    digest: str
    size: int
    stored: int
    aliases: list[str]
    tags: list[str]
    description: str | None
    metadata: Any


class ArtifactFileRow(BaseModel):
    """A file of a version."""

    path: str
    size: int
    digest: str
    uri: str | None


class Packed(Response):
    """An answer in MessagePack, which holds values that JSON has no word for."""

    media_type = "application/msgpack"


class RunProgress(BaseModel):
    """How much of a run has arrived."""

    created_us: int
    state: str
    attempt: int
    version: int = Field(description="of its document")
    fingerprint: str
    next_rows: dict[str, int] = Field(description="by stream, the row that is expected next")
    watched: bool = Field(description="whether a page looks at the run through this server")


class Appended(BaseModel):
    """The end of a stream."""

    next_row: int
    watched: bool = Field(description="whether a page looks at the run through this server: send more often then")


class RunKey(BaseModel):
    """What opens one run and nothing else."""

    key: str


class Digests(BaseModel):
    """Hashes of media."""

    digests: Annotated[list[Annotated[str, Field(pattern="^[0-9a-f]{64}$")]], Field(max_length=1000)]


class Ids(BaseModel):
    """Ids of versions."""

    ids: Annotated[list[_Name], Field(max_length=100_000)]


class Missing(BaseModel):
    """What is not here."""

    missing: list[str]


class Taken(BaseModel):
    """What has been taken in."""

    chunks: int


class FiledRow(BaseModel):
    """What became of a version; its id and number are an older one's where the content is the same."""

    id: str
    version: int
    digest: str


class SeriesQuery(BaseModel):
    """Many metrics of many runs over one x axis, for a wall of charts."""

    model_config = ConfigDict(extra="forbid", strict=True)

    runs: Annotated[list[_Name], Field(max_length=1000)]
    keys: Annotated[list[_Name], Field(max_length=1000)]
    x: _Name = "_step"
    start: float | None = Field(default=None, description="on the x axis; microseconds since 1970 for _time")
    stop: float | None = Field(default=None, description="points at or after it are left out")
    width: Annotated[int, Field(ge=1, le=16_384, description="pixels; two points of each are kept, the extremes")] = 800
    stream: Literal["history", "system"] = "history"
    superseded: bool = False
    log_x: bool = Field(default=False, description="the x axis is logarithmic: its left has more of the points")
