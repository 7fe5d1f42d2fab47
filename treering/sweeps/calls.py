"""How many calls of `log` had the sweep's metric, where a training that goes on from a checkpoint repeats some.

A band of early stopping is a number of calls. What an attempt logged behind the checkpoint that the next one goes on
from is logged once more; counted twice it would bring the trial to its bands too early.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from treering.sweeps.records import thinned

if TYPE_CHECKING:
    from collections.abc import Iterable

    from treering.sweeps.records import Curve

__all__ = ["Calls"]


class Calls:
    """The count, and the step of each call that a curve keeps; beyond a thousand it is right to a thousandth.

    Args:
        known: calls that earlier attempts have reported.
        bands: numbers of calls whose values must be kept.

    Attributes:
        count: calls so far.
    """

    def __init__(self, known: int, bands: frozenset[int]) -> None:
        self.count = known
        self._bands = bands
        self._marks: list[tuple[int, int]] = [(known, -1)] if known else []  # (count, step)
        self._recalled_to = -1  # the last step of earlier attempts, until this one has logged

    def note(self, step: int) -> bool:
        """Count a call; returns whether its value is kept.

        The first one of an attempt may say by its step alone that it repeats what earlier ones logged.
        """
        if step <= self._recalled_to:
            self.rewind(step - 1)
        self._recalled_to = -1
        self.count += 1
        kept = thinned(self.count, self._bands)
        if kept:
            self._marks.append((self.count, step))
        return kept

    def recall(self, logged: Iterable[tuple[int, float]], known: int) -> Curve:
        """Count what earlier attempts of the run logged and the present one does not repeat.

        Args:
            logged: (step, value) in order.
            known: calls that have been reported.

        Returns:
            What they did not come to report.
        """
        self.count, self._marks = 0, []
        missed = [(self.count, value) for step, value in logged if self.note(step)]
        self._recalled_to = self._marks[-1][1] if self._marks else -1
        return [point for point in missed if point[0] > known]

    def rewind(self, step: int) -> int:
        """Go back to the calls up to a step; returns how many these are."""
        while self._marks and self._marks[-1][1] > step:
            self._marks.pop()
        self.count = self._marks[-1][0] if self._marks else 0
        return self.count
