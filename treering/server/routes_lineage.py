"""What takes looking at much: how versions differ, what they came from, and what the next collection would delete."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Query, Request

from treering.artifacts.collecting import plan as plan_of
from treering.artifacts.comparing import compare_files
from treering.artifacts.lineage import graph_of
from treering.artifacts.retention import Keep
from treering.errors import UsageError
from treering.server import artifact_shapes as shapes
from treering.server.routes_artifacts import Collection
from treering.server.routes_files import VersionId, find_version
from treering.server.routes_runs import Open
from treering.server.wire import clean, plain

if TYPE_CHECKING:
    from treering.artifacts.collecting import Plan
    from treering.artifacts.comparing import FileChange
    from treering.artifacts.lineage import Node
    from treering.server.jobs import Job, Jobs
    from treering.server.shelf import Library

__all__ = ["router"]

router = APIRouter(tags=["artifacts"])

# Larger pairs take minutes and more memory than a server should give; the command line has no such bound.
_MAX_DIFF_BYTES = 8 << 30
_MAX_FILES = 5000
_MAX_TENSORS = 2000
# An answer waits so long for what is nearly there; a page then asks again, and shows how far it is.
_PATIENCE_S = 0.5
_PLAN_FRESH_S = 10.0

_Version = Annotated[str, Query(min_length=1, max_length=200)]


@router.get("/artifact-diff")
def diff(request: Request, library: Open, before: _Version, after: _Version) -> shapes.DiffAnswer:
    """Tell how two versions differ: files, and in files of tensors each of these; ask again until it is done."""
    one, other = (find_version(library, version_id) for version_id in (before, after))
    jobs: Jobs = request.app.state.jobs
    job = jobs.get(
        ("diff", before, after), lambda job: compare_files(one, other, progress=job.tell, max_bytes=_MAX_DIFF_BYTES)
    )
    job.wait(_PATIENCE_S)
    if job.result is None:
        return shapes.DiffAnswer(**_working(job))
    files, same = job.result
    return shapes.DiffAnswer(
        state="done",
        files=[_file(one) for one in files[:_MAX_FILES]],
        files_left_out=max(len(files) - _MAX_FILES, 0),
        same=same,
    )


def _working(job: Job) -> dict[str, Any]:
    state = "failed" if job.trouble else "working"
    return {"state": state, "done": job.done, "total": job.total, "trouble": clean(job.trouble) or None}


def _file(one: FileChange) -> shapes.DiffFile:
    tensors = one.tensors
    if tensors is not None and len(tensors) > _MAX_TENSORS:
        most = sorted(tensors, key=lambda tensor: -(tensor.relative if tensor.relative is not None else float("inf")))
        chosen = {tensor.name for tensor in most[:_MAX_TENSORS]}
        tensors = [tensor for tensor in tensors if tensor.name in chosen]
    return shapes.DiffFile(
        path=clean(one.path),
        change=one.change,
        size_before=one.size_before,
        size_after=one.size_after,
        tensors=None
        if tensors is None
        else [
            shapes.DiffTensor(
                name=clean(tensor.name),
                change=tensor.change,
                kind=clean(tensor.kind),
                shape=list(tensor.shape),
                share=plain(tensor.share),
                largest=plain(tensor.largest),
                relative=plain(tensor.relative),
                not_finite=tensor.not_finite,
            )
            for tensor in tensors
        ],
        tensors_left_out=max(len(one.tensors or ()) - _MAX_TENSORS, 0),
        same=one.same,
        values=[
            shapes.DiffValue(name=clean(value.name), before=plain(value.before), after=plain(value.after))
            for value in one.values[:_MAX_TENSORS]
        ],
        unread=clean(one.unread),
    )


@router.get("/artifacts/{version_id}/lineage")
def lineage(
    library: Open, version_id: VersionId, most: Annotated[int, Query(ge=2, le=1000)] = 120
) -> shapes.LineageGraph:
    """Return what led to a version and what came of it, up to `most` runs and versions, the nearest first."""
    graph = graph_of(find_version(library, version_id), most)
    return shapes.LineageGraph(
        nodes=[_node(one) for one in graph.nodes],
        links=[shapes.GraphLink(source=one, target=other, how=how) for one, other, how in graph.links],
    )


def _node(one: Node) -> shapes.GraphNode:
    name, _, number = one.label.rpartition(":v") if one.kind == "version" else ("", "", "")
    return shapes.GraphNode(
        id=one.id,
        kind="run" if one.kind == "run" else "version",
        label=clean(one.label),
        project=clean(one.project),
        name=name,
        version=int(number) if number else None,
        state=clean(one.state),
        depth=one.depth,
        hidden=one.hidden,
    )


@router.get("/artifact-plan")
def plan(
    request: Request,
    library: Open,
    project: Annotated[str | None, Query(max_length=4096)] = None,
    name: Collection | None = None,
    last: Annotated[int | None, Query(ge=1, le=1_000_000)] = None,
    best: Annotated[int | None, Query(ge=1, le=1_000_000)] = None,
    metric: Annotated[str | None, Query(max_length=1000)] = None,
    mode: Literal["min", "max"] | None = None,
    days: Annotated[float | None, Query(gt=0, le=1e6)] = None,
) -> shapes.PlanAnswer:
    """Tell what `treering artifact gc` would delete and free; with `last`, `best` or `days`, under that rule.

    Nothing is changed. The rule is for the collection `name` of `project`; ask again until it is done.
    """
    keep = None
    if (last, best, days) != (None, None, None):
        if project is None or name is None:
            raise UsageError("a rule is for one collection; give project and name")
        keep = Keep(last=last, best=best, metric=metric, mode=mode, days=days).check()
    assumed = {} if keep is None else {(project or "", name or ""): keep}
    jobs: Jobs = request.app.state.jobs
    key = ("plan", id(library), tuple(assumed.items()))
    job = jobs.get(key, lambda _job: _planned(library, assumed), fresh_s=_PLAN_FRESH_S)
    job.wait(_PATIENCE_S)
    said = None if keep is None else str(keep)
    if job.result is None:
        return shapes.PlanAnswer(**_working(job), rule=said)
    return shapes.PlanAnswer(state="done", plan=_plan_row(job.result, project, name), rule=said)


def _planned(library: Library, assumed: dict[tuple[str, str], Keep]) -> list[Plan]:
    found: list[Plan] = []
    for source in library.sources:
        with source.home.depot() as depot:
            found.append(plan_of(depot, assumed=assumed))
    return found


def _plan_row(plans: list[Plan], project: str | None, name: str | None) -> shapes.PlanFound:
    """Sum up; versions of other collections than the one that was asked for are not listed."""
    return shapes.PlanFound(
        leaving=[
            shapes.LeavingRow(
                id=one.id,
                project=clean(one.project),
                title=one.version,
                size=one.size,
                why=clean(one.why),
                used_by=one.used_by,
                base_of=one.base_of,
            )
            for plan in plans
            for one in plan.expiring
            if project in {None, one.project} and name in {None, one.version.rpartition(":v")[0]}
        ],
        dead_bytes=sum(plan.dead_bytes for plan in plans),
        freed_bytes=max(sum(plan.freed_bytes for plan in plans), 0),
        packs=sum(len(plan.packs) for plan in plans),
        rewritten=sum(len(plan.rewritten) for plan in plans),
        strangers=sum(len(plan.strangers) for plan in plans),
    )
