"""treering, as a user gets it: local store, environment, console and system captured."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from benchmarks.trackers import base

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.reduce import Series

_PROJECT = "bench"


class Tracker(base.Tracker):
    name = "treering"
    packages = ("treering",)

    def __init__(self) -> None:
        self._run: Any = None
        self._api: Any = None

    def load(self) -> None:
        import_module("treering")

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

        self._api = treering.Api

    def steps(self, store: Path, name: str) -> list[int]:
        with self._api(store) as api:
            steps: list[int] = api.run(name).history("_step").values.tolist()
            return steps

    def series(self, store: Path, name: str, key: str, points: int) -> tuple[Series, Series]:
        with self._api(store) as api:
            series = api.run(name).history(key, samples=points)
            return series.x, series.values

    def write_many(self, store: Path, runs: int, rows: list[dict[str, float]]) -> None:
        import treering

        # What the process around it looks like is written a thousand times for nothing.
        quiet = {"console": False, "capture_environment": False, "capture_git": False, "capture_source": False}
        for number in range(runs):
            run: Any = treering.init(
                project=_PROJECT, name=f"run-{number}", dir=str(store), settings={**quiet, "system_interval_s": 0}
            )
            for step, row in enumerate(rows):
                run.log(row, step)
            run.finish()

    def last_values(self, store: Path) -> dict[str, dict[str, float]]:
        with self._api(store) as api:
            return {run.name: run.summary for run in api.runs(_PROJECT)}
