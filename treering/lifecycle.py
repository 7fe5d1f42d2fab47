"""How the end of a process reaches its runs: exceptions, signals, exit, forks and notebook cells.

Everything here is added to what is there and undone with the last run. What cannot be heard (SIGKILL, power) is seen
later by whoever opens the store: the run's lease is free and its journal still there.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any, Protocol

from treering.failures import remember, state_after

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType, TracebackType

__all__ = ["Watched", "forget", "is_exiting", "live_runs", "watch"]

#: Signals that end or warn a job, and what a run is then.
_SIGNALS = {"SIGTERM": "preempted", "SIGUSR1": "preempted", "SIGUSR2": "preempted", "SIGHUP": "interrupted"}
#: How long a dying process waits for its last rows; schedulers kill 10 to 30 s after the warning.
SIGNAL_TIMEOUT_S = 5.0


class Watched(Protocol):
    """What this module asks of a run."""

    @property
    def state(self) -> str:
        """See `Run.state`."""
        ...

    def mark(self, state: str, error: BaseException | str | None = None) -> None:
        """See `Run.mark`."""

    def finish(self) -> None:
        """See `Run.finish`."""

    def signalled(self, state: str, name: str, *, dying: bool, timeout_s: float) -> None:
        """See `Run.signalled`."""

    def become_inert(self) -> None:
        """See `Run.become_inert`."""

    def log_event(self, kind: str, message: str = "", *, level: str = "info", **fields: object) -> None:
        """See `Run.log_event`."""


_live: list[tuple[Watched, int]] = []
_previous_signals: dict[int, Any] = {}
_installed: _Hooks | None = None
_exiting = False


def live_runs() -> list[Watched]:
    """Return the runs of this process that have not ended, oldest first."""
    return [run for run, _ in _live]


def is_exiting() -> bool:
    """Tell whether the interpreter is past the point where it ends the runs that are still open."""
    return _exiting or sys.is_finalizing()


def watch(run: Watched) -> None:
    """Look after a run until it is forgotten."""
    global _installed  # one set of hooks for the process
    if all(other is not run for other, _ in _live):
        _live.append((run, threading.get_ident()))
    if _installed is None:
        _installed = _Hooks()
    # The newest run may be opened on the main thread after the hooks went in from another.
    _install_signals()


def forget(run: Watched) -> None:
    """Stop looking after a run that has ended."""
    global _installed  # one set of hooks for the process
    _live[:] = [entry for entry in _live if entry[0] is not run]
    if not _live and _installed is not None:
        _installed.remove()
        _installed = None
        _remove_signals()


class _Hooks:
    """The hooks of exceptions, exit and notebook cells, in front of those that were there."""

    def __init__(self) -> None:
        self._pid = os.getpid()
        self._interrupted = False
        self._excepthook = sys.excepthook
        self._thread_hook = threading.excepthook
        sys.excepthook = self._on_exception
        threading.excepthook = self._on_thread_exception
        atexit.register(self._at_exit)
        self._cells = _Cells.of_session()

    def remove(self) -> None:
        # Somebody may have put a hook in front of ours; taking ours out would take theirs out as well.
        if sys.excepthook == self._on_exception:
            sys.excepthook = self._excepthook
        if threading.excepthook == self._on_thread_exception:
            threading.excepthook = self._thread_hook
        atexit.unregister(self._at_exit)
        if self._cells is not None:
            self._cells.remove()

    def _on_exception(self, kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
        for run in live_runs():
            with contextlib.suppress(Exception):
                run.mark(state_after(error), error)
        self._interrupted = isinstance(error, KeyboardInterrupt) and not hasattr(sys, "ps1")
        self._excepthook(kind, error, traceback)

    def _on_thread_exception(self, arguments: threading.ExceptHookArgs) -> None:
        error = arguments.exc_value
        if error is not None:
            for run, thread in _live:
                with contextlib.suppress(Exception):
                    if thread == threading.get_ident():
                        run.mark(state_after(error), error)
                    else:
                        name = arguments.thread.name if arguments.thread else "?"
                        run.log_event("thread failed", f"{type(error).__name__}: {error}", level="error", thread=name)
        self._thread_hook(arguments)

    def _at_exit(self) -> None:
        global _exiting  # one end for the process
        if os.getpid() != self._pid:
            return
        for run in live_runs():
            with contextlib.suppress(Exception):
                run.finish()
        _exiting = True
        if self._interrupted:
            # Python ends by SIGINT, as a shell expects, unless anything was compiled since the interrupt: imports that
            # were due to the last rows. This is how it learns of an unhandled interrupt, so it learns of it again.
            with contextlib.suppress(KeyboardInterrupt):
                exec("raise KeyboardInterrupt")  # noqa: S102  # a constant


# -- signals ----------------------------------------------------------------------------------------------------------


def _install_signals() -> None:
    if threading.current_thread() is not threading.main_thread():
        return
    for name in _SIGNALS:
        number = getattr(signal, name, None)
        if number is None:
            continue
        previous = signal.getsignal(number)
        # Ours, or behind a handler that came later; a framework that has put back what it found took ours out.
        if number in _previous_signals and previous != signal.SIG_DFL:
            continue
        # None: set from C (faulthandler); ignored signals stay ignored (nohup).
        if previous is None or previous == signal.SIG_IGN:
            continue
        signal.signal(number, _on_signal)
        _previous_signals[number] = previous


def _remove_signals() -> None:
    if threading.current_thread() is not threading.main_thread():
        return  # they only pass signals on now
    for number, previous in list(_previous_signals.items()):
        if signal.getsignal(number) is _on_signal:
            signal.signal(number, previous)
        del _previous_signals[number]


def _on_signal(number: int, frame: FrameType | None) -> None:
    previous = _previous_signals.get(number, signal.SIG_DFL)
    # Called by a handler in front of ours, it is for that one to say what becomes of the process: Lightning's lets the
    # batch end.
    dying = previous == signal.SIG_DFL and signal.getsignal(number) is _on_signal
    name = signal.Signals(number).name
    for run in live_runs():
        with contextlib.suppress(Exception):
            run.signalled(_SIGNALS[name], name, dying=dying, timeout_s=SIGNAL_TIMEOUT_S)
    if dying:
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    elif callable(previous):
        try:
            previous(number, frame)
        except BaseException as error:
            remember(error, _SIGNALS[name])
            raise


# -- forks ------------------------------------------------------------------------------------------------------------


def _in_forked_child() -> None:
    global _installed  # one set of hooks for the process
    for run in live_runs():
        run.become_inert()
    _live.clear()
    if _installed is not None:
        _installed.remove()
        _installed = None
        _remove_signals()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_forked_child)


# -- notebooks --------------------------------------------------------------------------------------------------------


class _Cells:
    """Failing notebook cells: they mark the runs that are live, and a later cell that goes on with one unmarks it."""

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._failed: list[Watched] = []
        shell.events.register("post_run_cell", self._after_cell)

    @classmethod
    def of_session(cls) -> _Cells | None:
        """Return the watch over this IPython session, or None where there is none."""
        get_ipython: Callable[[], Any] | None = getattr(sys.modules.get("IPython"), "get_ipython", None)
        shell = get_ipython() if get_ipython is not None else None
        return cls(shell) if shell is not None else None

    def remove(self) -> None:
        with contextlib.suppress(ValueError):
            self._shell.events.unregister("post_run_cell", self._after_cell)

    def _after_cell(self, result: Any) -> None:
        error = result.error_in_exec
        for run in live_runs():
            if error is not None and run.state == "running":
                run.mark(state_after(error), error)
                self._failed.append(run)
            elif error is None and run in self._failed:
                run.mark("running")
                self._failed.remove(run)
