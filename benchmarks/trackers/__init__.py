"""One module for each tracker; a module defines a class `Tracker` derived from `benchmarks.trackers.base.Tracker`."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from benchmarks.trackers.base import Tracker

__all__ = ["PEERS", "REFERENCE", "installed", "load"]

#: Logs nothing: what a measure costs by itself, and how far two equal things differ here.
REFERENCE = "none"
PEERS = ("tensorboard", "tensorboardx", "trackio", "wandb", "mlflow", "optuna_dashboard")
#: Peers that only take part in some measures.
ONLY = {"mlflow": ("artifacts", "dashboard"), "optuna_dashboard": ("dashboard",)}


def load(name: str) -> Tracker:
    """The tracker's adapter; its package is not imported before `Tracker.load`."""
    module = importlib.import_module(f"benchmarks.trackers.{name}_")
    return cast("Tracker", module.Tracker())


def installed(measure: str | None = None) -> list[str]:
    """Return treering, then every peer that is here; only those that take part in a measure, if one is named."""
    return [
        name
        for name in ("treering", *PEERS)
        if (measure is None or measure in ONLY.get(name, (measure,))) and load(name).is_here()
    ]
