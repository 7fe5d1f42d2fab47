"""How much a loop is slowed down by what works beside it, on a machine whose speed drifts.

What works beside is held and let go in turns, in slices of a fraction of a second, while the loop goes on. Two slices
side by side make a pair, which of them comes first is drawn; the machine is as fast in both but for what is measured.
The median of the pairs' ratios is the figure, and how far it may be off follows from their ranks alone.
"""

from __future__ import annotations

import math
import random
import signal
import statistics
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

__all__ = ["Gate", "Slowdown", "measured", "slowdown"]

# What was at work when it was held is done with the piece that it has in hand after so long.
_SETTLES_S = 0.01
_NORMAL_95 = 1.96


class Gate:
    """Holds another thread at a place that it passes often; that thread's own rests last as long as they would."""

    def __init__(self) -> None:
        self._opened, self._closed = threading.Event(), threading.Event()
        self._opened.set()
        self._with_keeper = False

    def open(self) -> None:
        """Let it go on."""
        self._closed.clear()
        self._opened.set()
        self._signal_keeper(signal.SIGCONT)

    def close(self) -> None:
        """Hold it."""
        self._opened.clear()
        self._closed.set()
        self._signal_keeper(signal.SIGSTOP)

    def _signal_keeper(self, number: int) -> None:
        """Hold the process that keeps the files of a save, too, or let it go on: what it takes belongs to the save."""
        if self._with_keeper:
            from treering.artifacts import leasing

            found = leasing._keeper  # pyright: ignore[reportPrivateUsage]
            if found is not None:
                found[0].send_signal(number)

    def rest(self, seconds: float) -> None:
        """Rest for so long, not counting the time for which the gate is closed; called by that thread."""
        while True:
            self._opened.wait()
            if seconds <= 0:
                return
            start_s = time.monotonic()
            self._closed.wait(seconds)
            seconds -= time.monotonic() - start_s

    @contextmanager
    def before_saves(self) -> Generator[None]:
        """Stand where treering's saver looks whether it is to rest; it works as it does for users, but for the gate."""
        from treering.artifacts.saver import Saver

        before: Any = Saver._breathe  # pyright: ignore[reportPrivateUsage]
        gate = self

        def breathe(saver: Any) -> None:
            rest_s = 0.0 if saver._hurried else saver._pace.rest_s()
            gate.rest(rest_s)
            if rest_s:
                saver._pace.rested(rest_s)

        self._with_keeper = True
        Saver._breathe = breathe  # type: ignore[assignment,method-assign]  # pyright: ignore[reportPrivateUsage]
        try:
            yield
        finally:
            Saver._breathe = before  # type: ignore[method-assign]  # pyright: ignore[reportPrivateUsage]
            self.open()
            self._with_keeper = False


class Slowdown(NamedTuple):
    """What pairs say.

    Attributes:
        percent: by how much the loop is slower, the median.
        error: how far that may be off, half the width of its interval of 95 %.
        pairs: how many there were.
    """

    percent: float
    error: float
    pairs: int


def slowdown(ratios: list[float]) -> Slowdown:
    """Return the median of ratios (time of a bit of work beside it, to that alone) and how sure it is."""
    ordered = sorted(ratios)
    count = len(ordered)
    # The ranks between which the median lies, whatever the distribution is.
    reach = _NORMAL_95 * math.sqrt(count) / 2
    low = ordered[max(math.floor(count / 2 - reach), 0)]
    high = ordered[min(math.ceil(count / 2 + reach), count - 1)]
    return Slowdown((statistics.median(ordered) - 1) * 100, (high - low) / 2 * 100, count)


def measured(gate: Gate, work: Callable[[], object], going: Callable[[], bool], slice_s: float, pairs: int) -> Slowdown:
    """Run a loop in pairs of slices while something goes on beside it.

    Args:
        gate: that holds it.
        work: a bit of the loop, about a millisecond.
        going: whether it still does.
        slice_s: seconds of a slice. What it does in one may be less than one bit of work: its rests go on in the next.
        pairs: at most; one at least.
    """
    draw = random.Random(0)
    ratios: list[float] = []
    while not ratios or (len(ratios) < pairs and going()):
        taken: dict[bool, float] = {}
        first = draw.random() < 0.5
        for is_open in (first, not first):
            if is_open:
                gate.open()
            else:
                gate.close()
                _each_s(work, _SETTLES_S)
            taken[is_open] = _each_s(work, slice_s)
        ratios.append(taken[True] / taken[False])
    gate.open()
    return slowdown(ratios)


def _each_s(work: Callable[[], object], seconds: float) -> float:
    count = 0
    start = now = time.perf_counter()
    while now < start + seconds or not count:
        work()
        count += 1
        now = time.perf_counter()
    return (now - start) / count
