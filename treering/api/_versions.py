"""Listing versions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treering.api._records import DroppedVersion, moment
from treering.store.values import decode

if TYPE_CHECKING:
    from treering.api._sources import Source
    from treering.artifacts import Artifact

__all__ = ["dropped_of", "versions_of"]


def versions_of(source: Source, condition: str, value: str) -> list[Artifact]:
    """Return versions, the oldest first.

    Args:
        source: where to look.
        condition: SQL over the table `versions`, with `:value`.
        value: for the condition.
    """
    from treering.artifacts import Artifact
    from treering.artifacts.lookup import select

    source.check_lists_versions()
    home = source.home
    return [Artifact.of(home, facts) for facts in select(source.database, condition, {"value": value})]


def dropped_of(source: Source, condition: str, value: str) -> list[DroppedVersion]:
    """Return what is known of versions that rules and expiry have taken, the oldest first; as `versions_of`."""
    rows = source.database.query(
        "SELECT project, name, version, type, run_id, size, created_us, dropped_us, why, metadata, description "
        f"FROM dropped_versions WHERE {condition} ORDER BY created_us, name, version",
        {"value": value},
    )
    found: list[DroppedVersion] = []
    for project, name, version, kind, run_id, size, created_us, dropped_us, why, data, description in rows:
        found.append(
            DroppedVersion(
                project=project,
                name=name,
                version=version,
                type=kind,
                run_id=run_id,
                size=size,
                created=moment(created_us),
                dropped=moment(dropped_us),
                why=why,
                metadata=decode(data) if data else {},
                description=description,
            )
        )
    return found
