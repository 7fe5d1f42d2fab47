"""What the program prints, as rows: one for each line, and new ones for lines that change in place.

Only the `write` of the stream objects that `sys.stdout` and `sys.stderr` are at the start is replaced, on the objects
themselves: so references taken earlier (logging handlers, progress bars) are heard too, and nothing else about the
streams changes. What is written below Python, by a C library or another process, is not heard.
"""

from __future__ import annotations

import functools
import itertools
import os
import sys
import threading
import time
import weakref
from collections import deque
from typing import TYPE_CHECKING, Any

from treering.capture import notebook
from treering.capture.terminal import Line, Screen
from treering.secrets import mask_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["Console"]

# A line that changes in place is shown again at most every second at first, then once for each 60th of its age, at most
# every 15 s: the progress bar of a day's training makes 6,000 rows and not 86,000.
_MIN_INTERVAL_S = 1.0
_MAX_INTERVAL_S = 15.0
_AGE_PARTS = 60
_MAX_HEARD = 256  # texts without a line break that may wait for the next tick
_MAX_HEARD_CHARS = 65_536


class Console:
    """Listens to standard output and standard error and emits what a terminal would show of them.

    A row is `{"line": int, "text": str, "source": "stdout" | "stderr"}`. A later row of the same line replaces the
    earlier one. A line is emitted when it ends, on the thread that ended it; a line that changes without ending (a
    progress bar, a prompt) at the next `tick`. Colours stay in the text as SGR sequences, no other control character
    does. Lines are cut at 10,000 characters, and secrets masked. Each stream has its own cursor, so that a bar on one
    and messages on the other do not mix; lines of both are numbered in the order of their beginnings.

    Args:
        emit: takes each row, on whatever thread prints, never two at once. It may print (what its thread prints
            meanwhile is not recorded) and may raise (which is counted in `failures`).
        first_line: number of the first line.
        mask: turns a line into what may be kept of it.

    Several consoles may listen at once, and end in any order. All methods may be called from any thread, any number of
    times. In a forked child a console is deaf.
    """

    def __init__(
        self, emit: Callable[[Mapping[str, Any]], None], *, first_line: int = 0, mask: Callable[[str], str] = mask_text
    ) -> None:
        self._emit = emit
        self._mask = mask
        self._numbers = itertools.count(first_line)
        self.failures = 0
        self._pid = os.getpid()
        self._heard: deque[tuple[Screen, str]] = deque()  # written, and not understood yet
        self._lock = threading.RLock()  # of the screens
        self._settling = False
        self._outbox: deque[Mapping[str, Any]] = deque()
        self._emitting = threading.Lock()  # only ever tried, never waited for
        self._emitter: int | None = None
        self._screens: dict[str, Screen] = {}
        self._taps: list[tuple[_Tap, Callable[[str], None]]] = []
        self._shell: Any = None
        _consoles.add(self)

    def start(self) -> None:
        """Listen from now on. A stream that is None, or does not let its `write` be replaced, is left alone."""
        with self._lock:
            if self._taps:
                return
            streams: dict[int, tuple[str, Any]] = {}
            for source, stream in (("stdout", sys.stdout), ("stderr", sys.stderr)):
                if stream is not None:  # None under pythonw, and in a process without a console
                    streams.setdefault(id(stream), (source, stream))
            for source, stream in streams.values():
                if source not in self._screens:
                    self._screens[source] = Screen(self._numbers.__next__, functools.partial(self._show, source))
                listener = self._listener(self._screens[source])
                tap = _listen(stream, listener)
                if tap is not None:
                    self._taps.append((tap, listener))
            self._shell = notebook.session()
            if self._shell is not None:
                self._shell.events.register("pre_run_cell", self._heal)

    def stop(self) -> None:
        """Stop listening, put the streams back as they were, and emit what has not been yet."""
        self._leave()
        if os.getpid() != self._pid:  # a forked child: its locks may be held by threads that it does not have
            return
        self._settle(shows=_all)
        deadline = time.monotonic() + 2.0
        while self._emitting.locked() and self._emitter != threading.get_ident() and time.monotonic() < deadline:
            time.sleep(0.001)  # another thread is emitting the rest

    def tick(self) -> None:
        """Emit lines that changed in place; to be called about once a second."""
        self._heal()
        self._settle(shows=_due)

    def _heal(self, *_event: object) -> None:
        for tap, _ in self._taps:
            tap.heal()

    def forget(self) -> None:
        """In a forked child: hear nothing, and let go of locks that threads of the parent may hold."""
        self._lock, self._emitting = threading.RLock(), threading.Lock()
        self._heard.clear()
        self._outbox.clear()
        self._leave()

    def _leave(self) -> None:
        taps, self._taps = self._taps, []
        for tap, listener in taps:
            tap.remove(listener)
        shell, self._shell = self._shell, None
        if shell is not None:
            try:
                shell.events.unregister("pre_run_cell", self._heal)
            except Exception:  # gone already
                return

    def _listener(self, screen: Screen) -> Callable[[str], None]:
        """What a stream's `write` calls. It costs 0.2 us until a line ends, and 2 us then."""
        heard = self._heard

        def hear(text: str) -> None:
            # `emit` prints: to record that would never end.
            if self._emitting.locked() and self._emitter == threading.get_ident():
                return
            heard.append((screen, text))
            if "\n" in text or len(heard) > _MAX_HEARD or len(text) > _MAX_HEARD_CHARS:
                self._settle()

        return hear

    def _settle(self, shows: Callable[[Line], bool] | None = None) -> None:
        """Bring the screens up to date, and emit the lines that ended and those that `shows` chooses."""
        try:
            with self._lock:
                if self._settling:  # a signal handler or a finaliser prints while this thread is in here
                    return
                self._settling = True
                try:
                    heard = self._heard
                    while heard:
                        screen, text = heard.popleft()
                        screen.write(text)
                    if shows is not None:
                        self._show_changed(shows)
                finally:
                    self._settling = False
            if self._outbox:
                self._send()
        except Exception:  # never the program's problem
            self.failures += 1

    def _show_changed(self, shows: Callable[[Line], bool]) -> None:
        for source, screen in self._screens.items():
            for line in screen.changed_lines():
                if shows(line):
                    self._show(source, line)

    def _show(self, source: str, line: Line) -> None:
        """Put a line where `_send` finds it. Called with the lock held."""
        text = self._mask(line.render())
        line.changed = False
        if text == line.shown:
            return
        now_s = time.monotonic()
        if line.shown is None:
            line.born_at_s = now_s
        line.shown = text
        line.shown_at_s = now_s
        self._outbox.append({"line": line.number, "text": text, "source": source})

    def _send(self) -> None:
        """Emit in order, one thread at a time. Not under the lock: `emit` may wait for one whose holder prints."""
        outbox, emit = self._outbox, self._emit
        while outbox and self._emitting.acquire(blocking=False):  # else whoever holds it sends these rows too
            try:
                self._emitter = threading.get_ident()
                while outbox:
                    try:
                        emit(outbox.popleft())
                    except Exception:  # whoever takes the rows has told its own trouble
                        self.failures += 1
            finally:
                self._emitting.release()


