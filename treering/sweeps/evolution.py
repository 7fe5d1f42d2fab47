"""CMA-ES, told all generations again for each point: the optimizer's state is never stored.

The `cmaes` package is the one that Optuna's sampler uses; that sampler keeps its state as pickles, which nothing here
reads.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Sequence

    from treering.sweeps.config import SweepConfig

__all__ = ["suggest_cmaes"]


def suggest_cmaes(config: SweepConfig, seed: int, told: Sequence[tuple[Any, dict[str, Any], Any]], number: int) -> Any:
    """Return coordinates of the next point; None where `cmaes` is not installed, or there is one coordinate only.

    Args:
        config: of the sweep.
        seed: of the search.
        told: (trial, coordinates, values or None) of each trial, in order.
        number: of the trial.
    """
    try:
        import cmaes  # type: ignore[import-untyped]  # ships no types
        import numpy as np
    except ModuleNotFoundError:
        from treering._notice import warn_once

        warn_once("cmaes needs its package (pip install 'treering[sweeps]'); points are drawn at random")
        return None
    axes = {one.name: cast("Any", one.distribution).axis() for one in config.space.varying}
    if len(axes) == 1:  # nothing to evolve
        return None
    # Whole numbers get half a unit beyond each end, so that the ends are as likely as the others.
    pads = [0.5 if axis.kind == "int" else 0.0 for axis in axes.values()]
    lows = [_scale(axis.low - pad, axis.log) for axis, pad in zip(axes.values(), pads, strict=True)]
    highs = [_scale(axis.high + pad, axis.log) for axis, pad in zip(axes.values(), pads, strict=True)]
    low, high = np.array(lows), np.array(highs)
    optimizer = cmaes.CMA(
        mean=np.full(len(axes), 0.5), sigma=1 / 6, bounds=np.array([[0.0, 1.0]] * len(axes)), seed=seed % 2**31
    )
    generation: list[tuple[Any, float]] = []
    for _trial, coordinates, values in told:
        if values is None:
            continue
        place = np.array([_scale(coordinates[name], axis.log) for name, axis in axes.items()])
        generation.append(((place - low) / (high - low), values[0]))
        if len(generation) == optimizer.population_size:
            optimizer.tell(generation)
            generation = []
    # Each trial of a generation draws its own, though the optimizer was built anew.
    optimizer._rng = np.random.RandomState((seed + number) % 2**32)  # pyright: ignore[reportPrivateUsage]  # the only way to seed it
    found = low + np.clip(optimizer.ask(), 0.0, 1.0) * (high - low)
    return {name: _back(float(value), axis) for (name, axis), value in zip(axes.items(), found, strict=True)}


def _scale(value: float, log: bool) -> float:  # two words of one formula
    return math.log(max(value, 1e-300)) if log else value


def _back(value: float, axis: Any) -> float:
    value = math.exp(value) if axis.log else value
    value = min(max(value, axis.low), axis.high)
    return round(value) if axis.kind == "int" else value
