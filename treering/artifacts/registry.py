"""The registry: collections that all projects share, with stages that move only on purpose, and a log of what happened.

A registry is a project whose name ends in "-registry"; "model-registry" is the usual one. A stage ("staging",
"production", or what the store says) is an alias there that nothing but `move_stage` moves or takes off: it is at one
version of a collection, a version is in one stage, and a version in a stage cannot be deleted.
"""

from __future__ import annotations

import functools
import os
import time
from typing import TYPE_CHECKING, Any

import msgspec

from treering.artifacts.aliasing import LATEST, move_alias
from treering.artifacts.names import check_alias
from treering.errors import NotFound, UsageError
from treering.store.values import decode, encode

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from treering.artifacts.committing import Filed, Request
    from treering.artifacts.lookup import Facts
    from treering.store.database import Database

__all__ = [
    "DEFAULT_STAGES",
    "REGISTRY",
    "Happened",
    "actor",
    "check_free",
    "check_stage",
    "check_words",
    "happened",
    "is_registry",
    "move_stage",
    "name_version",
    "record",
    "set_stages",
    "stage_of",
    "stages",
]

#: The project that models are linked to when no other is named.
REGISTRY = "model-registry"
DEFAULT_STAGES = ("staging", "production")
_SUFFIX = "-registry"
_KEY = "registry_stages"


class Happened(msgspec.Struct, frozen=True, array_like=True):
    """One thing that happened in a registry.

    Attributes:
        number: grows; events are never changed or taken out.
        kind: linked, staged, unstaged, aliased, tagged, changed, deleted, expired, or stages.
        version: None for what concerns a whole collection.
        who: user and machine.
        run_id: of the run that did it, "" for none.
        details: what else there is to know, by kind.
    """

    number: int
    time_us: int
    project: str
    name: str
    version: int | None
    kind: str
    who: str
    run_id: str
    details: dict[str, Any]


def is_registry(project: str) -> bool:
    """Tell whether a project is a registry."""
    return project.endswith(_SUFFIX)


@functools.cache
def actor() -> str:
    """Return who is doing something here: user and machine."""
    import getpass
    import socket

    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # a container whose user has no name
        user = str(os.getuid()) if hasattr(os, "getuid") else "somebody"
    return f"{user}@{socket.gethostname()}"


# -- the log ----------------------------------------------------------------------------------------------------------


def record(
    database: Database,
    facts: Facts | None,
    kind: str,
    details: dict[str, Any],
    *,
    project: str = "",
    who: str = "",
    run_id: str = "",
) -> None:
    """Add to the log, inside the caller's transaction; outside of registries nothing is noted.

    Args:
        database: open for writing.
        facts: the version that it concerns; None for all of `project`.
        kind: see `Happened`.
        details: plain data.
        project: when there is no version.
        who: default `actor`.
        run_id: of the run that did it.
    """
    project = project if facts is None else facts.project
    if not is_registry(project):
        return
    database.execute(
        "INSERT INTO registry_events (time_us, project, name, version, version_id, kind, who, run_id, details) VALUES "
        "(:now, :project, :name, :version, :id, :kind, :who, :run, :details)",
        {
            "now": time.time_ns() // 1000,
            "project": project,
            "name": "" if facts is None else facts.name,
            "version": None if facts is None else facts.version,
            "id": None if facts is None else facts.id,
            "kind": kind,
            "who": who or actor(),
            "run": run_id,
            "details": encode(details),
        },
    )


def happened(database: Database, project: str, name: str | None = None, last: int | None = None) -> list[Happened]:
    """Return what happened in a registry, in order.

    Args:
        database: where to look.
        project: the registry.
        name: only what concerns this collection.
        last: only so many, the newest.
    """
    rows = database.query(
        "SELECT id, time_us, project, name, version, kind, who, run_id, details FROM registry_events "
        f"WHERE project = :project{'' if name is None else ' AND name = :name'} ORDER BY id DESC"
        f"{'' if last is None else ' LIMIT :last'}",
        {"project": project, "name": name, "last": last},
    )
    return [msgspec.convert((*row[:-1], decode(row[-1])), Happened) for row in reversed(rows)]


# -- stages -----------------------------------------------------------------------------------------------------------


def stages(database: Database) -> tuple[str, ...]:
    """Return the stages of this store's registries, the first one first."""
    rows = database.query("SELECT value FROM store_info WHERE key = :key", {"key": _KEY})
    return tuple(msgspec.json.decode(rows[0][0], type=list[str])) if rows else DEFAULT_STAGES


def set_stages(database: Database, words: Sequence[str], project: str, who: str = "") -> None:
    """Have other stages from now on.

    Raises:
        UsageError: words that cannot be taken, or a stage that goes and has versions in it.
    """
    wanted = list(dict.fromkeys(check_alias(word) for word in words))
    if not wanted or LATEST in wanted:
        raise UsageError(f"stages got {list(words)!r}; they are one word or more, and none is 'latest'")
    with database.transaction():
        for gone in set(stages(database)) - set(wanted):
            rows = database.query("SELECT project, name FROM aliases WHERE alias = :alias", {"alias": gone})
            names = [f"{place}/{name}" for place, name in rows if is_registry(place)]
            if names:
                raise UsageError(f"{gone!r} cannot go: {', '.join(names)} has a version in it; take it out first")
        database.execute(
            "INSERT INTO store_info (key, value) VALUES (:key, :value) "
            "ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            {"key": _KEY, "value": msgspec.json.encode(wanted).decode()},
        )
        record(database, None, "stages", {"stages": wanted}, project=project, who=who)


