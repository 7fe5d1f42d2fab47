"""`treering tail`."""

from __future__ import annotations

import sys
import time
from bisect import bisect_right
from collections import deque
from typing import TYPE_CHECKING, Any

from treering.api import Api
from treering.cli import _format as fmt
from treering.cli._output import STATE_STYLES, console, is_terminal, jsonable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from treering.api import ApiRun

__all__ = ["tail_run"]

_INTERVAL_S = 0.5
# How often to look whether the process of a silent run is still there.
_RECOVER_INTERVAL_S = 5.0


def tail_run(
    name: str,
    lines: int,
    keys: list[str] | None,
    *,
    metrics: bool,
    console: bool,
    follow: bool,
    as_json: bool,
    place: str | None,
) -> None:
    """Print a run's last rows, and its new ones until it ends."""
    with Api(place) as api:
        run = api.run(name)
        streams = [
            stream for stream, wanted in (("history", metrics), ("console", console), ("events", True)) if wanted
        ]
        follower = _Follower(run, streams, keys)
        printer: _Printer = _JsonPrinter() if as_json else _TextPrinter() if not is_terminal() else _TerminalPrinter()
        printer.begin(run)
        for item in deque(follower.new(), maxlen=lines):
            printer.show(*item)
        recovered_s = time.monotonic()
        while follow and run.is_running:
            time.sleep(_INTERVAL_S)
            if time.monotonic() - recovered_s > _RECOVER_INTERVAL_S and run.source.folder is not None:
                from treering.api._sources import recover_dead

                recover_dead(run.source.folder)
                recovered_s = time.monotonic()
            run.reload()  # before the rows: what was logged before the end is then sure to be shown
            for item in follower.new():
                printer.show(*item)
        printer.end(run)


class _Follower:
    """Gives what is new in a run's streams, by time."""

    def __init__(self, run: ApiRun, streams: Iterable[str], keys: list[str] | None) -> None:
        self._run = run
        self._next = dict.fromkeys(streams, 0)
        self._keys = keys

    def new(self) -> Iterator[tuple[str, int, dict[str, Any]]]:
        """Return (stream, row number, row) of all rows since the last call, in order of time."""
        found: list[tuple[int, str, int, dict[str, Any]]] = []
        sessions = self._run.console_sessions() if "console" in self._next else []
        for stream, first_row in self._next.items():
            columns = None if stream != "history" or self._keys is None else [*self._keys, "_step", "_time"]
            for number, row in self._run.reader.scan(stream, columns, first_row=first_row):
                self._next[stream] = number + 1
                time_us = row.pop("_time", 0)
                if stream == "console":
                    row["session"] = bisect_right(sessions, time_us)
                if stream != "history" or row.keys() - {"_step"}:
                    found.append((time_us, stream, number, {**row, "_time": time_us}))
        found.sort(key=lambda item: item[0])
        return ((stream, number, row) for _, stream, number, row in found)


class _Printer:
    """Where the rows go."""

    def begin(self, run: ApiRun) -> None:
        """Say what follows."""

    def show(self, stream: str, number: int, row: dict[str, Any]) -> None:
        """Print one row."""

    def end(self, run: ApiRun) -> None:
        """Say how it ended."""


class _JsonPrinter(_Printer):
    """One JSON object a line."""

    def show(self, stream: str, number: int, row: dict[str, Any]) -> None:
        from treering.api._records import moment

        self._line({"stream": stream, "row": number, **row, "_time": moment(row["_time"])})

    def end(self, run: ApiRun) -> None:
        self._line({"stream": "state", "state": run.state, "failure": run.failure})

    def _line(self, data: dict[str, Any]) -> None:
        import json

        print(json.dumps(jsonable(data), ensure_ascii=False), flush=True)  # noqa: T201


class _TextPrinter(_Printer):
    """Plain lines; a console line is printed once it is complete, that is, when the next one comes."""

    def __init__(self) -> None:
        self._pending: tuple[tuple[int, int], str] | None = None

    def show(self, stream: str, number: int, row: dict[str, Any]) -> None:
        if stream == "console":
            place = (row["session"], row.get("line", number))
            if self._pending is not None and self._pending[0] != place:
                self.print_line(self._pending[1])
            self._pending = (place, str(row.get("text", "")))
            self.print_unfinished(self._pending[1])
            return
        self.flush()
        if stream == "history":
            step = row.pop("_step", None)
            row.pop("_time", None)
            self.print_metrics(step, row)
        else:
            title, message = row.get("title"), str(row.get("message", ""))
            text = f"{title}: {message}" if title and message else str(title or message)
            self.print_event(str(row.get("kind", "event")), text, str(row.get("level", "info")))

    def flush(self) -> None:
        """Complete the console's line."""
        if self._pending is not None:
            self.print_line(self._pending[1])
            self._pending = None

    def end(self, run: ApiRun) -> None:
        self.flush()
        self.print_state(run)

    def print_line(self, text: str) -> None:
        """Print one line of the run's output."""
        print(text, flush=True)  # noqa: T201

    def print_unfinished(self, text: str) -> None:
        """Show a line that may still change."""

    def print_metrics(self, step: int | None, row: dict[str, Any]) -> None:
        """Print one row of metrics."""
        self.print_line(f"step {step}\t" + "\t".join(f"{key}={fmt.value(found)}" for key, found in row.items()))

    def print_event(self, kind: str, text: str, level: str) -> None:
        """Print one event."""
        self.print_line(f"{level} {kind}\t{text}")

    def print_state(self, run: ApiRun) -> None:
        """Print how the run is now."""
        self.print_line(f"{run.state}{_reason(run)}")


class _TerminalPrinter(_TextPrinter):
    """Colours, and progress bars that move."""

    def __init__(self) -> None:
        super().__init__()
        self._unfinished = False

    def begin(self, run: ApiRun) -> None:
        console().print(f"{run.project}/{run.name} ({run.id}), {run.state}", style="dim")

    def print_line(self, text: str) -> None:
        self._erase()
        # The run's own colours are kept; they end with the line.
        sys.stdout.write(f"{text}\x1b[0m\n")
        sys.stdout.flush()

    def print_unfinished(self, text: str) -> None:
        self._erase()
        sys.stdout.write(text[: max(console().width - 1, 1)])
        sys.stdout.flush()
        self._unfinished = True

    def _erase(self) -> None:
        if self._unfinished:
            sys.stdout.write("\r\x1b[2K")
            self._unfinished = False

    def print_metrics(self, step: int | None, row: dict[str, Any]) -> None:
        from rich.text import Text

        line = Text.assemble((f"step {step}", "cyan"))
        for key, found in row.items():
            line.append(f"  {key} ", style="dim")
            line.append(fmt.one_line(fmt.value(found), 40))
        console().print(line)

    def print_event(self, kind: str, text: str, level: str) -> None:
        style = {"warn": "yellow", "error": "red"}.get(level, "blue")
        console().print(f"{kind}: {text}", style=style)

    def print_state(self, run: ApiRun) -> None:
        sign, style = STATE_STYLES.get(run.state, ("·", ""))
        console().print(f"{sign} {run.state}{_reason(run)} after {fmt.span(run.duration)}", style=style)


def _reason(run: ApiRun) -> str:
    failure = run.failure or {}
    step = failure.get("step")
    where = "" if step is None else f" at step {step}"
    kind, message = failure.get("type"), failure.get("message")
    reason = f"{kind}: {message}" if kind else message
    return f"{where}: {reason}" if reason else where
