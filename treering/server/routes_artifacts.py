"""Artifacts as the dashboard shows them: collections, their versions, and what people may change about these."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Query

from treering.api._registry import Registry
from treering.artifacts import registry
from treering.artifacts.aliasing import is_step
from treering.artifacts.lookup import Facts, select
from treering.artifacts.names import check_tags
from treering.artifacts.retention import leaving, rule_of, score_of
from treering.errors import NotFound
from treering.server import artifact_shapes as shapes
from treering.server.routes_files import VersionId, find_version, version_row
from treering.server.routes_runs import Open
from treering.server.wire import clean, us

if TYPE_CHECKING:
    from treering.api._sources import Source
    from treering.artifacts import Artifact
    from treering.server.shelf import Library

__all__ = ["Collection", "router"]

router = APIRouter(tags=["artifacts"])

_MAX_EVENTS = 100
Collection = Annotated[str, Query(min_length=1, max_length=200)]
Project = Annotated[str, Query(max_length=4096)]


@router.get("/artifact-collections")
def collections(
    library: Open, project: Annotated[str | None, Query(max_length=4096)] = None
) -> list[shapes.CollectionRow]:
    """List collections, the one that changed last first."""
    found = [row for source in library.sources for row in _collections(source, project)]
    return sorted(found, key=lambda one: -one.changed_us)


def _collections(source: Source, project: str | None) -> list[shapes.CollectionRow]:
    chosen, values = ("", {}) if project is None else ("WHERE versions.project = :project", {"project": project})
    aliases: dict[tuple[str, str], list[tuple[str, int, int]]] = {}
    for where, name, alias, version, moved_us in source.database.query(
        "SELECT aliases.project, aliases.name, alias, version, moved_us FROM aliases "
        f"JOIN versions ON versions.id = version_id {chosen} ORDER BY version DESC, alias",
        values,
    ):
        aliases.setdefault((where, name), []).append((alias, version, moved_us))
    rows = source.database.query(
        "SELECT versions.project, versions.name, MAX(type), COUNT(*), MAX(version), SUM(size), SUM(stored), "
        f"MAX(created_us) FROM versions {chosen} GROUP BY versions.project, versions.name",
        values,
    )
    return [
        shapes.CollectionRow(
            project=clean(where),
            name=name,
            type=clean(kind),
            versions=count,
            latest=latest,
            size=int(size),
            stored=int(stored),
            changed_us=max([created_us, *(moved_us for _, _, moved_us in aliases.get((where, name), ()))]),
            aliases=[
                shapes.AliasRow(alias=alias, version=version)
                for alias, version, _ in aliases.get((where, name), ())
                if not is_step(alias)
            ],
        )
        for where, name, kind, count, latest, size, stored, created_us in rows
    ]


@router.get("/artifact-collection")
def collection(
    library: Open,
    project: Project,
    name: Collection,
    before: Annotated[int | None, Query(ge=0, lt=1 << 31, description="only versions with smaller numbers")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
) -> shapes.CollectionPage:
    """Return one collection with its newest versions."""
    total, found = 0, list[tuple["Source", Facts]]()
    for source in library.sources:
        condition, values = "project = :project AND name = :name", {"project": project, "name": name}
        total += source.database.query(f"SELECT COUNT(*) FROM versions WHERE {condition}", values)[0][0]
        older = "" if before is None else "AND version < :before "
        chosen = (
            f"id IN (SELECT id FROM versions WHERE {condition} {older}ORDER BY version DESC LIMIT {limit})",
            {**values, **({} if before is None else {"before": before})},
        )
        found += [(source, facts) for facts in select(source.database, *chosen)]
    if not total:
        raise NotFound(f"project {project!r} has no artifact {name!r}")
    found.sort(key=lambda one: -one[1].version)
    return shapes.CollectionPage(
        project=clean(project),
        name=name,
        type=clean(found[0][1].type) if found else "",
        total=total,
        versions=_details(found[:limit]),
        rule=_rule_in_words(library, project, name),
        stages=list(registry.stages(library.sources[0].database)) if registry.is_registry(project) else [],
        events=_events(library, project, name),
    )


def _rule_in_words(library: Library, project: str, name: str) -> str | None:
    found = [rule_of(source.database, project, name) for source in library.sources]
    return next((str(rule) for rule in found if rule is not None), None)


def _events(library: Library, project: str, name: str) -> list[shapes.RegistryRow]:
    if not registry.is_registry(project):
        return []
    found = Registry(library.sources, project).events(name, last=_MAX_EVENTS)
    return [
        shapes.RegistryRow(
            time_us=us(one.time), version=one.version, who=clean(one.who), run_id=one.run_id, text=clean(str(one))
        )
        for one in reversed(found)
    ]


def _details(found: list[tuple[Source, Facts]]) -> list[shapes.VersionDetail]:
    rows: list[shapes.VersionDetail] = []
    known: dict[int, _Around] = {}
    for source, facts in found:
        around = known.get(id(source))
        if around is None:
            around = known[id(source)] = _Around(source, facts)
        rows.append(around.detail(facts))
    return rows


class _Around:
    """What is known around the versions of a collection in one database."""

    def __init__(self, source: Source, one: Facts) -> None:
        self.source = source
        database = source.database
        key = {"project": one.project, "name": one.name}
        whose = "FROM versions WHERE project = :project AND name = :name"
        self.gone = {left.facts.id: left.why for left in leaving(database, time.time_ns() // 1000)}
        self.rule = rule_of(database, one.project, one.name)
        self.stages = registry.stages(database) if registry.is_registry(one.project) else ()
        self.runs = dict(database.query(f"SELECT id, name FROM runs WHERE id IN (SELECT run_id {whose})", key))
        self.users = dict(
            database.query(
                f"SELECT version_id, COUNT(*) FROM version_uses WHERE version_id IN (SELECT id {whose}) "
                "GROUP BY version_id",
                key,
            )
        )

    def detail(self, facts: Facts) -> shapes.VersionDetail:
        """Return one of them."""
        from treering.artifacts import Artifact

        run_name: Any = self.runs.get(facts.run_id)
        metric = None if self.rule is None else self.rule.metric
        return shapes.VersionDetail(
            **version_row(Artifact.of(self.source.home, facts)).model_dump(),
            files=facts.files,
            stage=next((stage for stage in self.stages if stage in facts.aliases), None),
            score=_finite(score_of(facts.metadata, metric)),
            run_name=None if run_name is None else clean(run_name),
            used_by=self.users.get(facts.id, 0),
            expires_us=facts.expires_us,
            leaving=self.gone.get(facts.id),
        )


def _finite(value: float | None) -> float | None:
    return value if value is not None and abs(value) < float("inf") else None


@router.patch("/artifacts/{version_id}")
def change(library: Open, version_id: VersionId, given: shapes.VersionChange) -> shapes.Changed:
    """Give a version other aliases, other tags, another description; "latest" and stages stay where they are."""
    version = find_version(library, version_id)
    tags = None if given.tags is None else check_tags(given.tags)  # first: nothing is to be half done
    if given.aliases is not None:
        version.aliases = tuple(given.aliases)
    if tags is not None:
        version.tags = tuple(tags)
    if given.description is not None:
        version.description = given.description or None
    return _changed(version)


@router.post("/artifacts/{version_id}/stage")
def stage(library: Open, version_id: VersionId, given: shapes.StageChange) -> shapes.Changed:
    """Put a version of a registry into a stage, and the one that was in it out; noted in the registry's log."""
    version = find_version(library, version_id)
    shelf = Registry(library.sources, version.project)
    if given.stage is None:
        shelf.unstage(version, note=given.note)
    else:
        shelf.stage(version, given.stage, note=given.note)
    return _changed(version)


def _changed(version: Artifact) -> shapes.Changed:
    return shapes.Changed(
        aliases=list(version.aliases),
        tags=list(version.tags),
        description=None if version.description is None else clean(version.description),
        stage=version.stage,
    )
