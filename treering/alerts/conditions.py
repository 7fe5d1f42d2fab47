"""What a rule watches for, as people write it: `loss > 5`, `loss is nan`, `no progress for 30m`, `state is lost`."""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, NamedTuple

from treering.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from treering.api import ApiRun
    from treering.api._records import Metric

__all__ = ["Condition", "Finding", "parse_condition"]

_SYNTAX = (
    "a condition is 'METRIC > NUMBER' (or <, >=, <=; with 'after STEP' at the end for a training that needs time to "
    "settle), 'METRIC is nan', 'no progress for 30m', or 'state is failed' (lost, interrupted, preempted, finished; "
    "several with 'or'). METRIC may be a pattern such as 'val/*'"
)
_KEY = r"(?P<quote>[`'\"]?)(?P<key>\S.*?)(?P=quote)"
_BOUND = re.compile(
    _KEY + r"\s*(?P<sign>>=|<=|>|<)\s*(?P<number>[-+]?[\w.+-]+?)(?:\s+after\s+(?:step\s+)?(?P<after>\d+))?", re.DOTALL
)
_NAN = re.compile(_KEY + r"\s+is\s+(?:nan|not\s+finite)", re.IGNORECASE | re.DOTALL)
_SILENCE = re.compile(r"no\s+progress\s+(?:for|in)\s+(?P<count>\d+(?:\.\d+)?)\s*(?P<unit>[smhd])\w*", re.IGNORECASE)
_STATE = re.compile(r"(?:state|run)\s+is\s+(?P<states>\w+(?:(?:\s+or\s+|\s*,\s*)\w+)*)", re.IGNORECASE)
_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_STATES = ("failed", "lost", "interrupted", "preempted", "finished")
_LONGEST = 1000
_TESTS: dict[str, Callable[[float, float], bool]] = {
    ">": lambda value, bound: value > bound,
    "<": lambda value, bound: value < bound,
    ">=": lambda value, bound: value >= bound,
    "<=": lambda value, bound: value <= bound,
}


class Finding(NamedTuple):
    """A condition that holds.

    Attributes:
        occasion: the same occasion is told once: a metric of a run, a stretch without progress, an attempt's end.
        text: what was seen, for people.
        level: "info", "warn" or "error".
    """

    occasion: str
    text: str
    level: str = "warn"


class Condition(ABC):
    """What a rule watches for."""

    #: As it was written.
    text: str
    #: Whether it can hold of a run only while that run goes on.
    of_running = False

    @abstractmethod
    def check(self, run: ApiRun, now_us: int) -> Iterator[Finding]:
        """Yield what there is to tell of a run as it stands in the store.

        Args:
            run: as it was read just now.
            now_us: the time, in microseconds since 1970.
        """


@dataclass(frozen=True)
class _Bound(Condition):
    """A metric that is beyond a number, at any step; looked up in its running extremes, so that no spike is missed."""

    text: str
    pattern: str
    sign: str
    number: float
    after: int | None

    def check(self, run: ApiRun, now_us: int) -> Iterator[Finding]:  # noqa: ARG002  # the time is not asked for
        for key, metric in _matching(run, self.pattern):
            extreme = metric.max if self.sign[0] == ">" else metric.min
            if extreme is None or not _TESTS[self.sign](extreme, self.number):
                continue
            step = None
            if self.after is not None:
                found = self._later(run, key)
                if found is None:
                    continue
                step, extreme = found
            at = "" if step is None else f" at step {step:,}"
            yield Finding(f"metric:{key}", f"{key} reached {extreme:.6g}{at} ({self.text})")

    def _later(self, run: ApiRun, key: str) -> tuple[int, float] | None:
        """Return the first step, after the one that the condition names, at which it holds, and the value there."""
        import numpy as np

        series = run.history(key, start=self.after)
        if series.values.dtype.kind not in "fiub":
            return None
        places = np.flatnonzero(_TESTS[self.sign](series.values, self.number))  # type: ignore[arg-type]  # element by element
        if not len(places):
            return None
        first = int(places[0])
        return int(series.x[first]), float(series.values[first])


