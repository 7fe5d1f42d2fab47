"""What a trial has come to, read out of its run's summary."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from treering.sweeps.config import SweepConfig
    from treering.sweeps.records import Result, Trial

__all__ = ["excesses", "final_values", "found_in"]


def final_values(trial: Trial, config: SweepConfig, result: Result) -> list[float] | None:
    """Return the values of the sweep's metrics; None where one of them is missing."""
    found = [found_in(result.summary, one.name) for one in config.metrics]
    if found and found[0] is None and len(found) == 1 and trial.curve:
        found = [trial.curve[-1][1]]
    values = [value for value in found if value is not None]
    return values if values and len(values) == len(found) else None


def found_in(summary: Mapping[str, float], name: str) -> float | None:
    """Return an entry, whichever way nested names are joined: W&B writes val.loss for what treering calls val/loss."""
    return summary.get(name, summary.get(name.replace(".", "/"), summary.get(name.replace("/", "."))))


def excesses(config: SweepConfig, result: Result) -> list[float]:
    """Return by how much each constraint is broken: 0 or less where it is kept, NaN where its metric has no value."""
    found = [found_in(result.summary, one.name) for one in config.constraints]
    return [
        math.nan if value is None or math.isnan(value) else one.excess(value)
        for one, value in zip(config.constraints, found, strict=True)
    ]
