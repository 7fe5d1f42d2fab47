"""The run: the face that a training sees.

The module's name begins with an underscore because `treering.run` is the active run.
"""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING, Any

from treering import failures, lifecycle, records
from treering._rows import checked_step
from treering.errors import UsageError
from treering.files import Keeping
from treering.journal import JournalFull
from treering.metrics import parse_definition
from treering.recording import Companion, Recording, Start
from treering.values import Config, Summary
from treering.watching import Watching

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import timedelta
    from pathlib import Path
    from types import TracebackType

    from typing_extensions import Self

__all__ = ["Run"]

# How long an end that found no room in the journal waits for the store.
_END_TIMEOUT_S = 30.0
_LOCK_TIMEOUT_S = 1.0
_LEVELS = ("info", "warn", "error")


class Run(Watching, Keeping):
    """One training as it is recorded; `treering.init` makes it.

    All methods may be called from any thread. None raises for trouble around the training (disk, store); all raise
    for a mistake in the call, with the fix in the text. In a process forked off the one that made the run, every call
    does nothing.
    """

    def __init__(self, recording: Recording) -> None:
        super().__init__(recording)
        start = recording.start
        self.id = start.id
        self.project = start.project
        self._config = Config(dict(start.config), recording.config_of, self._config_changed)
        self._summary = Summary(self._read_summary, self._summary_changed)
        self._alerts_after_s: dict[str, float] = {}

    def _put_late_row(self, data: object, step: int, time_ns: int) -> None:
        recording = self._recording
        if recording.inert:
            return
        recording.warn_once(
            "log() after finish()",
            f"log() was called after run {self.id} had finished; the run is open again. Call finish() after the last "
            "log().",
        )
        state, failure = recording.state, recording.failure
        try:
            self._reopen()
        except OSError as error:
            self._drop_row(error, step)
            return
        self._put_row(data, step, time_ns)
        if lifecycle.is_exiting():
            # Nobody will call `finish` any more.
            recording.state, recording.failure = state, failure
            self._busy = False
            self.finish()

    def _reopen(self) -> None:
        """Go on after the end; the caller holds the lock and is busy."""
        self._journal = self._recording.reopen()
        self._append = self._journal.append
        self._append(records.write_operation("reopen", {}))
        lifecycle.watch(self)

    def log_event(self, kind: str, message: str = "", *, level: str = "info", **fields: object) -> None:
        """Record that something happened: one row in the stream `events`.

        Args:
            kind: what, in a word or two ("nan", "alert", "learning rate drop").
            message: for people.
            level: "info", "warn" or "error".
            **fields: plain data that belongs to it.
        """
        if level not in _LEVELS:
            raise UsageError(f"log_event() got level={level!r}; it takes {', '.join(_LEVELS)}")
        event = {"kind": kind, "message": message, "level": level, **fields}
        plain = self._recording.to_plain(event)
        # Plain data of a dict is no dict only where the stack is at its end.
        self.log_stream(records.EVENTS, plain if isinstance(plain, dict) else {"kind": kind, "message": message})  # pyright: ignore[reportUnknownArgumentType]  # a type test forgets it

    def alert(
        self, title: str, text: str = "", level: str = "info", wait_duration: float | timedelta | None = None
    ) -> None:
        """Tell people something: an event of kind "alert", which a dashboard shows and `alerts.toml` sends on.

        Args:
            title: in a few words.
            text: all of it.
            level: "info", "warn" or "error".
            wait_duration: seconds in which the same title is not told again.

        Raises:
            UsageError: there is no such level.
        """
        if wait_duration is not None:
            wait_s = wait_duration if isinstance(wait_duration, (int, float)) else wait_duration.total_seconds()
            now_s = time.monotonic()
            if now_s < self._alerts_after_s.get(title, 0.0):
                return
            self._alerts_after_s[title] = now_s + wait_s
        self.log_event("alert", text or title, level=getattr(level, "value", level).lower(), title=title)

    def mark_preempting(self) -> None:
        """Note that this machine will be taken away; a run that is then killed is "preempted" anyhow."""
        self.log_event("preempting", "the machine will be taken away")

    def define_metric(
        self,
        name: str,
        x: str | None = None,
        *,
        summary: str | Sequence[str] | None = None,
        goal: str | None = None,
        hidden: bool = False,
        step_metric: str | None = None,
        **_options: object,
    ) -> None:
        """Say how a metric is to be read.

        Args:
            name: its key, or a glob such as "val/*".
            x: key of the metric to draw it over; default the step.
            summary: what of it the summary shows: last, first, min, max, mean, best, copy, none; several as a list.
            goal: "minimize" or "maximize", for `best`.
            hidden: do not draw it by itself.
            step_metric: another word for `x`, as in W&B.
        """
        definition = parse_definition(name, x or step_metric, summary, goal, hidden=hidden)
        fields = {"name": name, "x": definition.x, "summary": definition.summary, "goal": goal, "hidden": hidden}
        self.operate("define", fields)

    # -- what the run is about ----------------------------------------------------------------------------------------

    @property
    def config(self) -> Config:
        """The run's configuration."""
        return self._config

    @property
    def summary(self) -> Summary:
        """What its metrics came to."""
        return self._summary

    @property
    def name(self) -> str:
        """Name for people; may be set."""
        return self._recording.start.name

    @name.setter
    def name(self, name: str) -> None:
        self._set(name=str(name))

    @property
    def notes(self) -> str | None:
        """Longer description; may be set."""
        return self._recording.start.notes

    @notes.setter
    def notes(self, notes: str | None) -> None:
        self._set(notes=None if notes is None else str(notes))

    @property
    def tags(self) -> tuple[str, ...]:
        """Its tags; may be set to any iterable of strings."""
        return self._recording.start.tags

    @tags.setter
    def tags(self, tags: Iterable[str]) -> None:
        self._set(tags=tuple(dict.fromkeys(map(str, (tags,) if isinstance(tags, str) else tags))))

    @property
    def group(self) -> str | None:
        """Group that the run belongs to."""
        return self._recording.start.group_name

    @property
    def job_type(self) -> str | None:
        """Kind of work, such as "train" or "eval"."""
        return self._recording.start.job_type

    @property
    def mode(self) -> str:
        """Where it is recorded: "local", "online", "offline" or "disabled"."""
        return self._recording.start.mode

    @property
    def url(self) -> str | None:
        """Address of its page on the server that it is brought to; None for none."""
        server = self._recording.start.server
        if server is None:
            return None
        from urllib.parse import quote

        return f"{server.url}/{quote(self.project, safe='')}/runs/{self.id}"

    @property
    def attempt(self) -> int:
        """1, and one more with each resumption."""
        return self._recording.start.attempt

    @property
    def state(self) -> str:
        """running, finished, failed, interrupted or preempted."""
        return self._recording.state

    @property
    def ended(self) -> bool:
        """Whether `finish` was called and nothing has been logged since."""
        return self._recording.ended

    #: Whether it is a trial of a sweep.
    in_sweep = False

    @property
    def should_stop(self) -> bool:
        """Whether a sweep wants this training to end; a loop of your own may look here after each epoch."""
        return False

    @property
    def step(self) -> int:
        """The step that the next row gets when none is given."""
        return self._step

    @property
    def store_dir(self) -> Path:
        """Folder of the store."""
        return self._recording.start.folder

    @property
    def dir(self) -> str:
        """The same as text, for code written for W&B."""
        return str(self.store_dir)

    @property
    def path(self) -> str:
        """`project/id`."""
        return f"{self.project}/{self.id}"

    @property
    def entity(self) -> str:
        """W&B's word for a team; there are none here, so it is empty."""
        return ""

    def _set(self, **fields: Any) -> None:
        for name, value in fields.items():
            setattr(self._recording.start, name, value)
        self.operate("set", fields)

    def _config_changed(self, changed: dict[str, Any], deleted: list[str]) -> None:
        self.operate("config", {"set": changed, "deleted": deleted})

    def _summary_changed(self, changed: dict[str, Any]) -> None:
        plain = {
            key: value if type(value) is float else self._recording.to_plain(value) for key, value in changed.items()
        }
        self.operate("summary", {"set": plain})

    def _read_summary(self) -> dict[str, Any]:
        self._recording.flush_rows(30.0)
        return self._recording.read_summary()

    def accompany(self, companion: Companion) -> None:
        """Have something stopped before the run ends; for treering itself."""
        self._recording.accompany(companion)

    def record_capture(self, part: Mapping[str, Any]) -> None:
        """Take what the run's observer found out."""
        self.operate("set", {"capture": part}, late=False)

    # -- its life -----------------------------------------------------------------------------------------------------

    def begin(self, begin: Mapping[str, Any], config: Mapping[str, Any]) -> None:
        """Open the run; for `treering.start` alone."""
        self.operate("begin", begin)
        if config:
            self._config.update(config)
        self._recording.begin()
        lifecycle.watch(self)

    def mark(self, state: str, error: BaseException | str | None = None, step: int | None = None) -> None:
        """Say how the run goes without closing it: what callbacks call when a fit fails or is stopped.

        Args:
            state: one of running, finished, failed, interrupted, preempted; `finish` keeps it.
            error: what happened; kept with its traceback and the step.
            step: that it happened at; default the one said before with the same exception, else the last one logged.
        """
        state = failures.checked_state(state)
        failure = failures.describe(error, self._step - 1, step) if error is not None else None
        self._recording.state = state
        self._recording.failure = failure
        self.operate("state", {"state": state, "failure": failure})

    def rewind(self, step: int) -> None:
        """Go back to `step`: rows beyond it are superseded, and the next row's step is `step` + 1.

        Opens the next attempt, except in a run that was resumed and has no row of its own yet: there it says where the
        attempt that the resumption opened begins.
        """
        step = checked_step(step)
        start = self._recording.start
        with self._lock:
            is_fresh = start.attempt > 1 and self._row == start.first_row and self._recording.state == "running"
            if not (is_fresh and step < self._step):
                start.attempt += 1
                start.first_row = self._row
            fields = {
                "attempt": start.attempt,
                "first_row": self._row,
                "from_step": step + 1,
                "process": start.process,
            }
            self.operate("rewind", fields)
            self._step = step + 1

    def finish(
        self,
        state: str | int | None = None,
        error: BaseException | str | None = None,
        *,
        exit_code: int | None = None,
        **_options: object,
    ) -> None:
        """End the run and wait until all of it is in the store.

        Args:
            state: default what `mark` said last, else "finished". An exit code, as in W&B, is taken too.
            error: what ended it; implies "failed".
            exit_code: the same as an exit code for `state`.
        """
        self._end_watches()
        state = exit_code if state is None else state
        if isinstance(state, int):
            state = "finished" if state == 0 else "failed"
        if error is not None:
            self.mark(state or "failed", error)
        elif state is not None:
            self.mark(state)
        if self._pending:
            self.log({})
        self._recording.finish(self._end)
        lifecycle.forget(self)

    def _end(self, state: str, failure: Any) -> None:
        """Write the end and close the journal in one, so that no thread's row comes in between."""
        fields = {"state": state, "failure": failure}
        with self._lock:
            written = False
            if not self._busy:  # else a signal handler ends what it has interrupted in the middle of writing
                with contextlib.suppress(JournalFull):
                    self._append(records.write_operation("end", fields))
                    written = True
            self._journal.seal()
        if not written:
            self._recording.note("end", fields, _END_TIMEOUT_S)

    def signalled(self, state: str, name: str, *, dying: bool, timeout_s: float) -> None:
        """Take note of a signal; the thread it interrupted may be inside any of these methods."""
        recording = self._recording
        failure = failures.describe(f"the process got {name}", self._step - 1)
        recording.state, recording.failure = state, failure
        fields = {"state": state, "failure": failure}
        # Another thread may hold the lock while it waits for the end that the signal came in the middle of.
        if self._lock.acquire(timeout=_LOCK_TIMEOUT_S):
            try:
                self.operate("state", fields, late=False)
            finally:
                self._lock.release()
        if dying:
            recording.note("end", fields, timeout_s)

    def become_inert(self) -> None:
        """Turn this copy, in a forked child, into one whose calls do nothing."""
        self._lock = threading.RLock()
        self._busy = False
        self._deferred.clear()
        self._recording.become_inert()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        if error is None or (isinstance(error, SystemExit) and not error.code):
            self.finish()
        else:
            self.finish(failures.state_after(error), error)

    def _ipython_display_(self) -> None:
        from treering.notebook.live import show

        show(self)

    def __repr__(self) -> str:
        return f"<Run {self.name!r} ({self.path}, {self.state}, step {self._step})>"


