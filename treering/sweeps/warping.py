"""Values made fit for a Gaussian process: near normal, in the same order."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["warped"]

_FEW = 5


def warped(values: Sequence[float]) -> list[float]:
    """Return values with the long tail of the bad ones drawn in.

    Those worse than the median are pulled towards it by a logarithm; the better half, where the search goes on, stays
    as it is. The order is kept.

    Args:
        values: finite; less is better.
    """
    if len(values) < _FEW:
        return list(values)
    ordered = sorted(values)
    middle = ordered[len(ordered) // 2]
    scale = middle - ordered[0]
    if scale <= 0 or not math.isfinite(scale):
        return list(values)
    return [value if value <= middle else middle + scale * math.log1p((value - middle) / scale) for value in values]
