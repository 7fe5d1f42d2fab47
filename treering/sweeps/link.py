"""A trial's run: the trial's parameters in its config, its metric reported, and the order to stop obeyed.

Reporting and asking happen on a thread of their own; `log` looks at one flag.
"""

from __future__ import annotations

import contextlib
import math
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import msgspec

from treering._run import Run
from treering.errors import TreeringError
from treering.sweeps.calls import Calls
from treering.sweeps.opening import is_server, open_sweeps
from treering.sweeps.records import Result

if TYPE_CHECKING:
    from collections.abc import Mapping

    from treering.recording import Recording, Start
    from treering.sweeps.records import Curve
    from treering.sweeps.store import Sweeps
    from treering.sweeps.ticket import Ticket

__all__ = ["TrialRun", "TrialStopped"]

_PATIENCE_S = 10.0


class TrialStopped(SystemExit):
    """Ends a training whose trial is not worth going on with; raised by `log`, where nobody asks `should_stop`.

    As a `SystemExit` it passes `except Exception`, and ends a program quietly and with success.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(0)
        self.reason = reason

    def __str__(self) -> str:
        return f"the sweep stopped this trial: {self.reason}"


class TrialRun(Run):
    """A run of a sweep; as any other, but that `log` may end the training."""

    def __init__(self, recording: Recording, ticket: Ticket) -> None:
        super().__init__(recording)
        self.in_sweep = True
        self._link = Link(self, ticket)
        self._asked = False

    def take_over(self, params: Mapping[str, Any]) -> None:
        """Begin as the trial: its parameters win over what the program sets."""
        self._config.lock(dict(params))
        self._link.start(self._recording.start)
        self._recording.accompany(self._link)

    @property
    def should_stop(self) -> bool:
        """Whether the sweep wants this training to end; whoever asks ends it in his own way, and `log` never does."""
        self._asked = True
        return self._link.stop_wanted

    def log(
        self,
        data: Mapping[str, object],
        step: int | None = None,
        commit: bool | None = None,
        *,
        time_s: float | None = None,
    ) -> None:
        """See `Run.log`.

        Raises:
            TrialStopped: the sweep wants this training to end, and nothing else in it asks for that.
        """
        super().log(data, step, commit, time_s=time_s)
        link = self._link
        link.note(data, self._step if self._pending else self._step - 1)
        if link.stop_wanted and not self._asked and not self.ended:
            raise TrialStopped(link.reason)

    def rewind(self, step: int) -> None:
        """See `Run.rewind`; calls of `log` that are made again count once."""
        super().rewind(step)
        self._link.rewind(step)


class _Earlier(NamedTuple):
    """Earlier attempts of a run, and the step at which the present one began."""

    folder: Path
    run_id: str
    next_step: int


class Link:
    """Reports what a run logs of the sweep's metric, and hears the answer.

    Args:
        run: of the trial.
        ticket: says where to report.
    """

    def __init__(self, run: Run, ticket: Ticket) -> None:
        self._run = run
        self._ticket = ticket
        self._path = ticket.metric.replace("/", ".").split(".")
        self._names = {ticket.metric, ticket.metric.replace(".", "/")}
        self._calls = Calls(ticket.count, frozenset(ticket.bands))
        self._heard: list[tuple[int, float | None]] = []  # (step, value); no value: back to that step
        self._earlier: _Earlier | None = None
        self._points: Curve = []
        self._lock = threading.Lock()
        self._turn = threading.Lock()
        self._ended = threading.Event()
        self._opened = contextlib.ExitStack()
        self._sweeps: Sweeps | None = None
        self._thread = threading.Thread(target=self._work, name="treering-sweep", daemon=True)
        self.stop_wanted = False
        self.reason = ""

    def start(self, recording: Start) -> None:
        """Begin to report, at the count of the calls that this attempt does not repeat."""
        if recording.attempt > 1 and self._ticket.metric:
            self._earlier = _Earlier(recording.folder, recording.id, recording.next_step)
        self._thread.start()

    def note(self, data: Mapping[str, object], step: int) -> None:
        """Take the metric out of a row that was logged."""
        value = self._value(data)
        if value is not None:
            with self._lock:
                self._heard.append((step, value))

    def rewind(self, step: int) -> None:
        """Forget the calls beyond a step, where the training goes back to."""
        with self._lock:
            self._heard.append((step, None))

    def _count(self) -> None:
        """Count what was heard, behind what earlier attempts logged."""
        if self._earlier is not None:
            logged = self._logged(self._earlier)
            if logged is not None:
                self._points = self._calls.recall(logged, self._ticket.count)
            self._earlier = None
        with self._lock:
            heard, self._heard = self._heard, []
        for step, value in heard:
            if value is None:
                count = self._calls.rewind(step)
                self._points = [point for point in self._points if point[0] <= count]
            elif self._calls.note(step):
                self._points.append((self._calls.count, value))

    def _logged(self, earlier: _Earlier) -> list[tuple[int, float]] | None:
        """Return (step, value) of the metric as earlier attempts logged it; None where nobody has their rows."""
        from treering.api import Api

        # A run that came from a server comes without its rows: they are there.
        places: list[dict[str, Any]] = [{"dir": earlier.folder}]
        if is_server(self._ticket.place):
            places.append({"url": self._ticket.place})
        for place in places:
            with Api(**place) as api:
                run = api.run(earlier.run_id)
                name = next((name for name in self._names if name in run.keys()), None)  # noqa: SIM118  # no dictionary
                if name is not None:
                    return [(int(step), float(value)) for step, value in run.history(name) if step < earlier.next_step]
        return None

    def _value(self, data: Mapping[str, object]) -> float | None:
        for name in self._names:
            if name in data:
                return _number(data[name])
        found: object = data
        for part in self._path:
            if not isinstance(found, dict) or part not in found:
                return None
            found = cast("Any", found)[part]
        return _number(found)

    def _work(self) -> None:
        while not self._ended.wait(self._ticket.interval_s):
            self._report_or_wait()

    def _report_or_wait(self) -> None:
        if not self._turn.acquire(timeout=_PATIENCE_S):  # it is being told, and takes long
            return
        try:
            with contextlib.suppress(TreeringError, OSError):  # told again next time; the store may be away for a while
                self._report()
        finally:
            self._turn.release()

    def _report(self) -> None:
        self._count()
        points, self._points = self._points, []
        if not points:
            return
        try:
            if self._sweeps is None:  # kept, since it remembers the other trials
                self._sweeps = self._opened.enter_context(open_sweeps(self._ticket.place))
            orders = self._sweeps.report(self._ticket.key, points)
        except BaseException:
            self._points = [*points, *self._points]
            raise
        self._ticket.orders = orders
        if orders.order and not self.stop_wanted:
            self.reason = orders.reason or ("it was cancelled" if orders.order == "cancel" else "stopped early")
            self._run.log_event("stopped_early", self.reason, order=orders.order)
            self.stop_wanted = True

    def stop(self) -> None:
        """Report the rest, and leave the result for the agent."""
        self._ended.set()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(_PATIENCE_S)
        self._report_or_wait()
        if self._earlier is not None:  # they cannot be read: the count of what was reported serves as well
            self._earlier = None
            self._report_or_wait()
        with contextlib.suppress(TreeringError):
            self._opened.close()
        self._sweeps = None
        state = "failed" if self._run.state == "failed" else "finished"
        self._ticket.result = Result(state, _numbers(dict(self._run.summary)))
        if self._ticket.result_path:
            path = Path(self._ticket.result_path)
            with contextlib.suppress(OSError):  # the agent and its folder are gone
                path.write_bytes(msgspec.msgpack.encode(self._ticket.result))

    def forget(self) -> None:
        """In a forked child: report nothing."""
        self._ended.set()


def _number(value: object) -> float | None:
    try:
        return float(cast("Any", value))
    except (TypeError, ValueError, OverflowError):
        return None


def _numbers(summary: Mapping[str, Any], prefix: str = "") -> dict[str, float]:
    """Return the numbers of a summary; of one with several (min, max, ...) each under its own name."""
    found: dict[str, float] = {}
    for key, value in summary.items():
        if isinstance(value, dict):
            found |= _numbers(cast("dict[str, Any]", value), f"{prefix}{key}/")
        elif isinstance(value, (int, float)):
            number = float(value)
            found[f"{prefix}{key}"] = number if not math.isnan(number) else math.nan
    return found
