"""One module for each tracker; a module defines a class `Tracker` derived from `benchmarks.trackers.base.Tracker`."""

from __future__ import annotations

import importlib
import importlib.util
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from benchmarks.trackers.base import Tracker

__all__ = ["PEERS", "REFERENCE", "installed", "load"]

#: Logs nothing: what a measure costs by itself, and how far two equal things differ here.
REFERENCE = "none"
PEERS = ("tensorboard", "tensorboardx", "trackio", "wandb")


def load(name: str) -> Tracker:
    """The tracker's adapter; its package is not imported before `Tracker.load`."""
    module = importlib.import_module(f"benchmarks.trackers.{name}_")
    return cast("Tracker", module.Tracker())


def installed() -> list[str]:
    """Return treering, then every peer whose package is here."""
    return [name for name in ("treering", *PEERS) if all(map(importlib.util.find_spec, load(name).packages))]
