"""What may change about a version: its aliases, tags, description, metadata and expiry; and deleting it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from treering.artifacts import index, registry
from treering.artifacts.aliasing import LATEST, move_alias
from treering.artifacts.committing import remember_number
from treering.artifacts.names import check_alias, check_tags
from treering.errors import NotFound, UsageError
from treering.store.values import encode

if TYPE_CHECKING:
    from collections.abc import Iterable

    from treering.artifacts.lookup import Facts
    from treering.store.database import Database

__all__ = ["delete_version", "record_use", "set_aliases", "set_fields", "set_tags"]

# What is kept of a version whose bytes have gone.
_LASTING = "id, project, name, type, version, run_id, created_us, digest, size, description, metadata"


def set_aliases(database: Database, facts: Facts, add: Iterable[str] = (), remove: Iterable[str] = ()) -> None:
    """Let aliases point to a version, and take others off it.

    Raises:
        UsageError: an alias that cannot be taken; "latest", or in a registry a stage, among those to add or remove.
    """
    add, remove = [check_alias(alias) for alias in add], list(remove)
    if LATEST in {*add, *remove}:
        raise UsageError("alias 'latest' always points to the newest version; choose another word")
    now_us = time.time_ns() // 1000
    with database.transaction():
        index.lock(database)
        _check_there(database, facts)
        registry.check_words(database, facts.project, [*add, *remove])
        for alias in add:
            move_alias(database, facts.project, facts.name, alias, facts.id, now_us)
        database.execute_many(
            "DELETE FROM aliases WHERE version_id = :id AND alias = :alias",
            [{"id": facts.id, "alias": alias} for alias in remove],
        )
        if add or remove:
            registry.record(database, facts, "aliased", {"added": add, "removed": remove})


def set_tags(database: Database, facts: Facts, tags: Iterable[str]) -> None:
    """Replace a version's tags."""
    tags = check_tags(tags)
    with database.transaction():
        _check_there(database, facts)
        database.execute("DELETE FROM version_tags WHERE version_id = :id", {"id": facts.id})
        database.execute_many(
            "INSERT INTO version_tags (version_id, tag) VALUES (:id, :tag)",
            [{"id": facts.id, "tag": tag} for tag in tags],
        )
        registry.record(database, facts, "tagged", {"tags": tags})


def set_fields(database: Database, facts: Facts, **fields: Any) -> None:
    """Change `description`, `metadata` or `expires_us`."""
    stored = {name: encode(value) if name == "metadata" else value for name, value in fields.items()}
    changes = ", ".join(f"{name} = :{name}" for name in stored)
    with database.transaction():
        if not database.execute(f"UPDATE versions SET {changes} WHERE id = :id", {**stored, "id": facts.id}):
            raise NotFound(f"{facts.title} has been deleted")
        registry.record(database, facts, "changed", fields)


def _check_there(database: Database, facts: Facts) -> None:
    if not database.query("SELECT 1 FROM versions WHERE id = :id", {"id": facts.id}):
        raise NotFound(f"{facts.title} has been deleted")


def delete_version(database: Database, facts: Facts, *, with_aliases: bool = False) -> None:
    """Delete a version; its bytes go with the next collection unless another one shares them.

    Raises:
        UsageError: it has aliases beside "latest", and not `with_aliases`; or it is in a stage of a registry.
        NotFound: it is deleted already.
    """
    with database.transaction():
        index.lock(database)
        _check_there(database, facts)
        rows = database.query("SELECT alias FROM aliases WHERE version_id = :id ORDER BY alias", {"id": facts.id})
        facts.aliases = tuple(alias for (alias,) in rows)
        registry.check_free(database, facts)
        named = [alias for alias in facts.aliases if alias != LATEST]
        if named and not with_aliases:
            raise UsageError(
                f"{facts.title} is called {', '.join(named)}; take the aliases off first, or delete it with them "
                "(delete(with_aliases=True), --with-aliases)"
            )
        forget_version(database, facts)


def forget_version(database: Database, facts: Facts, kind: str = "deleted", why: str | None = None) -> None:
    """Delete a version's rows inside a transaction; the newest one left is "latest" then.

    Args:
        database: open for writing.
        facts: of the version, with the aliases that it has.
        kind: what a registry's log calls it.
        why: it goes, where nobody has asked for it: what it was is kept then, in `dropped_versions`.
    """
    registry.record(database, facts, kind, {"digest": facts.digest, "aliases": list(facts.aliases)})
    remember_number(database, facts.project, facts.name, facts.version)
    if why is not None:
        database.execute(
            f"INSERT INTO dropped_versions ({_LASTING}, dropped_us, why) "
            f"SELECT {_LASTING}, :now, :why FROM versions WHERE id = :id "
            # One that came again over the network, and goes again.
            "ON CONFLICT (id) DO UPDATE SET dropped_us = excluded.dropped_us, why = excluded.why",
            {"id": facts.id, "now": time.time_ns() // 1000, "why": why},
        )
    database.execute("DELETE FROM versions WHERE id = :id", {"id": facts.id})
    if LATEST in facts.aliases:
        key = {"project": facts.project, "name": facts.name}
        rows = database.query(
            "SELECT id FROM versions WHERE project = :project AND name = :name ORDER BY version DESC LIMIT 1", key
        )
        if rows:
            move_alias(database, facts.project, facts.name, LATEST, rows[0][0], time.time_ns() // 1000)


def record_use(database: Database, version_id: str, run_id: str, asked: str, now_us: int) -> None:
    """Remember that a run uses a version; a version that has been deleted meanwhile is left out."""
    database.execute(
        "INSERT INTO version_uses (version_id, run_id, used_us, asked) SELECT id, :run, :now, :asked FROM versions "
        "WHERE id = :id ON CONFLICT (version_id, run_id) DO NOTHING",
        {"id": version_id, "run": run_id, "now": now_us, "asked": asked},
    )