_PLAIN = frozenset({bool, float, int, str})


class DisabledRun(Run):
    """A run that records nothing: what `mode="disabled"` gives, with the same calls."""

    def __init__(self, start: Start, config: object = None) -> None:
        recording = Recording.nothing(start)
        super().__init__(recording)
        self._last: dict[str, Any] = {}
        if config is not None:
            self._config.update(config)

    def log(
        self,
        data: Mapping[str, object],
        step: int | None = None,
        commit: bool | None = None,  # noqa: ARG002  # the signature is `Run`'s
        *,
        time_s: float | None = None,  # noqa: ARG002  # the signature is `Run`'s
    ) -> None:
        """Count the step, and remember plain values for programs that look into their summary."""
        self._step = (self._step if step is None else step) + 1
        for key, value in data.items():
            if type(value) in _PLAIN:
                self._last[key] = value

    def _summary_changed(self, changed: dict[str, Any]) -> None:
        self._last.update(changed)

    def _read_summary(self) -> dict[str, Any]:
        return dict(self._last)

    def rewind(self, step: int) -> None:
        """Set the step."""
        self._step = step + 1

    def finish(self, state: str | int | None = None, error: BaseException | str | None = None, **options: Any) -> None:
        """Keep the state."""
        super().finish(state, error, **options)
        self._recording.ended = True
        if self._recording.state == "running":
            self._recording.state = "finished"
