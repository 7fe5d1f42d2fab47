"""Listing versions."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from treering.api._sources import Source
    from treering.artifacts import Artifact

__all__ = ["versions_of"]


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
