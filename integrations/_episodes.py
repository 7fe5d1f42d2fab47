"""Counting the episodes of environments that step together, the same through every adapter."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

__all__ = ["EPISODES_IN_MEAN", "Episode", "Episodes"]

EPISODES_IN_MEAN = 100
#: As many steps are only put aside before they are added up: between two steps of a training NumPy's sums are cold,
#: and cost more than all else that is done here.
STEPS_ASIDE = 256


class Episode(NamedTuple):
    """One episode that ended.

    Attributes:
        total: sum of its rewards; an array where an environment gives several rewards at once.
        length: its steps.
        time_s: seconds from its reset to its end; None where nobody measured them.
    """

    total: Any
    length: int
    time_s: float | None = None


class Episodes:
    """Rewards and steps of the episodes that are going on, one for each environment.

    Args:
        environments: how many step together.
        clock: gives seconds.
    """

    def __init__(self, environments: int, clock: Callable[[], float] = time.perf_counter) -> None:
        self.environments = environments
        self.ended = 0
        """Episodes that were made a row."""
        self._clock = clock
        self._returns: npt.NDArray[np.float64] = np.zeros(environments)
        self._lengths = np.zeros(environments, dtype=np.int64)
        self._aside: npt.NDArray[np.float64] = np.empty((STEPS_ASIDE, environments))
        self._count = 0
        self._started = np.full(environments, clock())
        self._recent: deque[float] = deque(maxlen=EPISODES_IN_MEAN)

    def restart(self, which: npt.NDArray[np.bool_] | slice = slice(None)) -> None:
        """Begin anew, with nothing counted, in the environments `which`."""
        self._add_up()
        self._returns[which] = 0
        self._lengths[which] = 0
        self._started[which] = self._clock()

    def add(self, rewards: npt.ArrayLike, which: npt.NDArray[np.bool_] | None = None) -> None:
        """Count one step; called after every step of a training, and so kept short.

        Args:
            rewards: of all environments, shape (environments,), or (environments, n) for n rewards at once. Copied.
            which: mask of the environments whose step belongs to an episode; None for all.
        """
        if which is None:
            # np.shape takes its time.
            shape: tuple[int, ...] = cast("Any", rewards).shape if hasattr(rewards, "shape") else np.shape(rewards)
            if shape != self._returns.shape:
                self._add_up()
                self._fit(shape)
            self._aside[self._count] = rewards
            self._count += 1
            if self._count == STEPS_ASIDE:
                self._add_up()
            return
        self._add_up()
        given = np.asarray(rewards, dtype=np.float64)
        self._fit(given.shape)
        self._returns[which] += given[which]
        self._lengths[which] += 1

    def _add_up(self) -> None:
        if self._count:
            given, self._count = self._aside[: self._count], 0
            given[0] += self._returns
            # One after the other, as a program would add them: np.sum rounds in another order.
            self._returns = np.add.accumulate(given)[-1]
            self._lengths += len(given)

    def _fit(self, shape: tuple[int, ...]) -> None:
        """Make room for several rewards at once, or for a single one again."""
        if len(shape) != self._returns.ndim:
            self._returns = np.zeros((self.environments, *shape[1:]))
            self._aside = np.empty((STEPS_ASIDE, *self._returns.shape))

    def end(self, env: int) -> Episode:
        """Return the episode that environment `env` has just ended, and begin its next."""
        self._add_up()
        now = self._clock()
        total = self._returns[env].copy() if self._returns.ndim > 1 else float(self._returns[env])
        episode = Episode(total, int(self._lengths[env]), float(now - self._started[env]))
        self._returns[env], self._lengths[env], self._started[env] = 0, 0, now
        return episode

    def row(
        self,
        episode: Episode,
        env: int,
        *,
        truncated: bool,
        terminated: bool | None = None,
        success: object = None,
    ) -> dict[str, object]:
        """Return what is recorded of an episode, and take it into the mean.

        Args:
            episode: as counted here, or as somebody else counted it.
            env: index of its environment.
            truncated: whether it was cut off, by a limit of time for example.
            terminated: whether it came to an end of its own; None where that is not known.
            success: what the environment says of it, if it does.
        """
        self.ended += 1
        row: dict[str, object] = {}
        if type(episode.total) is not float and np.ndim(episode.total):
            totals: list[float] = np.ravel(np.asarray(episode.total, dtype=np.float64)).tolist()
            row |= {f"episode/return/{number}": total for number, total in enumerate(totals)}
        else:
            self._recent.append(float(episode.total))
            row["episode/return"] = float(episode.total)
        row["episode/length"] = episode.length
        if self._recent:
            row["episode/return_mean"] = sum(self._recent) / len(self._recent)
        row["episode/env"] = int(env)
        row["episode/truncated"] = bool(truncated)
        if terminated is not None:
            row["episode/terminated"] = bool(terminated)
        if episode.time_s is not None:
            row["episode/time"] = episode.time_s
        if success is not None:
            row["episode/is_success"] = bool(success)
        return row