def _all(_line: Line) -> bool:
    return True


def _due(line: Line) -> bool:
    if line.shown is None:
        return True
    now_s = time.monotonic()
    interval_s = min(max((now_s - line.born_at_s) / _AGE_PARTS, _MIN_INTERVAL_S), _MAX_INTERVAL_S)
    return now_s - line.shown_at_s >= interval_s * 0.9  # ticks are not exact


class _Tap:
    """The `write` of one stream, heard by any number of listeners."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream
        self.listeners: tuple[Callable[[str], None], ...] = ()
        self._reached = False
        self._install()

    def _install(self) -> None:
        self._had_own = "write" in getattr(self.stream, "__dict__", {})
        self._original = original = self.stream.write

        def write(text: str, /) -> Any:
            written = original(text)
            if self.write is write:  # else an earlier one of ours, that somebody has put back
                if text:
                    for listen in self.listeners:
                        listen(text)
                else:
                    self._reached = True
            return written

        self.write = write
        self.stream.write = write

    def heal(self) -> None:
        """Listen again where somebody has replaced `write` after us and does not call ours, or has put theirs back.

        IPython does the second at the end of each cell: so a console that is started in a cell would be deaf in the
        next one.
        """
        if getattr(self.stream, "write", None) is self.write:
            return
        self._reached = False
        try:
            self.stream.write("")  # does it still come by?
            if not self._reached:
                self._install()
        except Exception:  # closed, say
            return

    def remove(self, listener: Callable[[str], None]) -> None:
        self.listeners = tuple(one for one in self.listeners if one is not listener)
        if self.listeners:
            return
        if _taps.get(id(self.stream)) is self:
            del _taps[id(self.stream)]
        # Where somebody has replaced `write` after us, theirs calls ours: it stays, and passes everything on.
        if getattr(self.stream, "write", None) is self.write:
            if self._had_own:
                self.stream.write = self._original
            else:
                del self.stream.write


_taps: dict[int, _Tap] = {}
_taps_lock = threading.Lock()
_consoles: weakref.WeakSet[Console] = weakref.WeakSet()


def _listen(stream: Any, listener: Callable[[str], None]) -> _Tap | None:
    with _taps_lock:
        tap = _taps.get(id(stream))
        try:
            if tap is None:
                tap = _taps[id(stream)] = _Tap(stream)
            else:
                tap.heal()
        except Exception:  # a stream without attributes of its own
            return None
        tap.listeners = (*tap.listeners, listener)
        return tap


def _in_forked_child() -> None:
    global _taps_lock
    _taps_lock = threading.Lock()
    for console in list(_consoles):
        console.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_forked_child)
