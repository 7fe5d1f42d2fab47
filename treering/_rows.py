"""Putting rows into a journal: the part of a run that every training step goes through.

Rows get their numbers here. What takes time (odd values, trouble, a run that had ended) is kept off the short way
through `Rows.log`, which makes one record and copies it into mapped memory.
"""

from __future__ import annotations

import contextlib
import operator
import sys
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, cast

import msgspec

from treering import records
from treering.errors import UsageError
from treering.journal import JournalClosed, JournalFull
from treering.store.values import encode_fast, encode_logged

if TYPE_CHECKING:
    from treering.recording import Recording
    from treering.watching import Watched

__all__ = ["Rows", "checked_step"]

# The next automatic step must fit as well.
_FIRST_STEP, _LAST_STEP = -(2**63), 2**63 - 2


class Rows(ABC):
    """What `Run` logs with.

    Args:
        recording: of the run.
    """

    def __init__(self, recording: Recording) -> None:
        start = recording.start
        self._recording = recording
        self._journal = recording.journal
        self._lock = recording.journal.lock
        self._append = recording.journal.append
        self._busy = False
        self._deferred: deque[Callable[[], None]] = deque()
        self._pending: dict[str, Any] = {}
        self._watches: list[Watched] = []
        self._beside = -1, 0  # number of the row after the last late one, and that one's step
        self._row = start.first_row
        self._step = start.next_step
        self._rows = {records.SYSTEM: 0, records.CONSOLE: 0, records.EVENTS: 0, **start.next_rows}

    def log(
        self,
        data: Mapping[str, object],
        step: int | None = None,
        commit: bool | None = None,
        *,
        time_s: float | None = None,
    ) -> None:
        """Record one row; it survives whatever happens to the process once this has returned.

        Args:
            data: metrics by name. Numbers, strings, bools, None, lists, NumPy scalars, small arrays and tensors, and
                treering media; nested dicts become `a/b`. Copied before this returns.
            step: the row's step, any 64-bit integer; may repeat and go back. Default: the last one plus 1, first 0.
            commit: False keeps the values back for the next row, as in W&B.
            time_s: seconds since 1970; default now.

        Raises:
            UnsupportedValue: a value that no column can hold; the text names its key and the fix. Nothing is logged.
            UsageError: a step that is not an integer of 64 bits.
        """
        with self._lock:
            if self._busy:
                self._log_later(data, step, time_s)
                return
            if self._deferred:
                self._catch_up()
            self._busy = True
            time_ns = time.time_ns() if time_s is None else nanoseconds(time_s)
            row = self._row
            try:
                if type(data) is not dict or commit is not None or self._pending:  # pyright: ignore[reportUnknownArgumentType]  # forgets data's type
                    whole = self._complete(data, step, commit)  # pyright: ignore[reportUnknownArgumentType]  # a type test forgets it
                    if whole is None:
                        return
                    data = whole
                if step is None:
                    step = self._step
                elif type(step) is not int or not _FIRST_STEP <= step <= _LAST_STEP:
                    step = checked_step(step)
                # First, since Ctrl-C may come right behind `append`: a number must not be given twice.
                self._row = row + 1
                self._append(encode_fast((0, row, step, time_ns, data)))
                self._step = step + 1
            except Exception as error:  # sorted out there
                self._row = row
                self._log_again(error, data, step, time_ns)  # pyright: ignore[reportUnknownArgumentType]  # a type test forgets it
            finally:
                self._busy = False
                if self._deferred:
                    self._catch_up()

    def _log_later(self, data: object, step: int | None, time_s: float | None) -> None:
        """Take a row from a signal handler or a finaliser that came while this very thread is logging."""
        time_ns = time.time_ns() if time_s is None else nanoseconds(time_s)
        raw = msgspec.Raw(encode_logged(checked_data(data)))
        step = None if step is None else checked_step(step)
        self._deferred.append(lambda: self._put_row(raw, step, time_ns))

    def _catch_up(self) -> None:
        """Do what had to wait, in order; the caller holds the lock."""
        while self._deferred:
            self._busy = True
            try:
                while self._deferred:
                    self._deferred.popleft()()
            finally:
                self._busy = False

    def _write(self, write: Callable[[], None]) -> None:
        """Call `write`, or, when this thread is interrupted in the middle of writing, right after that."""
        with self._lock:
            if self._busy:
                self._deferred.append(write)
                return
            self._catch_up()
            self._busy = True
            try:
                write()
            finally:
                self._busy = False
                if self._deferred:
                    self._catch_up()

    def _complete(self, data: object, step: int | None, commit: bool | None) -> dict[str, Any] | None:
        """Return the whole row that `data` ends, or None when it does not."""
        data = checked_data(data)
        if commit is False:
            if step is not None:
                self._step = checked_step(step)
            self._pending.update({key: msgspec.Raw(encode_logged(value, key)) for key, value in data.items()})
            return None
        data, self._pending = {**self._pending, **data}, {}
        return data

    def _log_again(self, error: Exception, data: object, step: int | None, time_ns: int) -> None:
        """Log what the short way could not take, or say what is wrong with it."""
        if isinstance(error, UsageError):
            raise error
        if isinstance(error, JournalFull):
            self._drop_row(error, step)
            return
        if not isinstance(error, JournalClosed):
            data = msgspec.Raw(encode_logged(data))
        self._put_row(data, step, time_ns)

    def _drop_row(self, error: OSError, step: int | None) -> None:
        # First, as the warning may be an exception. The step counts what was logged, kept or not.
        self._step = (self._step if step is None else step) + 1
        self._recording.drop_row(error)

    def _put_row(self, data: object, step: int | None, time_ns: int) -> None:
        step = self._step if step is None else step
        try:
            self._append(encode_fast((0, self._row, step, time_ns, data)))
        except JournalFull as error:
            self._drop_row(error, step)
        except JournalClosed:
            try:
                self._put_late_row(data, step, time_ns)
            except Exception:
                if not sys.is_finalizing():  # else there is not enough left of Python to say anything
                    raise
        else:
            self._row += 1
            self._step = step + 1

    @abstractmethod
    def _put_late_row(self, data: object, step: int, time_ns: int) -> None:
        """Take a row that comes after the end; the caller holds the lock and is busy."""

    @abstractmethod
    def _reopen(self) -> None:
        """Go on after the end; the caller holds the lock and is busy."""

    def log_beside(self, data: Mapping[str, Any], step: int, time_ns: int) -> None:
        """Append a row to the history that automatic steps do not count; for watchers, whose rows may come late."""
        if self._recording.inert:
            return
        raw = msgspec.Raw(encode_logged(data))

        def put() -> None:
            with contextlib.suppress(JournalClosed):  # ended runs take none
                try:
                    self._append(encode_fast((records.HISTORY, self._row, step, time_ns, raw)))
                    self._row += 1
                    self._beside = self._row, step
                except JournalFull as error:
                    self._recording.drop_row(error)

        self._write(put)

    def log_stream(self, stream: int, data: Mapping[str, Any]) -> None:
        """Append a row to a stream other than the history; for treering's own observers."""
        if self._recording.inert:
            return
        time_ns, raw = time.time_ns(), msgspec.Raw(encode_logged(data))

        def put() -> None:
            row = self._rows[stream]
            with contextlib.suppress(JournalFull, JournalClosed):  # its loss is not worth a word; ended runs take none
                self._append(encode_fast((stream, row, max(self._step - 1, 0), time_ns, raw)))
                self._rows[stream] = row + 1

        self._write(put)

    def operate(self, name: str, fields: Mapping[str, Any], *, late: bool = True) -> None:
        """Write an operation; one that is not `late` has no say once the run has ended."""
        if self._recording.inert:
            return
        record = records.write_operation(name, fields)

        def put() -> None:
            try:
                self._append(record)
            except JournalFull as error:
                self._recording.drop_row(error)
            except JournalClosed:
                if late and not self._recording.inert:
                    self._reopen()
                    self._append(record)

        self._write(put)


def checked_data(data: object) -> Mapping[str, object]:
    if not isinstance(data, Mapping):
        raise UsageError(
            f"log() got {type(data).__name__}; it takes a mapping of names to values, such as {{'loss': 0.1}}"
        )
    return cast("Mapping[str, object]", data)


def nanoseconds(time_s: float) -> int:
    try:
        return round(time_s * 1e6) * 1000
    except (TypeError, ValueError, OverflowError):
        raise UsageError(f"log() got time_s={time_s!r}; it takes seconds since 1970") from None


def checked_step(step: object) -> int:
    try:
        number = operator.index(step)  # type: ignore[arg-type]  # what it is for
    except TypeError:
        if isinstance(step, float) and step.is_integer():
            number = int(step)
        else:
            raise UsageError(
                f"log() got step={step!r}; a step is an integer. Log a fraction as a metric and draw over it with "
                "define_metric(name, x=...)"
            ) from None
    if not _FIRST_STEP <= number <= _LAST_STEP:
        raise UsageError(f"log() got step={number}; a step is an integer of 64 bits")
    return number
