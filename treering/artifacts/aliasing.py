"""Aliases: names that point to one version of a collection, and move."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from treering.store.database import Database

__all__ = ["LATEST", "holds", "is_step", "move_alias"]

#: The alias that always is at the newest version.
LATEST = "latest"
_STEP = re.compile(r"step-\d+")


def is_step(alias: str) -> bool:
    """Tell whether an alias only says which step a checkpoint is of, as each one of a callback's has it."""
    return _STEP.fullmatch(alias) is not None


def holds(alias: str) -> bool:
    """Tell whether an alias keeps its version: "latest" and "step-1000" come by themselves and do not."""
    return alias != LATEST and not is_step(alias)


def move_alias(database: Database, project: str, name: str, alias: str, version_id: str, now_us: int) -> None:
    """Let an alias point to a version from now on."""
    database.execute(
        "INSERT INTO aliases (project, name, alias, version_id, moved_us) VALUES (:project, :name, :alias, :id, :now) "
        "ON CONFLICT (project, name, alias) DO UPDATE SET version_id = excluded.version_id, "
        "moved_us = excluded.moved_us",
        {"project": project, "name": name, "alias": alias, "id": version_id, "now": now_us},
    )
