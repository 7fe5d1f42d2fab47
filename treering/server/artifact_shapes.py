"""What answers about artifacts look like; times are microseconds since 1970 (UTC)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from treering.server.shapes import VersionRow

__all__ = [
    "AliasRow",
    "Changed",
    "CollectionPage",
    "CollectionRow",
    "DiffAnswer",
    "DiffFile",
    "DiffTensor",
    "DiffValue",
    "GraphLink",
    "GraphNode",
    "LeavingRow",
    "LineageGraph",
    "PlanAnswer",
    "PlanFound",
    "RegistryRow",
    "StageChange",
    "VersionChange",
    "VersionDetail",
    "Working",
]

_Word = Annotated[str, Field(max_length=256)]


class AliasRow(BaseModel):
    """A name for one version."""

    alias: str
    version: int


class CollectionRow(BaseModel):
    """A collection of versions, in short."""

    project: str
    name: str
    type: str
    versions: int
    latest: int
    size: int = Field(description="bytes of all files of all versions")
    stored: int = Field(description="bytes that they added to the store")
    changed_us: int = Field(description="when a version came or an alias moved")
    aliases: list[AliasRow] = Field(description="without those that only tell a step")


class VersionDetail(VersionRow):
    """A version, with what its collection says of it."""

    files: int
    stage: str | None
    score: float | None = Field(description="by which its callback, or the collection's rule, judges it")
    run_name: str | None = Field(description="null when no run made it, or the run is gone")
    used_by: int = Field(description="how many runs used it")
    expires_us: int | None
    leaving: str | None = Field(description="why the next `treering artifact gc` deletes it; null: it stays")


class RegistryRow(BaseModel):
    """Something that happened in a registry."""

    time_us: int
    version: int | None
    who: str
    run_id: str
    text: str


class CollectionPage(BaseModel):
    """A collection and its versions, the newest first."""

    project: str
    name: str
    type: str
    total: int
    versions: list[VersionDetail]
    rule: str | None = Field(description="how much of it stays, in words; null: everything")
    stages: list[str] = Field(description="that versions can be put into; none outside of registries")
    events: list[RegistryRow] = Field(description="the newest first; none outside of registries")


class VersionChange(BaseModel):
    """What people say of a version; null or left out stays as it is."""

    model_config = ConfigDict(extra="forbid")

    aliases: Annotated[list[_Word] | None, Field(max_length=200)] = None
    tags: Annotated[list[_Word] | None, Field(max_length=200)] = None
    description: Annotated[str | None, Field(max_length=100_000)] = None


class StageChange(BaseModel):
    """Where a version of a registry goes; null takes it out of its stage."""

    model_config = ConfigDict(extra="forbid")

    stage: _Word | None
    note: Annotated[str, Field(max_length=1000)] = ""


class Changed(BaseModel):
    """A version after a change."""

    aliases: list[str]
    tags: list[str]
    description: str | None
    stage: str | None


class Working(BaseModel):
    """How far something is that takes longer than an answer may; ask again until `state` is "done" or "failed"."""

    state: Literal["working", "done", "failed"]
    done: int = Field(default=0, description="bytes, of `total`")
    total: int = Field(default=0, description="0 while nobody can tell")
    trouble: str | None = None


class DiffTensor(BaseModel):
    """A tensor that differs."""

    name: str
    change: str
    kind: str
    shape: list[int]
    share: Any = Field(description="of its values that are different, 0 to 1")
    largest: Any
    relative: Any = Field(description="norm of the difference over the norm of what was before")
    not_finite: int


class DiffValue(BaseModel):
    """A number or word beside the tensors that differs."""

    name: str
    before: Any
    after: Any


class DiffFile(BaseModel):
    """A file that differs."""

    path: str
    change: Literal["added", "removed", "changed"]
    size_before: int | None
    size_after: int | None
    tensors: list[DiffTensor] | None = Field(description="null for a file of another format")
    tensors_left_out: int = Field(description="that differ, too: the most changed ones are given")
    same: int
    values: list[DiffValue]
    unread: str = Field(description="why tensors were not compared")


class DiffAnswer(Working):
    """How two versions differ."""

    files: list[DiffFile] = []
    files_left_out: int = 0
    same: int = Field(default=0, description="files that are the same")


class GraphNode(BaseModel):
    """A run or a version; `depth` are steps from the version that was asked for, negative for what came before."""

    id: str
    kind: Literal["run", "version"]
    label: str
    project: str
    name: str = Field(description="of a version's collection")
    version: int | None
    state: str
    depth: int
    hidden: int = Field(description="neighbours that are left out")


class GraphLink(BaseModel):
    """An arrow."""

    source: str
    target: str
    how: str


class LineageGraph(BaseModel):
    """What led to a version, and what came of it."""

    nodes: list[GraphNode]
    links: list[GraphLink]


class LeavingRow(BaseModel):
    """A version that goes with the next collection."""

    id: str
    project: str
    title: str
    size: int
    why: str
    used_by: list[str]
    base_of: list[str]


class PlanFound(BaseModel):
    """What `treering artifact gc` would do now; nothing is changed by asking."""

    leaving: list[LeavingRow]
    dead_bytes: int = Field(description="what nothing needs any more takes in packs")
    freed_bytes: int = Field(description="what the objects of the store shrink by")
    packs: int = Field(description="that go whole")
    rewritten: int = Field(description="that are written anew without what is dead in them")
    strangers: int = Field(description="objects that interrupted saves have left")


class PlanAnswer(Working):
    """What a collection would do, of the whole store."""

    plan: PlanFound | None = None
    rule: str | None = Field(default=None, description="the rule that was tried, in words")
