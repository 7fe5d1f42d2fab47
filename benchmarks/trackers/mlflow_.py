"""MLflow, for artifacts alone: `log_artifact` into a folder.

It wants other releases of many packages than the rest; so it may live in an environment of its own, of the same Python,
whose folder `TREERING_BENCH_MLFLOW` names: `python -m venv FOLDER`, `FOLDER/bin/pip install mlflow`.
"""

from __future__ import annotations

import os
import sysconfig
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.trackers import base

_REPOSITORY = Path(__file__).resolve().parents[2]


def _packages() -> str:
    folder = os.environ.get("TREERING_BENCH_MLFLOW", "")
    return sysconfig.get_path("purelib", vars={"base": folder, "platbase": folder}) if folder else ""


class Tracker(base.Tracker):
    name = "mlflow"
    packages = ("mlflow",)

    def is_here(self) -> bool:
        return Path(_packages(), "mlflow").is_dir() if _packages() else super().is_here()

    def environ(self, store: Path) -> dict[str, str]:
        path = os.pathsep.join([str(_REPOSITORY), *filter(None, [_packages()])])
        return {
            "PYTHONPATH": path,
            "MLFLOW_ENABLE_TELEMETRY": "false",
            "DO_NOT_TRACK": "true",
            "GIT_PYTHON_REFRESH": "quiet",
        }

    def load(self) -> None:
        import_module("mlflow")

    def init(self, store: Path, name: str) -> base.LogFunction:
        mlflow: Any = import_module("mlflow")
        store.mkdir(parents=True, exist_ok=True)
        mlflow.set_tracking_uri(f"sqlite:///{store}/mlflow.db")
        mlflow.create_experiment(name, artifact_location=(store / "artifacts").as_uri())
        mlflow.set_experiment(name)
        mlflow.start_run()
        return lambda _data, _step: None

    def finish(self) -> None:
        import_module("mlflow").end_run()
