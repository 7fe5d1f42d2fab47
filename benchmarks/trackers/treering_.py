"""treering, as a user gets it: local store, environment, console and system captured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.trackers import base

if TYPE_CHECKING:
    from pathlib import Path

_PROJECT = "bench"


class Tracker(base.Tracker):
    name = "treering"
    packages = ("treering",)

    def __init__(self) -> None:
        self._run: Any = None

    def load(self) -> None:
        import treering  # noqa: F401

    def init(self, store: Path, name: str) -> base.LogFunction:
        import treering

        self._run = treering.init(project=_PROJECT, name=name, dir=str(store))
        log: base.LogFunction = self._run.log
        return log

    def finish(self) -> None:
        self._run.finish()

    def drain(self) -> None:
        self._run.flush()

    def load_reader(self) -> None:
        import treering

        treering.Api  # noqa: B018  # loaded when first asked for
