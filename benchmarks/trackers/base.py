"""What a measure asks of a tracker.

Peers are imported by name, `import_module("wandb")`: they are not needed to check or to run the rest.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.reduce import Series

__all__ = ["LogFunction", "Tracker", "UnavailableError"]

LogFunction = Callable[[Mapping[str, float], int], object]


class UnavailableError(NotImplementedError):
    """The tracker has no such thing; the text, in a few words, goes below the table."""


class Tracker:
    """One run at a time in one process, with the settings a user gets by default."""

    name = ""
    #: Import names that must be there; the first one gives the version.
    packages: tuple[str, ...] = ()
    #: Imported before the clock starts, because every program that uses this tracker has it loaded anyway.
    host_packages: tuple[str, ...] = ()

    def is_here(self) -> bool:
        """Whether it is installed."""
        return all(map(importlib.util.find_spec, self.packages))

    def environ(self, store: Path) -> dict[str, str]:
        """Environment variables of the measured process."""
        return {}

    def load(self) -> None:
        """Import the tracker."""
        raise NotImplementedError

    def init(self, store: Path, name: str) -> LogFunction:
        """Start run `name` in folder `store`; returns what logs one row `(data, step)`."""
        raise NotImplementedError

    def finish(self) -> None:
        """End the run; when this returns, what was logged can be read by another process."""
        raise NotImplementedError

    def drain(self) -> None:
        """Wait for background work where the tracker can be asked for that."""

    def load_reader(self) -> None:
        """Import what reading needs."""
        raise UnavailableError("offline runs have no reader")

    def steps(self, store: Path, name: str) -> list[int]:
        """The steps of all rows of a run, in stored order, whether or not it finished."""
        raise UnavailableError("offline runs have no reader")

    def series(self, store: Path, name: str, key: str, points: int) -> tuple[Series, Series]:
        """Steps and values of one metric, opened anew and reduced to about `points` with the extremes kept."""
        raise UnavailableError("offline runs have no reader")

    def write_many(self, store: Path, runs: int, rows: list[dict[str, float]]) -> None:
        """Write `runs` finished runs of the same rows, for `last_values`; need not be the user's way of logging."""
        for number in range(runs):
            log = self.init(store, f"run-{number}")
            for step, row in enumerate(rows):
                log(row, step)
            self.finish()

    def last_values(self, store: Path) -> dict[str, dict[str, float]]:
        """The last value of every metric of every run, opened anew."""
        raise UnavailableError("offline runs have no reader")
