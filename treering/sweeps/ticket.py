"""What a program that runs a trial is told: which one, with which parameters, and where to report.

An agent leaves it in a file (for a program) or here (for a function); the first `treering.init` of the process takes
it, and so becomes the trial's run.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec

from treering.sweeps.records import Key, Orders, Result

__all__ = ["PARAM_PATH", "Ticket", "current_ticket", "set_ticket"]

PARAM_PATH = "TREERING_SWEEP_PARAM_PATH"


class Ticket(msgspec.Struct):
    """One attempt at a trial, for the process that makes it.

    Attributes:
        place: of the store: a folder or an address.
        entity: team of the sweep; "" for none.
        metric: what is reported; "" where nothing is searched for.
        bands: numbers of log calls whose values must be kept.
        count: log calls of the metric in earlier attempts that this one goes on from.
        result_path: file for the result; "" where `result` is read from this object.
        taken: a run of this process has it.
    """

    place: str
    key: Key
    run_id: str
    project: str
    params: dict[str, Any]
    entity: str = ""
    metric: str = ""
    bands: list[int] = []
    count: int = 0
    interval_s: float = 1.0
    result_path: str = ""
    taken: bool = False
    result: Result | None = None
    orders: Orders | None = None


_current: Ticket | None = None


def set_ticket(ticket: Ticket | None) -> None:
    """Let the next run of this process be a trial's; None ends that."""
    global _current
    _current = ticket


def current_ticket() -> Ticket | None:
    """Return the ticket of this process; None where it runs no trial."""
    global _current
    path = os.environ.get(PARAM_PATH)
    if _current is None and path:
        try:
            data = Path(path).read_bytes()
        except OSError:  # the agent is gone and its files with it; or a child of a child inherited the name
            return None
        _current = msgspec.json.decode(data, type=Ticket)
    return _current
