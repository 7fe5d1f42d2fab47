"""Small things that a run is read as: a metric's statistics, an attempt, an event, console output."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["Attempt", "ConsoleLine", "ConsoleLog", "Event", "Metric", "moment"]

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def moment(time_us: int) -> datetime:
    """Return microseconds since 1970 as a time in UTC."""
    return _EPOCH + timedelta(microseconds=time_us)


class Metric(msgspec.Struct, frozen=True):
    """What is known of one metric without reading its values.

    Attributes:
        key: its name.
        kind: of its newest values.
        count: values of any kind.
        first: the oldest value; None where it is too large to keep here.
        last: the newest value; likewise.
        min: smallest number, NaN left out; None without numbers.
        max: largest number.
        mean: of the finite numbers.
        nan: NaNs among the values.
        x: metric that it is drawn over; None for the step.
        summary: rules of `define_metric`; empty for the default, the last value.
        goal: "minimize", "maximize" or None.
        hidden: not to be drawn by itself.
    """

    key: str
    kind: str
    count: int
    first: Any
    last: Any
    min: float | None
    max: float | None
    mean: float | None
    nan: int
    x: str | None = None
    summary: tuple[str, ...] = ()
    goal: str | None = None
    hidden: bool = False


class Attempt(msgspec.Struct, frozen=True):
    """One stretch of a run between a start, or resumption, and its end.

    Attributes:
        number: 1, 2, ...
        state: how it ended; "rewound" when the program itself went back.
        started: time in UTC.
        ended: time in UTC; None while it goes on, or when nobody saw the end.
        from_step: rows of earlier attempts from this step on are superseded; None when none are.
        first_row: its first row.
        failure: type, message, traceback and step of the exception, if any.
        config_changes: configuration that differs from the attempt before.
        process: pid, host and the like.
        dropped_rows: rows that could not be kept (a full disk).
    """

    number: int
    state: str
    started: datetime
    ended: datetime | None
    from_step: int | None
    first_row: int
    failure: dict[str, Any] | None
    config_changes: dict[str, Any] | None
    process: dict[str, Any] | None
    dropped_rows: int


class Event(msgspec.Struct, frozen=True):
    """Something that happened: `run.log_event`, an alert, or treering's own notes.

    Attributes:
        kind: such as "alert".
        message: for people.
        level: "info", "warn" or "error".
        step: the run's step then.
        time: in UTC.
        fields: everything else that was given.
    """

    kind: str
    message: str
    level: str
    step: int | None
    time: datetime
    fields: dict[str, Any] = {}


class DroppedVersion(msgspec.Struct, frozen=True):
    """What a version was whose bytes are gone, because a rule did not keep it or its time was over.

    Attributes:
        version: its number.
        run_id: of the run that made it, "" for none.
        size: bytes that its files had.
        created, dropped: in UTC.
        why: in words.
        metadata: as it was; of a callback's checkpoint with "step", "monitor" and "score".
    """

    project: str
    name: str
    version: int
    type: str
    run_id: str
    size: int
    created: datetime
    dropped: datetime
    why: str
    metadata: dict[str, Any] = {}
    description: str | None = None


class ConsoleLine(msgspec.Struct, frozen=True):
    """One line as it stood at last; a progress bar is one line.

    Attributes:
        number: lines are numbered from 0.
        text: without the line's end; may hold ANSI colours.
        source: "stdout" or "stderr".
        time: of the newest text, in UTC.
    """

    number: int
    text: str
    source: str
    time: datetime


class ConsoleLog:
    """What a run printed. `str(log)` is all of its text, iterating gives `ConsoleLine`s."""

    def __init__(self, lines: Iterable[ConsoleLine]) -> None:
        self._lines = list(lines)

    @property
    def text(self) -> str:
        """All lines, each ended by a line feed."""
        return "".join(f"{line.text}\n" for line in self._lines)

    @property
    def lines(self) -> list[str]:
        """The lines' texts."""
        return [line.text for line in self._lines]

    def __len__(self) -> int:
        return len(self._lines)

    def __iter__(self) -> Iterator[ConsoleLine]:
        return iter(self._lines)

    def __getitem__(self, at: int) -> ConsoleLine:
        return self._lines[at]

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"ConsoleLog({len(self)} lines)"
