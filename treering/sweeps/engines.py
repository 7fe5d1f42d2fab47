"""How the next point is chosen: one engine for each method.

An engine keeps nothing that counts: all it needs is in the sweep's trials, so any agent on any machine may choose the
next point, and one that dies takes nothing with it. Sampling is Optuna's (see `samplers`), but for drawing at random
from W&B's distributions, some of which Optuna does not have.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from xxhash import xxh3_64_intdigest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from treering.sweeps.config import SweepConfig
    from treering.sweeps.records import Trial
    from treering.sweeps.space import Point, Space

__all__ = ["Engine", "Suggestion", "make_engine"]

Prior = list[tuple[dict[str, Any], list[float]]]


class Suggestion(NamedTuple):
    """A point to try.

    Attributes:
        origin: who suggests it.
        memory: what the engine wants to find with the trial when it chooses the next ones (plain data).
    """

    point: Point
    origin: str
    memory: dict[str, Any] | None = None


class Engine(Protocol):
    """Chooses points."""

    def is_quick(self, number: int) -> bool:
        """Tell whether the point of trial `number` can be had at once, without looking at the others."""
        ...

    def suggest(self, number: int, trials: Sequence[Trial]) -> Suggestion | None:
        """Return the point of trial `number`; None where there is none left.

        Args:
            number: trials made so far.
            trials: all of them; not looked at where the answer is quick.
        """
        ...

    def another(self, number: int, attempt: int) -> Suggestion | None:
        """Return another point in place of one that has been tried; None where there is none."""
        ...


def make_engine(sweep_id: str, config: SweepConfig, prior: Prior) -> Engine:
    """Return the engine of a sweep.

    Args:
        sweep_id: gives the seed where the user gave none.
        config: says the method.
        prior: points tried before, with their values.
    """
    seed = xxh3_64_intdigest(sweep_id.encode()) >> 32 if config.seed is None else config.seed
    if config.method == "grid":
        return _Given(config, _Grid(config.space, len(config.initial_points)))
    if config.method == "random":
        return _Given(config, _Random(config.space, seed))
    from treering.sweeps.samplers import Sampled

    return _Given(config, Sampled(config, seed, prior, _Random(config.space, seed)))


class _Given:
    """Points that the user gave, then those of another engine."""

    def __init__(self, config: SweepConfig, then: Engine) -> None:
        self._points = config.initial_points
        self._then = then

    def is_quick(self, number: int) -> bool:
        return number < len(self._points) or self._then.is_quick(number)

    def suggest(self, number: int, trials: Sequence[Trial]) -> Suggestion | None:
        if number < len(self._points):
            return Suggestion(dict(self._points[number]), "given")
        return self._then.suggest(number, trials)

    def another(self, number: int, attempt: int) -> Suggestion | None:
        return self._then.another(number, attempt)


class _Random:
    """Each point on its own, from the seed and its number: the same whoever draws it, in whatever order."""

    def __init__(self, space: Space, seed: int) -> None:
        self._space = space
        self._seed = seed

    def is_quick(self, number: int) -> bool:  # noqa: ARG002  # the signature is `Engine`'s
        return True

    def suggest(self, number: int, trials: Sequence[Trial]) -> Suggestion | None:  # noqa: ARG002  # the same
        return self._draw(number, 0)

    def another(self, number: int, attempt: int) -> Suggestion | None:
        return self._draw(number, attempt + 1)

    def _draw(self, number: int, attempt: int) -> Suggestion:
        import numpy as np

        generator = np.random.default_rng([self._seed, number, attempt])
        return Suggestion(self._space.sample(generator), "random")


class _Grid:
    """All points in order. Those before a trial's place have been tried, for each trial takes one or goes on."""

    def __init__(self, space: Space, given: int) -> None:
        self._space = space
        self._given = given
        self._points: Iterator[Point] = iter(())
        self._place = -1  # of the point that comes next; -1 when none was asked for

    def is_quick(self, number: int) -> bool:  # noqa: ARG002  # the signature is `Engine`'s
        return True

    def suggest(self, number: int, trials: Sequence[Trial]) -> Suggestion | None:  # noqa: ARG002  # the same
        place = max(number - self._given, 0)
        if self._place < 0 or self._place > place:
            self._points, self._place = self._space.grid(), 0
        skip = place - self._place
        return self._next(skip)

    def another(self, number: int, attempt: int) -> Suggestion | None:  # noqa: ARG002  # the same
        return self._next(0)

    def _next(self, skip: int) -> Suggestion | None:
        point = next(islice(self._points, skip, None), None)
        self._place += skip + 1
        return None if point is None else Suggestion(point, "grid")
