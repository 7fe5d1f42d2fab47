"""optuna-dashboard, which shows studies of Optuna: for the measure of dashboards alone."""

from __future__ import annotations

from importlib import import_module

from benchmarks.trackers import base


class Tracker(base.Tracker):
    name = "optuna_dashboard"
    packages = ("optuna_dashboard",)

    def load(self) -> None:
        import_module("optuna_dashboard")
