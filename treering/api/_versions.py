"""Listing file versions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treering.api._records import ApiVersion
from treering.store.values import decode

if TYPE_CHECKING:
    from treering.api._sources import Source

__all__ = ["versions_of"]

_COLUMNS = ("id", "name", "version", "type", "project", "run_id", "created_us", "digest", "size", "description")


def versions_of(source: Source, condition: str, value: str) -> list[ApiVersion]:
    """Return versions, the oldest first.

    Args:
        source: where to look.
        condition: SQL over the table `versions`, with `:value`.
        value: for the condition.
    """
    aliases: dict[str, list[str]] = {}
    for version_id, alias in source.database.query(
        f"SELECT version_id, alias FROM aliases WHERE version_id IN (SELECT id FROM versions WHERE {condition}) "
        "ORDER BY alias",
        {"value": value},
    ):
        aliases.setdefault(version_id, []).append(alias)
    found = source.database.query(
        f"SELECT {', '.join(_COLUMNS)}, metadata FROM versions WHERE {condition} ORDER BY created_us, name, version",
        {"value": value},
    )
    versions: list[ApiVersion] = []
    for *plain, metadata in found:
        row = dict(zip(_COLUMNS, plain, strict=True), metadata=None if metadata is None else decode(metadata))
        versions.append(ApiVersion(source, row, aliases.get(row["id"], ())))
    return versions
