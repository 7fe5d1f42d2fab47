"""The guard around the bodies of hooks, and what an exception makes of a training."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType

    from treering.training._training import Training

__all__ = ["Guard", "state_after"]


class Guard:
    """What fails inside is one warning, never the end of the training; see `Training.guard`. Counts the time, too."""

    __slots__ = ("_began_s", "_hook", "_training")

    def __init__(self, training: Training, hook: str) -> None:
        self._training, self._hook = training, hook

    def __enter__(self) -> None:
        self._began_s = perf_counter()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        self._training.spent_s += perf_counter() - self._began_s
        return error is not None and self._training.swallow(self._hook, error)


def state_after(error: BaseException) -> str:
    """Name the state of a run whose training was left through `error`."""
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    # Frameworks raise an exception of their own for a polite kill: Lightning's SIGTERMException.
    return "preempted" if "SIGTERM" in type(error).__name__ else "failed"
