"""What tests of adapters read back of the runs in a store."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from treering.api import ApiRun

OneRun = Callable[[], ApiRun]
Runs = Callable[[], list[ApiRun]]


def points(run: ApiRun, key: str, **options: Any) -> list[Any]:
    """The (x, value) pairs of a series."""
    return list(run.history(key, **options))


def by_alias(run: ApiRun) -> dict[str, Any]:
    """Versions by their aliases."""
    return {alias: version for version in run.versions() for alias in version.aliases}


def findings(run: ApiRun, kind: str) -> list[dict[str, Any]]:
    """The fields of the events of one kind."""
    return [event.fields for event in run.events() if event.kind == kind]
