"""Returns over seeds: the mean of the middle half of runs, with intervals from a stratified bootstrap.

After Agarwal et al., "Deep Reinforcement Learning at the Edge of the Statistical Precipice" (2021): runs are resampled
with replacement within each task, and the interquartile mean is taken over all of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    Numbers = npt.NDArray[np.float64]

__all__ = ["Middle", "aligned", "iqm", "over_seeds"]

_MOST_DRAWN = 12_000_000
_FEWEST_DRAWS, _MOST_DRAWS = 100, 2000
_CONFIDENCE = 0.95


class Middle(NamedTuple):
    """One line: at each place the interquartile mean, its interval, and how many runs reach it."""

    values: Numbers
    low: Numbers
    high: Numbers
    counts: npt.NDArray[np.int64]
    draws: int


def aligned(x: Numbers, values: Numbers, places: Numbers, window: float) -> Numbers:
    """Return one run's mean return at each place.

    Args:
        x: where its episodes ended, in steps of the environment; any order.
        values: their returns, as many.
        places: rising, evenly spaced.
        window: how far back a mean reaches, in the unit of `x`. Where no episode ended in it, the last one counts.

    Returns:
        As many values as places; NaN before the first episode, and more than a window behind the last one.
    """
    known = np.isfinite(values) & np.isfinite(x)
    order = np.argsort(x[known], kind="stable")
    x, values = x[known][order], values[known][order]
    found = np.full(len(places), np.nan)
    if not len(x):
        return found
    ends = np.searchsorted(x, places, side="right")
    starts = np.minimum(np.searchsorted(x, places - window, side="right"), np.maximum(ends - 1, 0))
    sums = np.concatenate([[0.0], np.cumsum(values)])
    reached = (ends > 0) & (places <= x[-1] + window)
    found[reached] = (sums[ends] - sums[starts])[reached] / (ends - starts)[reached]
    return found


def iqm(runs: Numbers) -> Numbers:
    """Return the interquartile mean along the first axis; NaNs count for nothing.

    A quarter of the runs, rounded down, is left out at either end, as `scipy.stats.trim_mean(runs, 0.25)` does it.
    """
    ordered = np.sort(runs, axis=0)  # NaNs go to the end
    counts = np.isfinite(ordered).sum(axis=0)
    cut = counts // 4
    zero = np.zeros((1, *ordered.shape[1:]))
    sums = np.concatenate([zero, np.cumsum(np.nan_to_num(ordered), axis=0)])
    kept = counts - 2 * cut
    inside = np.take_along_axis(sums, (counts - cut)[None], axis=0) - np.take_along_axis(sums, cut[None], axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(counts > 0, inside[0] / kept, np.nan)


def over_seeds(runs: Numbers, tasks: Sequence[str], seed: int = 0) -> Middle:
    """Return the interquartile mean of runs with its 95 % interval.

    Args:
        runs: (runs, places), as `aligned` gives them.
        tasks: of each run the task, within which runs are resampled.
        seed: of the draws, so that the same question has the same answer.
    """
    count, places = runs.shape
    draws = int(np.clip(_MOST_DRAWN // max(count * places, 1), _FEWEST_DRAWS, _MOST_DRAWS))
    values = iqm(runs)
    counts = np.isfinite(runs).sum(axis=0)
    groups = [np.flatnonzero(np.asarray(tasks) == task) for task in dict.fromkeys(tasks)]
    if all(len(group) < 2 for group in groups):  # noqa: PLR2004  # one run says nothing of others
        return Middle(values, values, values, counts, 0)
    random = np.random.default_rng(seed)
    drawn = np.concatenate([random.choice(group, (draws, len(group))) for group in groups], axis=1)
    found = np.empty((draws, places))
    step = max(1, 2_000_000 // max(count * places, 1))
    for first in range(0, draws, step):
        found[first : first + step] = iqm(np.moveaxis(runs[drawn[first : first + step]], 1, 0))
    ends = np.full((2, places), np.nan)
    some = np.isfinite(found).any(axis=0)
    ends[:, some] = np.nanquantile(found[:, some], [(1 - _CONFIDENCE) / 2, (1 + _CONFIDENCE) / 2], axis=0)
    return Middle(values, ends[0], ends[1], counts, draws)
