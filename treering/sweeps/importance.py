"""Which parameters matter: importance as Optuna tells it, correlation, and the trials that none is better than."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

from treering.sweeps.axes import Axes
from treering.sweeps.samplers import quiet

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import numpy.typing as npt

    from treering.sweeps.config import SweepConfig
    from treering.sweeps.records import Trial

__all__ = ["EVALUATORS", "Correlation", "Evaluator", "correlations", "front", "importances", "measured"]

Evaluator = Literal["fanova", "ped_anova"]
#: What importance can be told by, and the package that each needs beside Optuna.
EVALUATORS: dict[Evaluator, str] = dict(zip(get_args(Evaluator), ("sklearn", "scipy"), strict=True))
# Fewer trials say nothing.
_FEWEST = 4
# A forest of all trials of a long sweep takes minutes, and says the same.
_MOST = 1000


class Correlation(NamedTuple):
    """How a parameter goes with a metric.

    Attributes:
        value: of a choice: having it or not is what is correlated; None for a number.
        pearson: of the number, or its logarithm where the search is over that; None where one of the two never varies.
        spearman: of ranks.
        trials: in which the parameter applied.
    """

    parameter: str
    value: Any
    pearson: float | None
    spearman: float | None
    trials: int


def measured(trials: Sequence[Trial], index: int) -> list[tuple[Trial, float]]:
    """Return the trials that came to their end, with their values of a metric; those stopped early did not."""
    found: list[tuple[Trial, float]] = []
    for trial in trials:
        if trial.state == "finished" and trial.values and index < len(trial.values):
            value = trial.values[index]
            if math.isfinite(value):
                found.append((trial, value))
    return found


def importances(
    config: SweepConfig, trials: Sequence[Trial], index: int, evaluator: Evaluator
) -> tuple[dict[str, float], str]:
    """Return the share of each parameter in what moves a metric, the largest first; they add up to 1.

    Args:
        config: of the sweep.
        trials: all of them.
        index: of the metric.
        evaluator: fANOVA takes variance over the whole space; PED-ANOVA asks what sets the best tenth apart.

    Returns:
        The shares; and where there are none, why.
    """
    from importlib.util import find_spec

    if find_spec(EVALUATORS[evaluator]) is None:
        return {}, f"{evaluator} needs {EVALUATORS[evaluator]}; install 'treering[sweeps]' where the server runs"
    axes = Axes(config.space)
    pairs = measured(trials, index)[-_MOST:]
    if not axes.named:
        return {}, "the sweep varies nothing"
    if len(pairs) < _FEWEST:
        return {}, f"{len(pairs)} trials have ended with a value; from {_FEWEST} on they say something"
    if len({value for _, value in pairs}) == 1:
        return {}, "all trials came to the same value"
    with quiet():
        return _asked(axes, config.metrics[index].sign, pairs, evaluator), ""


def _asked(axes: Axes, sign: float, pairs: list[tuple[Trial, float]], evaluator: Evaluator) -> dict[str, float]:
    import optuna
    from optuna.importance import FanovaImportanceEvaluator, PedAnovaImportanceEvaluator, get_param_importances
    from optuna.trial import TrialState, create_trial

    distributions = axes.distributions()
    study = optuna.create_study(direction="minimize")
    for trial, value in pairs:
        params = axes.coordinates(trial.point)
        if params is not None:
            study.add_trial(
                create_trial(state=TrialState.COMPLETE, value=sign * value, params=params, distributions=distributions)
            )
    chosen = FanovaImportanceEvaluator(seed=0) if evaluator == "fanova" else PedAnovaImportanceEvaluator()
    found = get_param_importances(study, evaluator=chosen)
    return {name: float(share) for name, share in found.items() if math.isfinite(share)}


def correlations(config: SweepConfig, trials: Sequence[Trial], index: int) -> list[Correlation]:
    """Return how each parameter goes with a metric; of a choice, how each of its values does."""
    import numpy as np

    axes = Axes(config.space)
    pairs = measured(trials, index)
    found: list[Correlation] = []
    for one in config.space.varying:
        axis = axes.named[one.name]
        rows = [(trial.point[one.name], value) for trial, value in pairs if one.name in trial.point]
        values = np.array([value for _, value in rows], dtype=float)
        if axis.kind == "choice":
            options = getattr(one.distribution, "values", ())
            for option in options if len(options) > 2 else options[-1:]:  # noqa: PLR2004  # the other is its negative
                having = np.array([point == option and type(point) is type(option) for point, _ in rows], dtype=float)
                found.append(_correlated(one.name, option, having, values))
        else:
            numbers = np.array([float(point) for point, _ in rows])
            is_log = axis.log or getattr(one.distribution, "kind", "") == "log_normal"
            found.append(_correlated(one.name, None, np.log(numbers) if is_log else numbers, values))
    return found


def _correlated(name: str, option: Any, x: npt.NDArray[Any], y: npt.NDArray[Any]) -> Correlation:
    return Correlation(name, option, _pearson(x, y), _pearson(_ranks(x), _ranks(y)), len(x))


def _pearson(x: npt.NDArray[Any], y: npt.NDArray[Any]) -> float | None:
    import numpy as np

    if len(x) < _FEWEST or not np.isfinite(x).all() or np.ptp(x) == 0 or np.ptp(y) == 0:
        return None
    # Scaled first, so that the squares of large values stay finite.
    x, y = x / np.abs(x).max(), y / np.abs(y).max()
    x, y = x - x.mean(), y - y.mean()
    size = float(np.sqrt((x @ x) * (y @ y)))
    return max(-1.0, min(1.0, float(x @ y) / size)) if size > 0 else None


def _ranks(values: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Return ranks; equal values share the mean of theirs."""
    import numpy as np

    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return (ends - (counts - 1) / 2.0)[places.reshape(-1)]


def front(config: SweepConfig, trials: Sequence[Trial]) -> list[int]:
    """Return the numbers of the trials that none is better than: the best one, or, of several metrics, the front.

    A trial that breaks a constraint is on no front. Equal ones are all on it.
    """
    signs = [metric.sign for metric in config.metrics]
    rows: list[tuple[int, tuple[float, ...]]] = []
    for trial in trials:
        if trial.state != "finished" or not trial.values or len(trial.values) != len(signs) or not signs:
            continue
        told = tuple(sign * value for sign, value in zip(signs, trial.values, strict=True))
        if not any(map(math.isnan, told)) and not any(excess > 0 for excess in trial.constraints or ()):
            rows.append((trial.number, told))
    # In this order nothing that comes later is better than what came before.
    kept: dict[tuple[float, ...], list[int]] = {}
    for number, values in sorted(rows, key=lambda row: row[1]):
        if values in kept:
            kept[values].append(number)
        elif not any(all(a <= b for a, b in zip(other, values, strict=True)) for other in kept):
            kept[values] = [number]
    return sorted(number for numbers in kept.values() for number in numbers)
