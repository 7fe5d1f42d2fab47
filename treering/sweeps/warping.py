"""Values made fit for a Gaussian process where they are too far apart for one."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["warped"]

# The first points are spread over the whole space; what they say of the values' tail, later ones would hide.
_FIRST = 10
_FEW = 5
_HEAVY = 8.0


def warped(values: Sequence[float]) -> list[float]:
    """Return values with a long tail of bad ones drawn in; others as they are.

    Values worse than the median are pulled towards it by a logarithm; the better half, where the search goes on, stays
    as it is. The order is kept.

    Args:
        values: finite, in the order in which they came; less is better.
    """
    if len(values) < _FEW or not _has_heavy_tail(values[:_FIRST]):
        return list(values)
    ordered = sorted(values)
    middle = ordered[len(ordered) // 2]
    scale = middle - ordered[0]
    if scale <= 0:
        return list(values)
    return [value if value <= middle else middle + scale * math.log1p((value - middle) / scale) for value in values]


def _has_heavy_tail(first: Sequence[float]) -> bool:
    ordered = sorted(first)
    middle = ordered[len(ordered) // 2]
    return ordered[-1] - middle > _HEAVY * (middle - ordered[0])
