"""Which parameters tell the best runs from the others, by Optuna's PED-ANOVA, which needs nothing besides NumPy."""

from __future__ import annotations

import inspect
import math
import threading
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from optuna.distributions import BaseDistribution

__all__ = ["FEWEST", "Importance", "importances"]

#: Runs below which nothing can be told.
FEWEST = 4
_BEST_SHARE = 0.1
_FEWEST_BEST = 5
_LOG_SPAN = 100.0
_MOST_CATEGORIES = 100
# Optuna's verbosity and Python's filters of warnings belong to the whole process.
_ONE_AT_A_TIME = threading.Lock()


class Importance(NamedTuple):
    """What is known of one parameter."""

    key: str
    #: Shares of all parameters, which add up to one.
    importance: float
    #: Spearman's rank correlation with the result; None for categories.
    correlation: float | None
    values: int


def importances(
    parameters: Mapping[str, Sequence[Any]], results: Sequence[float], *, maximize: bool
) -> list[Importance]:
    """Return the parameters, the most important first.

    Args:
        parameters: name -> the value in each run. Those that some run lacks, and those that never vary, are left out.
        results: of each run, finite.
        maximize: whether larger results are better.
    """
    axes = {key: axis for key, values in parameters.items() if (axis := _axis(values)) is not None}
    if len(results) < FEWEST or not axes or min(results) == max(results):
        return []
    found = _evaluate(axes, results, maximize=maximize)
    total = sum(found.values())
    told = [
        Importance(key, found[key] / total if total else 0.0, _correlation(values, results), len(set(values)))
        for key, (_, values) in axes.items()
    ]
    return sorted(told, key=lambda one: -one.importance)


def _axis(values: Sequence[Any]) -> tuple[BaseDistribution, list[Any]] | None:
    """Return a distribution that holds all of the values, and the values as it takes them."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if any(value is None for value in values):
        return None
    if all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values):
        numbers = [float(value) for value in values]
        low, high = min(numbers), max(numbers)
        if not all(map(math.isfinite, numbers)) or low == high:
            return None
        log = low > 0 and high / low >= _LOG_SPAN
        if all(isinstance(value, int) and abs(value) < 1 << 53 for value in values):
            return IntDistribution(int(low), int(high), log=log), list(values)
        return FloatDistribution(low, high, log=log), numbers
    texts = [str(value) for value in values]
    names = sorted(set(texts))
    return (CategoricalDistribution(names), texts) if 1 < len(names) <= _MOST_CATEGORIES else None


def _evaluate(
    axes: Mapping[str, tuple[BaseDistribution, list[Any]]], results: Sequence[float], *, maximize: bool
) -> dict[str, float]:
    import optuna
    from optuna.importance import PedAnovaImportanceEvaluator

    from treering.sweeps.samplers import quiet

    share = min(max(_BEST_SHARE, _FEWEST_BEST / len(results)), 0.5)
    taken = inspect.signature(PedAnovaImportanceEvaluator).parameters
    word = "target_quantile" if "target_quantile" in taken else "baseline_quantile"  # its name before Optuna 4.5
    with _ONE_AT_A_TIME, quiet():
        study = optuna.create_study(direction="maximize" if maximize else "minimize")
        distributions = {key: axis for key, (axis, _) in axes.items()}
        study.add_trials(
            [
                optuna.trial.create_trial(
                    params={key: values[at] for key, (_, values) in axes.items()},
                    distributions=distributions,
                    value=result,
                )
                for at, result in enumerate(results)
            ]
        )
        evaluator = cast("Any", PedAnovaImportanceEvaluator)(**{word: share})
        return dict(evaluator.evaluate(study, params=list(axes)))


def _correlation(values: Sequence[Any], results: Sequence[float]) -> float | None:
    if any(isinstance(value, str) for value in values):
        return None
    one, other = _ranks(values), _ranks(results)
    return float(np.corrcoef(one, other)[0, 1])


def _ranks(values: Sequence[float]) -> Any:
    """Return ranks; equal values share the mean of theirs."""
    _, place, counts = np.unique(np.asarray(values, dtype=np.float64), return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return (ends - (counts - 1) / 2)[place]