@dataclass(frozen=True)
class _NotFinite(Condition):
    """A metric that was NaN or infinite, at any step."""

    text: str
    pattern: str

    def check(self, run: ApiRun, now_us: int) -> Iterator[Finding]:  # noqa: ARG002  # the time is not asked for
        for key, metric in _matching(run, self.pattern):
            infinite = any(value is not None and math.isinf(value) for value in (metric.min, metric.max))
            if metric.nan or infinite:
                what = f"was NaN ({metric.nan:,} of {metric.count:,} values)" if metric.nan else "was infinite"
                yield Finding(f"metric:{key}", f"{key} {what}", "error")


@dataclass(frozen=True)
class _Silence(Condition):
    """A run that goes on without logging a row for a while; told once for each such stretch."""

    text: str
    seconds: float
    of_running = True

    def check(self, run: ApiRun, now_us: int) -> Iterator[Finding]:
        if not run.is_running:
            return
        times = run.reader.columns("history").get("_time")
        last = None if times is None else times.stats.last
        begun_us = int(run.attempts[-1].started.timestamp() * 1e6) if run.attempts else 0
        since_us = max(begun_us, last if isinstance(last, int) else 0)
        if now_us - since_us < self.seconds * 1e6:
            return
        row = run.reader.next_row("history")
        minutes = (now_us - since_us) / 60e6
        yield Finding(
            f"silence:{run.attempt}:{row}", f"nothing was logged for {minutes:.0f} minutes, after row {row:,}"
        )


@dataclass(frozen=True)
class _State(Condition):
    """A run that ended in one of some ways."""

    text: str
    states: frozenset[str]

    def check(self, run: ApiRun, now_us: int) -> Iterator[Finding]:  # noqa: ARG002  # the time is not asked for
        if run.state not in self.states:
            return
        failure: dict[str, Any] = run.failure or {}
        reason = ": ".join(str(failure[part]) for part in ("type", "message") if failure.get(part))
        step = failure.get("step")
        at = f" at step {step:,}" if isinstance(step, int) else ""
        level = {"finished": "info", "failed": "error", "lost": "error"}.get(run.state, "warn")
        said = f"it {_SAID[run.state]}{at}" + (f": {reason}" if reason else "")
        yield Finding(f"state:{run.attempt}:{run.state}", said, level)


_SAID = {
    "failed": "failed",
    "lost": "was lost",
    "interrupted": "was interrupted",
    "preempted": "was preempted",
    "finished": "finished",
}


def _matching(run: ApiRun, pattern: str) -> Iterator[tuple[str, Metric]]:
    metrics = run.metrics
    if pattern in metrics:
        yield pattern, metrics[pattern]
    elif any(sign in pattern for sign in "*?["):
        yield from ((key, metric) for key, metric in metrics.items() if fnmatchcase(key, pattern))


def parse_condition(text: str) -> Condition:
    """Read a condition.

    Args:
        text: such as "val/loss > 5 after 1000".

    Raises:
        UsageError: it is none; the message says what there is.
    """
    text = " ".join(text.split())
    if not text or len(text) > _LONGEST or not text.isprintable():
        raise UsageError(f"the condition {text[:80]!r} cannot be read; {_SYNTAX}")
    if (found := _STATE.fullmatch(text)) is not None:
        states = frozenset(word.lower() for word in re.split(r"\s+or\s+|\s*,\s*", found["states"], flags=re.IGNORECASE))
        if unknown := sorted(states - set(_STATES)):
            raise UsageError(f"{text!r} asks for state {unknown[0]!r}; runs end {', '.join(_STATES)}")
        return _State(text, states)
    if (found := _SILENCE.fullmatch(text)) is not None:
        return _Silence(text, float(found["count"]) * _UNITS_S[found["unit"].lower()])
    if (found := _NAN.fullmatch(text)) is not None:
        return _NotFinite(text, found["key"])
    if (found := _BOUND.fullmatch(text)) is not None:
        return _bound(text, found)
    raise UsageError(f"the condition {text!r} cannot be read; {_SYNTAX}")


def _bound(text: str, found: re.Match[str]) -> Condition:
    try:
        number = float(found["number"])
    except ValueError:
        number = math.nan
    if math.isnan(number):
        raise UsageError(f"{text!r} compares with {found['number']!r}, which is no number; {_SYNTAX}")
    after = None if found["after"] is None else int(found["after"])
    return _Bound(text, found["key"], found["sign"], number, after)
