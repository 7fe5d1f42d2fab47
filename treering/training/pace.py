"""How often something costly is done, so that it takes at most a given share of the time."""

from __future__ import annotations

import math
from collections import deque
from statistics import median

__all__ = ["Pace"]

# One slow moment must not set the pace, so the middle one of the last few counts.
_REMEMBERED = 5
# The first time is as slow as loading and allocating make it; so the pace is found in strides, not in one leap.
_STRIDE = 4
_LONGEST = 100_000


class Pace:
    """When it is time again. For one thread.

    Args:
        every: steps from one time to the next; None finds the number that keeps the cost within `budget`.
        budget: share of the time, 0.02 for 2 %.
        thin: from this many times on they also get rarer as the training grows older, so that their number grows
            with the logarithm of its length only; None for things that are small enough to keep.

    Attributes:
        due_at: the step, counted from 1, that it is done at next.
        interval: steps between the last time and the next.
    """

    def __init__(self, every: int | None, budget: float, thin: int | None = None) -> None:
        self.due_at = 1
        self.interval = every or 1
        self._every = every
        self._budget = budget
        self._thin = thin
        self._costs_s: deque[float] = deque(maxlen=_REMEMBERED)
        self._steps_s: deque[float] = deque(maxlen=_REMEMBERED)
        self._is_first = True

    def spent(self, step: int, cost_s: float, step_s: float | None) -> None:
        """Say what was done at `step` and choose when it is due next.

        Args:
            step: counted from 1.
            cost_s: what it took.
            step_s: what a step takes without it, as far as that is known.
        """
        if self._every is None:
            if not self._is_first:
                self._costs_s.append(cost_s)
            if step_s is not None:
                self._steps_s.append(step_s)
            self._is_first = False
            self.interval = self._choose(step)
        self.due_at = step + self.interval

    def _choose(self, step: int) -> int:
        wanted = 1.0
        if self._costs_s and self._steps_s:
            wanted = median(self._costs_s) / (self._budget * max(median(self._steps_s), 1e-9))
        wanted = min(wanted, _STRIDE * self.interval)
        if self._thin is not None:
            wanted = max(wanted, step / self._thin)
        return max(1, math.ceil(min(wanted, _LONGEST)))
