"""What is recorded beside the rows: console, environment, code, and the machine's load."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable, Generator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from treering.capture.console import Console
    from treering.settings import Settings

__all__ = ["Observer"]

# What is looked at here can wait until the program, which has the same interpreter, has come back from `init`.
_PATIENCE_S = 0.1

Emit = Callable[[Mapping[str, Any]], None]
Warn = Callable[[str, BaseException], None]


class Observer:
    """Watches one process for one run.

    Args:
        settings: what to watch.
        folder: of the store, whose disk is measured.
        emit_console, emit_system: take rows of these streams.
        emit_capture: takes parts of the run's `capture` as they become known.
        warn: told once of each kind of trouble; none of it stops anything else.
    """

    def __init__(
        self, settings: Settings, folder: Path, *, emit_console: Emit, emit_system: Emit, emit_capture: Emit, warn: Warn
    ) -> None:
        self._settings = settings
        self._folder = folder
        self._emit_console = emit_console
        self._emit_system = emit_system
        self._emit_capture = emit_capture
        self._warn = warn
        self._console: Console | None = None
        self._cells = 0
        self._stopped = threading.Event()
        self._captured = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="treering-observer", daemon=True)

    def start(self) -> None:
        """Begin; the console from now on, the rest on a thread of its own."""
        if self._settings.console:
            with self._guarded("recording the console"):
                from treering.capture.console import Console

                self._console = Console(self._emit_console)
                self._console.start()
        self._thread.start()

    @contextlib.contextmanager
    def _guarded(self, doing: str) -> Generator[None]:
        try:
            yield
        except Exception as error:
            self._warn(doing, error)

    def tick(self) -> None:
        """Let the console write down lines that change in place; called about once a second."""
        if self._console is not None:
            self._console.tick()

    def stop(self) -> None:
        """End; waits a little for what is known only once (environment, code)."""
        self._stopped.set()
        self._captured.wait(5.0)
        self._update_cells()
        if self._console is not None:
            self._console.stop()
            self._console = None

    def forget(self) -> None:
        """In a forked child: let the child's output alone."""
        self._stopped.set()
        if self._console is not None:
            self._console.forget()
            self._console = None

    def _watch(self) -> None:
        self._stopped.wait(_PATIENCE_S)
        self._capture()
        self._captured.set()
        with self._guarded("measuring the machine"):
            self._sample()

    def _sample(self) -> None:
        interval_s = self._settings.system_interval_s
        if interval_s <= 0 or self._stopped.is_set():
            return
        from treering.capture.system import SystemSampler

        sampler = SystemSampler(self._folder)
        while True:
            self._update_cells()
            sample = sampler.sample()
            if sample:
                self._emit_system(sample)
            if self._stopped.wait(interval_s):
                return

    def _update_cells(self) -> None:
        """Record a notebook's cells again when more of them have been run."""
        if not self._settings.capture_source or "IPython" not in sys.modules:
            return
        with self._guarded("reading the notebook's cells"):
            from treering.capture import notebook, source

            cells = notebook.cells()
            if cells is not None and len(cells) != self._cells:
                self._cells = len(cells)
                self._emit_capture({"source": source.snapshot()})

    def _capture(self) -> None:
        settings = self._settings
        if settings.capture_environment:
            with self._guarded("looking at the environment"):
                from treering.capture import environment

                self._emit_capture({"environment": environment.snapshot()})
        if settings.capture_source:
            with self._guarded("reading the program's source"):
                from treering.capture import source

                self._emit_capture({"source": source.snapshot()})
        if settings.capture_git:
            with self._guarded("asking git"):
                from treering.capture import git

                self._emit_capture({"git": git.snapshot()})
