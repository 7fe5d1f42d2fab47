"""How much of the processors what works beside a training takes for itself.

It rests instead of having a low priority: a thread that holds Python's lock and does not get a processor, since others
need them all, keeps the training waiting, too.
"""

from __future__ import annotations

import os
import time

__all__ = ["Pace", "processors"]

# Of two processors the saver takes so much of one, together with the threads that help it: a training that needs both,
# and whose threads wait for each other, loses up to 1.4 times as much. Among more there is sooner an idle one.
_SHARE_OF_TWO = 0.016
# What is idle is nobody's loss, but for so much of one processor: a training that waits a moment wants it right after.
_RESERVE = 0.75
_LOOK_S = 0.25
# A rest comes after so much work; never a long one, for what the share is may be wrong, but what is left of it follows
# after the next bit of work, up to a limit.
_STINT_S, _LONGEST_REST_S, _MOST_OWED_S = 0.002, 0.5, 2.0


class Pace:
    """Says when a thread that works beside a training is to rest, and for how long; used by that thread.

    Attributes:
        helped_s: processor time of threads that help it; they, or whoever knows, add to it.
    """

    def __init__(self) -> None:
        self._processors = processors()
        self._base = min(_SHARE_OF_TWO * (self._processors / 2) ** 2, 1.0)
        self._share = self._base
        self._looked_s = 0.0
        self._looked_worked_s = self._worked_s = 0.0
        self._idle_s = self._owed_s = 0.0
        self.helped_s = 0.0

    def rest_s(self) -> float:
        """Return for how long to rest now, in seconds: 0 when it has hardly worked since the last rest."""
        now_s = time.thread_time() + self.helped_s
        worked_s = now_s - self._worked_s
        if worked_s < _STINT_S:
            return 0.0
        self._look(now_s)
        self._worked_s = now_s
        self._owed_s = min(self._owed_s + worked_s * (1 / self._share - 1), _MOST_OWED_S)
        return min(self._owed_s, _LONGEST_REST_S)

    def rested(self, seconds: float) -> None:
        """Take note of a rest."""
        self._owed_s = max(self._owed_s - seconds, 0.0)

    def _look(self, worked_s: float) -> None:
        """See now and then how many processors are idle, whoever uses the others."""
        now_s = time.monotonic()
        passed_s = now_s - self._looked_s
        if passed_s < _LOOK_S:
            return
        idle_s = _idle_s()
        if self._looked_s:
            idle = min((idle_s - self._idle_s) / passed_s, self._processors)
            own = (worked_s - self._looked_worked_s) / passed_s
            self._share = min(max(idle + own - _RESERVE, self._base), 1.0)
        self._looked_s, self._idle_s, self._looked_worked_s = now_s, idle_s, worked_s


def _idle_s() -> float:
    """Return for how long the processors have had nothing to do, all of them together."""
    import psutil

    times = psutil.cpu_times()
    return float(times.idle) + float(getattr(times, "iowait", 0.0))


def processors() -> int:
    """Return how many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
