"""Rules that say how much of a collection stays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from treering.artifacts import retention
from treering.artifacts.names import parse_reference
from treering.errors import NotFound, UsageError

if TYPE_CHECKING:
    from treering.api._sources import Source
    from treering.artifacts.retention import Keep

__all__ = ["Rule", "forget", "rules", "set_rule"]


class Rule(NamedTuple):
    """How much of a collection stays.

    Attributes:
        keep: what stays.
        leaving: versions that the next `treering artifact gc` deletes because of it, by their numbers.
    """

    project: str
    name: str
    keep: Keep
    leaving: list[int]


def set_rule(sources: list[Source], name: str, project: str | None, options: dict[str, Any]) -> Rule:
    """Have a rule; see `Api.keep`."""
    aliases: Any = options.pop("aliases", ("*",))
    keep = retention.Keep(**options, aliases=(aliases,) if isinstance(aliases, str) else tuple(aliases)).check()
    source, place, name = _collection(sources, name, project)
    database = source.writable()
    try:
        retention.set_rule(database, place, name, keep)
    finally:
        if database is not source.database:
            database.close()
    return rules([source], name, place)[0]


def forget(sources: list[Source], name: str, project: str | None) -> None:
    """Have no rule any more; see `Api.keep_all`."""
    source, place, name = _collection(sources, name, project)
    database = source.writable()
    try:
        retention.forget_rule(database, place, name)
    finally:
        if database is not source.database:
            database.close()


def rules(sources: list[Source], name: str | None, project: str | None) -> list[Rule]:
    """Return the rules; see `Api.rules`."""
    if name is not None:
        named, name, _ = parse_reference(name)
        project = named or project
    found: list[Rule] = []
    for source in sources:
        gone = [one.facts for one in retention.leaving(source.database)]
        for (place, collection), keep in retention.rules(source.database).items():
            if name in {None, collection} and project in {None, place}:
                numbers = [one.version for one in gone if (one.project, one.name) == (place, collection)]
                found.append(Rule(place, collection, keep, numbers))
    return found


def _collection(sources: list[Source], text: str, project: str | None) -> tuple[Source, str, str]:
    """Return where the collection is that "name" or "project/name" means."""
    named, name, _ = parse_reference(text)
    project = named or project
    found = [
        (source, place)
        for source in sources
        for (place,) in source.database.query(
            "SELECT DISTINCT project FROM versions WHERE name = :name ORDER BY project", {"name": name}
        )
        if project in {None, place}
    ]
    if not found:
        where = "" if project is None else f" in project {project!r}"
        raise NotFound(f"there is no artifact {name!r}{where}; `treering artifact ls` lists all")
    if len({place for _, place in found}) > 1:
        places = ", ".join(sorted({place for _, place in found}))
        raise UsageError(f"several projects have a {name!r}: {places}; say 'project/{name}'")
    return found[0][0], found[0][1], name
