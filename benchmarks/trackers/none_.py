"""No tracker: the cost of the measure itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.trackers import base

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class Tracker(base.Tracker):
    name = "none"

    def load(self) -> None:
        pass

    def init(self, store: Path, name: str) -> base.LogFunction:
        store.mkdir(parents=True, exist_ok=True)
        return _nothing

    def finish(self) -> None:
        pass


def _nothing(data: Mapping[str, float], step: int) -> None:
    pass
