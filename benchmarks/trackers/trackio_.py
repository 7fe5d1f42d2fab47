"""Trackio with its local SQLite storage."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from benchmarks.trackers import base

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.reduce import Series

_PROJECT = "bench"


class Tracker(base.Tracker):
    name = "trackio"
    packages = ("trackio",)

    def environ(self, store: Path) -> dict[str, str]:
        return {"TRACKIO_DIR": str(store), "HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}

    def load(self) -> None:
        import_module("trackio")

    def init(self, store: Path, name: str) -> base.LogFunction:
        run: Any = import_module("trackio").init(project=_PROJECT, name=name, embed=False)
        log: base.LogFunction = run.log
        return log

    def finish(self) -> None:
        import_module("trackio").finish()

    def load_reader(self) -> None:
        _storage()

    def _logs(self, name: str) -> list[dict[str, Any]]:

        logs: list[dict[str, Any]] = _storage().get_logs(_PROJECT, name)
        return logs

    def steps(self, store: Path, name: str) -> list[int]:
        return [row["step"] for row in self._logs(name)]

    def series(self, store: Path, name: str, key: str, points: int) -> tuple[Series, Series]:
        import numpy as np

        from benchmarks.reduce import reduce

        rows: list[dict[str, Any]] = _storage().get_metric_values(_PROJECT, name, key)
        steps = np.fromiter((row["step"] for row in rows), np.int64, len(rows))
        values = np.fromiter((row["value"] for row in rows), np.float64, len(rows))
        return reduce(steps, values, points)

    def write_many(self, store: Path, runs: int, rows: list[dict[str, float]]) -> None:
        # The call that its background thread makes; a thousand times init and finish would wait ten minutes.

        for number in range(runs):
            _storage().bulk_log(_PROJECT, f"run-{number}", rows, steps=list(range(len(rows))))

    def last_values(self, store: Path) -> dict[str, dict[str, float]]:

        last: dict[str, dict[str, float]] = {}
        for name in _storage().get_runs(_PROJECT):
            values = last[name] = {}
            for row in self._logs(name):
                values.update({key: value for key, value in row.items() if isinstance(value, float)})
        return last


def _storage() -> Any:
    return import_module("trackio.sqlite_storage").SQLiteStorage
