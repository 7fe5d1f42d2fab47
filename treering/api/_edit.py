"""Changing what people say of a run: name, notes, tags, group, colour. What it recorded stays as it is."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

from msgspec import json

from treering.errors import StoreError, UsageError
from treering.store.read_query import LISTED
from treering.store.values import encode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from treering.api._run import ApiRun
    from treering.store.database import Database

__all__ = ["colours_of", "edit_run"]

_MAX_NAME = 1000
_MAX_TAG = 200
_COLOUR = re.compile("#[0-9a-fA-F]{6}")


def edit_run(
    run: ApiRun,
    *,
    name: str | None = None,
    notes: str | None = None,
    tags: Sequence[str] | None = None,
    group: str | None = None,
    colour: str | None = None,
) -> ApiRun:
    """Give a run another name, other notes, tags, another group or colour; None leaves as it is.

    A run that goes on keeps them, too. An empty group or colour is none.

    Returns:
        The run as it is now.

    Raises:
        UsageError: an empty or very long name or tag, a colour that is none.
        StoreError: the store is read-only.
    """
    given = _checked_row(name, notes, group)
    if colour and not _COLOUR.fullmatch(colour):
        raise UsageError(f"colour {colour[:40]!r} cannot be taken; give one such as #0072b2")
    if tags is not None:
        tags = list(dict.fromkeys(_checked(tag.strip(), "tag", _MAX_TAG) for tag in tags))
        given["tags"] = encode(tags)
    if not given and colour is None:
        return run
    assignments = ", ".join(f"{column} = :{column}" for column in (*given, "updated_us"))
    database = run.source.writable()
    try:
        with database.transaction():
            given |= {"id": run.id, "updated_us": time.time_ns() // 1000}
            database.execute(f"UPDATE runs SET {assignments} WHERE id = :id", given)
            if colour is not None:
                _write_colour(database, run.id, colour)
            if tags is not None:
                database.execute("DELETE FROM run_tags WHERE run_id = :id", {"id": run.id})
                database.execute_many(
                    "INSERT INTO run_tags (run_id, tag) VALUES (:id, :tag)",
                    [{"id": run.id, "tag": tag} for tag in tags],
                )
    except OSError as error:
        if isinstance(error, PermissionError) or "readonly" in str(error):
            raise StoreError(
                f"run {run.id} cannot be changed, for the store {run.source.folder} is read-only"
            ) from error
        raise
    finally:
        if database is not run.source.database:
            database.close()
    return run.reload()


def _checked_row(name: str | None, notes: str | None, group: str | None) -> dict[str, Any]:
    given: dict[str, Any] = {}
    if name is not None:
        given["name"] = _checked(name.strip(), "name", _MAX_NAME)
    if notes is not None:
        given["notes"] = notes.replace("\0", "\N{REPLACEMENT CHARACTER}") or None
    if group is not None:
        given["group_name"] = _checked(group.strip(), "group", _MAX_NAME) if group.strip() else None
    return given


def _write_colour(database: Database, run_id: str, colour: str) -> None:
    database.execute("DELETE FROM run_colours WHERE run_id = :id", {"id": run_id})
    if colour:
        database.execute(
            "INSERT INTO run_colours (run_id, colour) VALUES (:id, :colour)", {"id": run_id, "colour": colour.lower()}
        )


def colours_of(runs: Sequence[ApiRun]) -> dict[str, str]:
    """Return the colours that people have chosen for some runs."""
    batches: dict[int, tuple[Database, list[str]]] = {}
    for run in runs:
        batches.setdefault(id(run.source), (run.source.database, []))[1].append(run.id)
    found: dict[str, str] = {}
    for database, ids in batches.values():
        found.update(
            database.query(
                f"SELECT run_id, colour FROM run_colours WHERE run_id IN ({LISTED[database.dialect]})",
                {"ids": json.encode(ids).decode()},
            )
        )
    return found


def _checked(text: str, what: str, longest: int) -> str:
    if not text or len(text) > longest or "\0" in text:
        raise UsageError(f"{what} {text[:40]!r} cannot be taken; give 1 to {longest:,} letters")
    return text
