"""Smoothing over the x axis, as the dashboard does it: what counts is how far apart points are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Numbers = npt.NDArray[np.float64]

__all__ = ["share", "smooth"]

_FEWEST = 3


def share(strength: float) -> float:
    """Return the share of the x axis, 0 to 0.5, that a strength from 0 to 100 stands for."""
    return 0.5 * (min(max(strength, 0.0), 100.0) / 100) ** 3


def smooth(x: Numbers, y: Numbers, kind: str, strength: float, extent: float) -> Numbers:
    """Smooth values; NaN and infinities stay where they are and count for nothing.

    Args:
        x: (n,) places that do not fall.
        y: (n,) values.
        kind: none, ema, gauss, mean or median.
        strength: 0 to 100.
        extent: how far the x axis reaches.
    """
    width = share(strength) * extent
    if kind == "none" or not width > 0 or len(y) < _FEWEST:
        return y
    finite = np.isfinite(y)
    out: Numbers = np.array(y, dtype=np.float64)
    out[finite] = _SMOOTHERS[kind](x[finite], y[finite], width)
    return out


def _ema(x: Numbers, y: Numbers, width: float) -> Numbers:
    """Each value counts by exp(-distance / width); without a bias towards the first one."""
    out = np.empty_like(y)
    keep = np.exp(-np.abs(np.diff(x, prepend=x[:1])) / width)
    total = weight = 0.0
    for at in range(len(y)):
        total = keep[at] * total + y[at]
        weight = keep[at] * weight + 1
        out[at] = total / weight
    return out


def _windows(x: Numbers, half: float) -> tuple[Any, Any]:
    return np.searchsorted(x, x - half, "left"), np.searchsorted(x, x + half, "right")


def _mean(x: Numbers, y: Numbers, width: float) -> Numbers:
    first, stop = _windows(x, width / 2)
    sums = np.concatenate([[0.0], np.cumsum(y)])
    found: Numbers = (sums[stop] - sums[first]) / (stop - first)
    return found


def _gauss(x: Numbers, y: Numbers, width: float) -> Numbers:
    sigma = width / 2
    out = np.empty_like(y)
    for at, (first, stop) in enumerate(zip(*_windows(x, 3 * sigma), strict=True)):
        weights = np.exp(-0.5 * ((x[first:stop] - x[at]) / sigma) ** 2)
        out[at] = weights @ y[first:stop] / weights.sum()
    return out


def _median(x: Numbers, y: Numbers, width: float) -> Numbers:
    windows = zip(*_windows(x, width / 2), strict=True)
    return np.array([float(np.median(y[first:stop])) for first, stop in windows], dtype=np.float64)


_SMOOTHERS = {"ema": _ema, "gauss": _gauss, "mean": _mean, "median": _median}
