"""How often early stopping was right, as the trials tell that were let run on."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from treering.sweeps.stopping import was_wrong

if TYPE_CHECKING:
    from collections.abc import Sequence

    from treering.sweeps.config import SweepConfig
    from treering.sweeps.records import Trial

__all__ = ["Audit", "audit"]


class Audit(NamedTuple):
    """The sums.

    Attributes:
        stopped: trials that were stopped early.
        audited: trials that were to be stopped, were let run on, and have ended.
        wrong: of these, those that came to the share that the rule keeps.
        told: of these, those whose end was predicted with an interval.
        held: of those, the ones that ended within it.
    """

    stopped: int
    audited: int
    wrong: int
    told: int
    held: int


def audit(config: SweepConfig, trials: Sequence[Trial]) -> Audit:
    """Count over all trials of a sweep."""
    rule, metric = config.early_stop, config.metric
    audited = wrong = told = held = 0
    for trial in trials:
        found = was_wrong(rule, metric.sign, trial, trials) if rule and metric else None
        if found is None or trial.prediction is None or not trial.values:
            continue
        audited += 1
        wrong += found
        low, high = trial.prediction.low, trial.prediction.high
        if low is not None and high is not None and not math.isnan(low):
            told += 1
            held += low <= trial.values[0] <= high
    return Audit(sum(one.state == "stopped" for one in trials), audited, wrong, told, held)
