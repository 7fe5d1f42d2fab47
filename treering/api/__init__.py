"""Reading what has been recorded.

api = treering.Api()
for run in api.runs("digits", filters="state = 'finished' and summary.val/loss < 0.2", order="summary.val/loss"):
    print(run.name, run.config["lr"], run.history("val/loss").values.min())
"""

from __future__ import annotations

from treering.api._api import Api
from treering.api._listing import Runs
from treering.api._records import ApiVersion, Attempt, ConsoleLine, ConsoleLog, Event, Metric, VersionFile
from treering.api._run import ApiRun
from treering.api._series import History, Series

__all__ = [
    "Api",
    "ApiRun",
    "ApiVersion",
    "Attempt",
    "ConsoleLine",
    "ConsoleLog",
    "Event",
    "History",
    "Metric",
    "Runs",
    "Series",
    "VersionFile",
]
