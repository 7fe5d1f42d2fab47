"""The distributions of a sweep's parameters: what each draws, and how a model of the objective sees it.

A model works on an `Axis`; `encode` and `decode` go between its coordinates and the parameter's values.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Axis", "Categorical", "Constant", "Continuous", "Distribution", "IntUniform"]

_NORMAL = NormalDist()
# A model that asks for the far end of a normal distribution gets its 4.75th sigma.
_END = 1e-6
_FARTHEST = 2**53


class Axis(NamedTuple):
    """One coordinate of a search: `choice` has 0 .. high as its places, in no order."""

    kind: Literal["float", "int", "choice"]
    low: float
    high: float
    log: bool = False


@dataclass(frozen=True)
class Constant:
    """One value."""

    value: Any

    def sample(self, _generator: np.random.Generator) -> Any:
        """Return the value."""
        return self.value

    def grid(self) -> list[Any]:
        """Return all values."""
        return [self.value]


@dataclass(frozen=True)
class Categorical:
    """One of several values of any kind, alike likely unless said."""

    values: tuple[Any, ...]
    probabilities: tuple[float, ...] | None = None

    def sample(self, generator: np.random.Generator) -> Any:
        """Draw one."""
        return self.values[int(generator.choice(len(self.values), p=self.probabilities))]

    def grid(self) -> list[Any]:
        """Return all values."""
        return list(self.values)

    def axis(self) -> Axis:
        """Return the coordinate: the value's index."""
        return Axis("choice", 0, len(self.values) - 1)

    def decode(self, coordinate: float) -> Any:
        """Return the value at a coordinate."""
        return self.values[int(coordinate)]

    def encode(self, value: Any) -> float | None:
        """Return a value's coordinate; None where it has none."""
        for index, one in enumerate(self.values):
            if one == value and type(one) is type(value):
                return index
        return next((index for index, one in enumerate(self.values) if one == value), None)


@dataclass(frozen=True)
class IntUniform:
    """A whole number, both ends included."""

    low: int
    high: int

    def sample(self, generator: np.random.Generator) -> int:
        """Draw one."""
        return int(generator.integers(self.low, self.high, endpoint=True))

    def grid(self) -> range:
        """Return all values."""
        return range(self.low, self.high + 1)

    def axis(self) -> Axis:
        """Return the coordinate: the value."""
        return Axis("int", self.low, self.high)

    def decode(self, coordinate: float) -> int:
        """Return the value at a coordinate."""
        return int(coordinate)

    def encode(self, value: Any) -> float | None:
        """Return a value's coordinate; None where it has none."""
        return _inside(value, self.low, self.high)


@dataclass(frozen=True)
class Continuous:
    """A real number, rounded to multiples of `q` where that is given.

    Attributes:
        kind: "uniform" between `a` and `b`; "log": the logarithm is uniform, `a` and `b` are values; "normal" and
            "log_normal" with mean `a` and deviation `b` (of the logarithm); "beta" with its two parameters.
        q: what values are multiples of; None for any.
        is_open: `grid` leaves the upper end out, as W&B's does.
    """

    kind: Literal["uniform", "log", "normal", "log_normal", "beta"]
    a: float
    b: float
    q: float | None = None

    def sample(self, generator: np.random.Generator) -> float:
        """Draw one."""
        if self.kind == "uniform":
            value = generator.uniform(self.a, self.b)
        elif self.kind == "log":
            value = math.exp(generator.uniform(math.log(self.a), math.log(self.b)))
        elif self.kind == "beta":
            value = generator.beta(self.a, self.b)
        else:
            value = generator.normal(self.a, self.b)
            value = math.exp(value) if self.kind == "log_normal" else value
        return self._rounded(self._clipped(float(value)))

    def _clipped(self, value: float) -> float:
        """Undo what rounding did to the ends of `exp(log(x))`."""
        return min(max(value, self.a), self.b) if self.kind in {"uniform", "log"} else value

    def _rounded(self, value: float) -> float:
        return value if self.q is None else self._multiple(round(value / self.q))

    def _multiple(self, count: int) -> float:
        """Return `count` times q as a person would write it: 3 * 0.1 is 0.3."""
        value = count * (self.q or 1)
        return value if isinstance(value, int) else float(f"{value:.12g}")

    def steps(self) -> int | None:
        """Return how many values a grid has; None where they are not finite."""
        if self.kind != "uniform" or self.q is None:
            return None
        steps = (self.b - self.a) / self.q - 1e-9
        return max(math.ceil(steps), 0) if steps < _FARTHEST else _FARTHEST

    def grid(self) -> list[float] | None:
        """Return all values of `arange(min, max, q)`, without max, as W&B counts; None where they are not finite."""
        count = self.steps()
        if count is None or self.q is None:
            return None
        values = [self.a + step * self.q for step in range(count)]
        return [value if isinstance(value, int) else float(f"{value:.12g}") for value in values]

    def axis(self) -> Axis:
        """Return the coordinate: the value, its multiple of `q`, or its place in the distribution."""
        if self.kind in {"normal", "log_normal", "beta"}:
            return Axis("float", 0.0, 1.0)
        log = self.kind == "log"
        low, high = self._counts()
        if self.q is not None and (low >= 1 or not log):
            return Axis("int", low, high, log)
        return Axis("float", self.a, self.b, log)

    def _counts(self) -> tuple[int, int]:
        return (0, 0) if self.q is None else (round(self.a / self.q), round(self.b / self.q))

    def decode(self, coordinate: float) -> float:
        """Return the value at a coordinate."""
        axis = self.axis()
        if axis.kind == "int":
            return self._multiple(int(coordinate))
        if self.kind in {"normal", "log_normal"}:
            value = self.a + self.b * _NORMAL.inv_cdf(min(max(coordinate, _END), 1 - _END))
            return self._rounded(math.exp(value) if self.kind == "log_normal" else value)
        return self._rounded(coordinate)

    def encode(self, value: Any) -> float | None:
        """Return a value's coordinate; None where it has none."""
        number = _inside(value, -math.inf, math.inf)
        if number is None:
            return None
        axis = self.axis()
        if axis.kind == "int" and self.q is not None:
            return _inside(round(number / self.q), axis.low, axis.high)
        if self.kind in {"normal", "log_normal"}:
            if self.kind == "log_normal":
                number = math.log(number) if number > 0 else -math.inf
            return _NORMAL.cdf((number - self.a) / self.b)
        slack = 0.0 if self.q is None else self.q / 2  # a value may have been rounded out of the range
        place = _inside(number, axis.low - slack, axis.high + slack)
        return None if place is None else min(max(place, axis.low), axis.high)


Distribution = Constant | Categorical | IntUniform | Continuous


def _inside(value: Any, low: float, high: float) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        return None
    return value
