"""Changing what people say of a run: its name, its notes, its tags. What it recorded stays as it is."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from treering.errors import StoreError, UsageError
from treering.store.values import encode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from treering.api._run import ApiRun

__all__ = ["edit_run"]

_MAX_NAME = 1000
_MAX_TAG = 200


def edit_run(
    run: ApiRun, *, name: str | None = None, notes: str | None = None, tags: Sequence[str] | None = None
) -> ApiRun:
    """Give a run another name, other notes or other tags; None leaves as it is. A run that goes on keeps them, too.

    Returns:
        The run as it is now.

    Raises:
        UsageError: an empty or very long name or tag.
        StoreError: the store is read-only.
    """
    given: dict[str, Any] = {}
    if name is not None:
        given["name"] = _checked(name.strip(), "name", _MAX_NAME)
    if notes is not None:
        given["notes"] = notes.replace("\0", "\N{REPLACEMENT CHARACTER}") or None
    if tags is not None:
        tags = list(dict.fromkeys(_checked(tag.strip(), "tag", _MAX_TAG) for tag in tags))
        given["tags"] = encode(tags)
    if not given:
        return run
    assignments = ", ".join(f"{column} = :{column}" for column in given)
    database = run.source.writable()
    try:
        with database.transaction():
            given |= {"id": run.id, "now": time.time_ns() // 1000}
            database.execute(f"UPDATE runs SET {assignments}, updated_us = :now WHERE id = :id", given)
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


def _checked(text: str, what: str, longest: int) -> str:
    if not text or len(text) > longest or "\0" in text:
        raise UsageError(f"{what} {text[:40]!r} cannot be taken; give 1 to {longest:,} letters")
    return text
