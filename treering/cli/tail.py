"""`treering tail`."""

from __future__ import annotations

import sys
import time
from bisect import bisect_right
from collections import deque
from typing import TYPE_CHECKING, Any

import click

from treering.api import Api
from treering.cli import _format as fmt
from treering.cli._options import json_option, keys_option, place_option, run_argument
from treering.cli._output import STATE_STYLES, console, is_terminal, jsonable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from treering.api import ApiRun

__all__ = ["command"]

_INTERVAL_S = 0.5
# How often to look whether the process of a silent run is still there.
_RECOVER_INTERVAL_S = 5.0
# A console line that has not changed for so long is taken to be complete.
_LINE_STANDS_S = 2.0


@click.command()
@run_argument(metavar="[RUN]", default="latest")
@click.option("--lines", "-n", type=click.IntRange(min=0), default=10, show_default=True, help="Begin with the last N.")
@keys_option
@click.option("--metrics/--no-metrics", default=True, help="Show metrics.")
@click.option("--console/--no-console", "output", default=True, help="Show what the run prints.")
@click.option("--follow/--no-follow", default=True, help="Go on until the run ends.")
@json_option
@place_option
def command(
    run: str,
    lines: int,
    keys: list[str] | None,
    metrics: bool,
    output: bool,
    follow: bool,
    as_json: bool,
    place: str | None,
) -> None:
    """Follow RUN, or the latest run, until it ends: its metrics, output and events as they come."""
    with Api(place) as api:
        found = api.run(run)
        streams = [stream for stream, wanted in (("history", metrics), ("console", output), ("events", True)) if wanted]
        follower = _Follower(found, streams, keys)
        printer: _Printer = _JsonPrinter() if as_json else _TextPrinter() if not is_terminal() else _TerminalPrinter()
        printer.begin(found)
        for item in deque(follower.new(), maxlen=lines):
            printer.show(*item)
        printer.idle()
        recovered_s = time.monotonic()
        while follow and found.is_running:
            time.sleep(_INTERVAL_S)
            if time.monotonic() - recovered_s > _RECOVER_INTERVAL_S and found.source.folder is not None:
                from treering.api._sources import recover_dead

                recover_dead(found.source.folder)
                recovered_s = time.monotonic()
            found.reload()  # before the rows: what was logged before the end is then sure to be shown
            for item in follower.new():
                printer.show(*item)
            printer.idle()
        printer.end(found)


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

    def idle(self) -> None:
        """All rows of the moment have been shown."""

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
    """Plain lines; a console line is printed when the next one comes, or when it has stood for a while."""

    def __init__(self) -> None:
        self._place: tuple[int, int] | None = None
        self._text: str | None = None
        self._since_s = 0.0

    def show(self, stream: str, number: int, row: dict[str, Any]) -> None:
        if stream == "console":
            self._show_console((row["session"], row.get("line", number)), str(row.get("text", "")))
        elif stream == "history":
            step = row.pop("_step", None)
            row.pop("_time", None)
            self.print_metrics(step, row)
        else:
            title, message = row.get("title"), str(row.get("message", ""))
            text = f"{title}: {message}" if title and message else str(title or message)
            self.print_event(str(row.get("kind", "event")), text, str(row.get("level", "info")))

    def _show_console(self, place: tuple[int, int], text: str) -> None:
        if place != self._place:
            self._complete()
        self._place, self._text, self._since_s = place, text, time.monotonic()

    def _complete(self) -> None:
        """Print the console's line that waits, if any."""
        text, self._text = self._text, None
        if text is not None:
            self.print_line(text)

    def idle(self) -> None:
        if time.monotonic() - self._since_s > _LINE_STANDS_S:
            self._complete()

    def end(self, run: ApiRun) -> None:
        self._complete()
        self.print_state(run)

    def print_line(self, text: str) -> None:
        """Print one line of the run's output."""
        print(text, flush=True)  # noqa: T201

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
    """Colours; the console's last line stays below all others and moves as a progress bar does."""

    _drawn = False

    def begin(self, run: ApiRun) -> None:
        console().print(f"{run.project}/{run.name} ({run.id}), {run.state}", style="dim")

    def show(self, stream: str, number: int, row: dict[str, Any]) -> None:
        self._erase()
        super().show(stream, number, row)

    def idle(self) -> None:
        """Draw the line that may still change; once for all rows of a moment."""
        if self._text is not None:
            self._erase()
            # What is wider than the terminal would leave lines behind that cannot be erased.
            sys.stdout.write(f"{self._text[: max(console().width - 1, 1)]}\x1b[0m")
            sys.stdout.flush()
            self._drawn = True

    def _erase(self) -> None:
        if self._drawn:
            sys.stdout.write("\r\x1b[2K")
            self._drawn = False

    def end(self, run: ApiRun) -> None:
        self._erase()
        super().end(run)

    def print_line(self, text: str) -> None:
        # The run's own colours are kept; they end with the line.
        sys.stdout.write(f"{text}\x1b[0m\n")
        sys.stdout.flush()

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