def stage_of(database: Database, facts: Facts) -> str | None:
    """Return the stage that a version is in, if any."""
    if not is_registry(facts.project):
        return None
    return next((stage for stage in stages(database) if stage in facts.aliases), None)


def check_stage(database: Database, project: str, stage: str) -> str:
    """Return `stage` if a version in `project` can be put into it.

    Raises:
        UsageError: it cannot.
    """
    if not is_registry(project):
        raise UsageError(
            f"project {project!r} is no registry, so its versions have no stages; link the version to one "
            f"(link_model(), `treering artifact registry link`), such as {REGISTRY!r}"
        )
    known = stages(database)
    if stage not in known:
        raise UsageError(
            f"there is no stage {stage!r}; the stages are {', '.join(known)}, and set_stages() or "
            "`treering artifact registry stages` changes them"
        )
    return stage


def check_words(database: Database, project: str, aliases: Iterable[str]) -> None:
    """Check that no alias which is to be given to a version in `project` is a stage.

    Raises:
        UsageError: one is.
    """
    if not is_registry(project):
        return
    for alias in set(aliases) & set(stages(database)):
        raise UsageError(
            f"{alias!r} is a stage of {project}, which moves only on purpose: say link_model(stage={alias!r}), "
            f"registry.stage(version, {alias!r}) or `treering artifact registry stage`"
        )


def check_free(database: Database, facts: Facts) -> None:
    """Check that a version may be deleted.

    Raises:
        UsageError: it is in a stage.
    """
    stage = stage_of(database, facts)
    if stage is not None:
        raise UsageError(
            f"{facts.project}/{facts.title} is in the stage {stage!r}; take it out first (registry.unstage(), "
            "`treering artifact registry unstage`)"
        )


def move_stage(database: Database, facts: Facts, stage: str | None, *, who: str = "", note: str = "") -> None:
    """Put a version into a stage, and whatever was in it out; None takes the version out of its own.

    Raises:
        UsageError: no such stage, or the version is in no registry.
        NotFound: the version is not there any more.
    """
    from treering.artifacts import index

    with database.transaction():
        index.lock(database)
        if stage is not None:
            check_stage(database, facts.project, stage)
        if not database.query("SELECT 1 FROM versions WHERE id = :id", {"id": facts.id}):
            raise NotFound(f"{facts.title} has been deleted")
        _move(database, facts, stage, {"note": note} if note else {}, who, "")


def _move(database: Database, facts: Facts, stage: str | None, details: dict[str, Any], who: str, run_id: str) -> None:
    key = {"project": facts.project, "name": facts.name}
    left: list[str] = []
    for word in stages(database):
        rows = database.query(
            "SELECT version_id, version FROM aliases JOIN versions ON versions.id = version_id "
            "WHERE aliases.project = :project AND aliases.name = :name AND alias = :alias",
            {**key, "alias": word},
        )
        if rows and word == stage:
            if rows[0][0] == facts.id:
                return
            details = {**details, "instead_of": rows[0][1]}
        elif rows and rows[0][0] == facts.id:
            database.execute(
                "DELETE FROM aliases WHERE project = :project AND name = :name AND alias = :alias",
                {**key, "alias": word},
            )
            left.append(word)
    details = {**details, **({"from": left[0]} if left else {})}
    if stage is not None:
        move_alias(database, facts.project, facts.name, stage, facts.id, time.time_ns() // 1000)
        record(database, facts, "staged", {"stage": stage, **details}, who=who, run_id=run_id)
    elif left:
        record(database, facts, "unstaged", details, who=who, run_id=run_id)


def name_version(database: Database, request: Request, project: str, filed: Filed) -> None:
    """Give a version that becomes visible its aliases, and its stage; inside the transaction that makes it so."""
    aliases = dict.fromkeys([*request.aliases, LATEST])
    guarded = stages(database) if is_registry(project) else ()
    for alias in aliases:
        if alias not in guarded:
            move_alias(database, project, request.name, alias, filed.id, request.created_us)
    if not is_registry(project):
        return
    from treering.artifacts.lookup import select

    (facts,) = select(database, "id = :id", {"id": filed.id})
    sources = select(database, "id = :id", {"id": request.base_id}) if request.base_id else []
    details = {"source": f"{sources[0].project}/{sources[0].title}"} if sources else {}
    given = [alias for alias in aliases if alias not in {*guarded, LATEST}]
    record(
        database,
        facts,
        "linked",
        {**details, **({"aliases": given} if given else {})},
        who=request.who,
        run_id=request.run_id,
    )
    if request.stage in guarded:
        _move(database, facts, request.stage, {}, request.who, request.run_id)
