"""The search space: a sweep's parameters, nested ones flattened, with what may be drawn from them.

A point is a dictionary of flat names ("optimizer/lr") to values, of the parameters that vary and apply. `params` makes
of it what a program gets: nested, with the constants.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import msgspec
from xxhash import xxh3_128_hexdigest

from treering.sweeps.distributions import Constant, Continuous, IntUniform

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import numpy as np

    from treering.sweeps.distributions import Distribution

__all__ = ["Parameter", "Point", "Space", "point_key"]

Point = dict[str, Any]
SEPARATOR = "/"


class Parameter(NamedTuple):
    """One leaf.

    Attributes:
        name: flat, "optimizer/lr".
        when: it applies only where each of these parameters has one of these values.
    """

    name: str
    distribution: Distribution
    when: dict[str, list[Any]]


class Space:
    """All parameters, those that others depend on first."""

    def __init__(self, parameters: Sequence[Parameter]) -> None:
        self.parameters = tuple(_ordered(parameters))
        self.varying = tuple(one for one in self.parameters if not isinstance(one.distribution, Constant))
        self._constants: Point = {
            one.name: one.distribution.value for one in self.parameters if isinstance(one.distribution, Constant)
        }

    def sample(self, generator: np.random.Generator) -> Point:
        """Draw a point from the parameters' distributions."""
        point: Point = {}
        for one in self.varying:
            value = one.distribution.sample(generator)  # also where it does not apply: draws stay independent of it
            if self.applies(one, point):
                point[one.name] = value
        return point

    def applies(self, parameter: Parameter, point: Mapping[str, Any]) -> bool:
        """Tell whether a parameter is part of a point that has values for those before it."""
        for name, values in parameter.when.items():
            value = point[name] if name in point else self._constants.get(name, _MISSING)
            if value not in values:
                return False
        return True

    def params(self, point: Mapping[str, Any]) -> dict[str, Any]:
        """Return a point as a program gets it."""
        nested: dict[str, Any] = {}
        for one in self.parameters:
            if isinstance(one.distribution, Constant):
                if not self.applies(one, point):
                    continue
                value = one.distribution.value
            elif one.name in point:
                value = point[one.name]
            else:
                continue
            *folders, last = one.name.split(SEPARATOR)
            place = nested
            for folder in folders:
                place = place.setdefault(folder, {})
            place[last] = value
        return nested

    def point_of(self, params: Mapping[str, Any]) -> Point | None:
        """Return the point of a program's config; None where it is not in this space."""
        flat = _flattened(params, {one.name for one in self.parameters})
        point: Point = {}
        for one in self.varying:
            if not self.applies(one, point):
                continue
            if one.name not in flat or cast("Any", one.distribution).encode(flat[one.name]) is None:
                return None
            point[one.name] = flat[one.name]
        return point

    @property
    def size(self) -> float:
        """How many points there are, at most; infinite where a parameter is continuous."""
        count = 1.0
        for one in self.varying:
            count *= _count(one.distribution)
        return count

    def grid(self, *, whole: bool = False) -> Iterator[Point]:
        """Yield every point, the last parameter changing quickest.

        Args:
            whole: with the upper ends that W&B's grids leave out; for a space of a finite `size`.
        """
        values = {one.name: _values(one.distribution, whole=whole) for one in self.varying}
        seen: set[str] = set()
        for point in self._grid(0, {}, values):
            key = point_key(point)
            if key not in seen:
                seen.add(key)
                yield point

    def _grid(self, index: int, point: Point, values: Mapping[str, Sequence[Any]]) -> Iterator[Point]:
        if index == len(self.varying):
            yield dict(point)
            return
        one = self.varying[index]
        if not self.applies(one, point):
            yield from self._grid(index + 1, point, values)
            return
        for value in values[one.name]:
            point[one.name] = value
            yield from self._grid(index + 1, point, values)
        point.pop(one.name, None)


def point_key(point: Mapping[str, Any]) -> str:
    """Return what two points have in common only when they are the same."""
    return xxh3_128_hexdigest(msgspec.msgpack.encode(sorted(point.items())))


_MISSING = object()


def _values(distribution: Distribution, *, whole: bool) -> Sequence[Any]:
    if whole and isinstance(distribution, Continuous):
        axis = distribution.axis()
        return [distribution.decode(place) for place in range(int(axis.low), int(axis.high) + 1)]
    return distribution.grid() or ()


def _count(distribution: Distribution) -> float:
    if isinstance(distribution, Continuous):
        axis = distribution.axis()
        return axis.high - axis.low + 1 if axis.kind == "int" else math.inf
    if isinstance(distribution, IntUniform):
        return distribution.high - distribution.low + 1
    return len(distribution.grid())


def _ordered(parameters: Sequence[Parameter]) -> Iterator[Parameter]:
    """Yield parameters behind those that they depend on; the caller has checked that there is no circle."""
    left, names = list(parameters), {one.name for one in parameters}
    done: set[str] = set()
    while left:
        ready = [one for one in left if not (set(one.when) & names) - done]
        if not ready:
            raise ValueError("parameters that depend on each other in a circle")
        yield from ready
        done |= {one.name for one in ready}
        left = [one for one in left if one.name not in done]


def _flattened(params: Mapping[str, Any], names: set[str], prefix: str = "") -> Point:
    flat: Point = {}
    for key, value in params.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict) and name not in names:
            flat |= _flattened(cast("dict[str, Any]", value), names, name + SEPARATOR)
        else:
            flat[name] = value
    return flat
