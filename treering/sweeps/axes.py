"""A sweep's space as Optuna has it: a distribution for each parameter that varies, and each point's place on it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

    from treering.sweeps.distributions import Axis
    from treering.sweeps.space import Point, Space

__all__ = ["Axes"]


class Axes:
    """The coordinates of a space; categories are numbers.

    Attributes:
        named: by parameter, where it is searched.
    """

    def __init__(self, space: Space) -> None:
        self._space = space
        self._found = {one.name: cast("Any", one.distribution) for one in space.varying}
        self.named: dict[str, Axis] = {name: distribution.axis() for name, distribution in self._found.items()}

    def distributions(self) -> dict[str, BaseDistribution]:
        """Return the space as Optuna has it."""
        from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

        found: dict[str, BaseDistribution] = {}
        for name, (kind, low, high, log) in self.named.items():
            if kind == "choice":
                found[name] = CategoricalDistribution(range(int(high) + 1))
            elif kind == "int":
                found[name] = IntDistribution(int(low), int(high), log=log)
            else:
                found[name] = FloatDistribution(low, high, log=log)
        return found

    def point(self, asked: dict[str, Any]) -> Point:
        """Return the point at some coordinates, less what does not apply."""
        point: Point = {}
        for one in self._space.varying:
            if self._space.applies(one, point):
                point[one.name] = cast("Any", one.distribution).decode(asked[one.name])
        return point

    def coordinates(self, point: Point) -> dict[str, float] | None:
        """Return a point's place on every axis; where a parameter does not apply, in the middle of its axis."""
        found: dict[str, float] = {}
        for name, (kind, low, high, log) in self.named.items():
            if name in point:
                place = self._found[name].encode(point[name])
                if place is None:
                    return None
            elif kind == "choice":
                place = 0
            else:
                place = math.sqrt(low * high) if log else (low + high) / 2
            found[name] = int(place) if kind != "float" else min(max(float(place), low), high)
        return found
