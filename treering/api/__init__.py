"""Reading what has been recorded.

api = treering.Api()
for run in api.runs("digits", filters="state = 'finished' and summary.val/loss < 0.2", order="summary.val/loss"):
    print(run.name, run.config["lr"], run.history("val/loss").values.min())
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from treering.api._api import Api
from treering.api._listing import Runs
from treering.api._records import Attempt, ConsoleLine, ConsoleLog, DroppedVersion, Event, Metric
from treering.api._run import ApiRun

if TYPE_CHECKING:
    from treering.api._keeping import Rule
    from treering.api._registry import Registered, Registry, RegistryEvent
    from treering.api._reports import ApiReport
    from treering.api._series import History, Series

__all__ = [
    "Api",
    "ApiReport",
    "ApiRun",
    "Attempt",
    "ConsoleLine",
    "ConsoleLog",
    "DroppedVersion",
    "Event",
    "History",
    "Metric",
    "Registered",
    "Registry",
    "RegistryEvent",
    "Rule",
    "Runs",
    "Series",
]


def __getattr__(name: str) -> Any:
    """Load what needs NumPy when it is first used: listing runs does not, and NumPy takes long to import."""
    if name in {"History", "Series"}:
        from treering.api import _series

        return getattr(_series, name)
    if name == "Rule":
        from treering.api import _keeping

        return _keeping.Rule
    if name in {"Registered", "Registry", "RegistryEvent"}:
        from treering.api import _registry

        return getattr(_registry, name)
    if name == "ApiReport":
        from treering.api import _reports

        return _reports.ApiReport
    raise AttributeError(f"module 'treering.api' has no attribute {name!r}")
