"""Finding versions in a database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from treering.artifacts.names import parse_reference
from treering.errors import NotFound, UsageError
from treering.store.values import decode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from treering.store.database import Database

__all__ = ["Facts", "find", "select", "used_by"]

_COLUMNS = (
    "id, project, name, type, version, run_id, created_us, digest, size, files, stored, base_id, expires_us, "
    "description, metadata"
)


class Facts(msgspec.Struct):
    """What the database says of a version; `files` is their number, `stored` the bytes that it added."""

    id: str
    project: str
    name: str
    type: str
    version: int
    run_id: str
    created_us: int
    digest: str
    size: int
    files: int
    stored: int
    base_id: str | None
    expires_us: int | None
    description: str | None
    metadata: dict[str, Any] = {}
    aliases: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """Its name and number."""
        return f"{self.name}:v{self.version}"


def select(database: Database, condition: str, values: Mapping[str, Any]) -> list[Facts]:
    """Return versions, the oldest first.

    Args:
        database: where to look.
        condition: SQL over the table `versions`.
        values: for the condition.
    """
    aliases = _words(database, "alias", "aliases", condition, values)
    tags = _words(database, "tag", "version_tags", condition, values)
    rows = database.query(
        f"SELECT {_COLUMNS} FROM versions WHERE {condition} ORDER BY created_us, name, version", values
    )
    found = [Facts(*row[:-1]) for row in rows]
    for facts, row in zip(found, rows, strict=True):
        facts.metadata = decode(row[-1]) if row[-1] else {}
        facts.aliases = tuple(aliases.get(facts.id, ()))
        facts.tags = tuple(tags.get(facts.id, ()))
    return found


def _words(
    database: Database, column: str, table: str, condition: str, values: Mapping[str, Any]
) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for version_id, word in database.query(
        f"SELECT version_id, {column} FROM {table} WHERE version_id IN (SELECT id FROM versions WHERE {condition}) "
        f"ORDER BY {column}",
        values,
    ):
        found.setdefault(version_id, []).append(word)
    return found


def find(database: Database, text: str, project: str | None = None) -> Facts:
    """Return the version that "name:v3", "name:alias" or "project/name:alias" means; "name" alone is its latest.

    Args:
        database: where to look.
        text: the words.
        project: to look in when the words name none; None: in all.

    Raises:
        NotFound: no such version.
        UsageError: several projects have one, or these words cannot be read.
    """
    named, name, alias = parse_reference(text)
    condition, values = "name = :name", {"name": name}
    project = named or project
    if project is not None:
        condition, values = f"{condition} AND project = :project", {**values, "project": project}
    found = [one for one in select(database, condition, values) if alias in one.aliases or alias == f"v{one.version}"]
    if not found:
        raise NotFound(_why_not(database, name, alias, project))
    if len(found) > 1:
        projects = ", ".join(sorted(one.project for one in found))
        raise UsageError(f"several projects have a {name}:{alias}: {projects}; say 'project/{name}:{alias}'")
    return found[0]


def _why_not(database: Database, name: str, alias: str, project: str | None) -> str:
    where = "in the store" if project is None else f"in project {project!r}"
    known = select(database, "name = :name", {"name": name})
    near = [one for one in known if project in {None, one.project}]
    if project is not None and alias[:1] == "v" and alias[1:].isdigit():
        rows = database.query(
            "SELECT why FROM dropped_versions WHERE project = :project AND name = :name AND version = :version",
            {"project": project, "name": name, "version": int(alias[1:])},
        )
        if rows:
            return f"version {name}:{alias} was dropped: {rows[0][0]}"
    if near:
        words = sorted({word for one in near for word in one.aliases})
        return (
            f"there is no version {name}:{alias} {where}; it has v{near[0].version} to v{near[-1].version}"
            f"{' and ' + ', '.join(words) if words else ''}"
        )
    if known:
        return f"there is no artifact {name!r} {where}; project {known[0].project!r} has one"
    return f"there is no version {name}:{alias} {where}; `treering artifact ls` lists all"


def used_by(database: Database, version_id: str) -> list[str]:
    """Return the ids of the runs that used a version, in order."""
    rows = database.query(
        "SELECT run_id FROM version_uses WHERE version_id = :id ORDER BY used_us, run_id", {"id": version_id}
    )
    return [run_id for (run_id,) in rows]
