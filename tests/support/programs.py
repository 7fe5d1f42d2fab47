"""Programs in processes of their own, as a user would start them: how they end is the truth, and they can be killed."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

#: Settings of a run that records nothing but what it is given.
BARE = {
    "TREERING_CONSOLE": "0",
    "TREERING_CAPTURE_ENVIRONMENT": "0",
    "TREERING_CAPTURE_GIT": "0",
    "TREERING_CAPTURE_SOURCE": "0",
    "TREERING_QUIET": "1",
    "TREERING_SYSTEM_INTERVAL_S": "0",
}
TIMEOUT_S = 90.0


@dataclass(frozen=True)
class Ended:
    """How a program ended: exit code (minus the signal's number where it was killed), and what it printed."""

    code: int
    out: str
    err: str


def _hear_signals() -> None:
    """Undo what a shell does to jobs in the background: they ignore Ctrl-C, and under nohup the end of the terminal."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


class Program:
    """A running program; its lines on stdout say how far it is."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.pid = process.pid

    def wait_for(self, word: str) -> None:
        """Read lines until one is `word`."""
        lines = []
        for line in _stream(self._process.stdout):
            if line.strip() == word:
                return
            lines.append(line)
        raise AssertionError(f"it ended without saying {word!r}: {lines} {_stream(self._process.stderr).read()}")

    def wait_for_line(self) -> str:
        """Read one line."""
        return _stream(self._process.stdout).readline().rstrip("\n")

    def say(self, line: str) -> None:
        """Write a line to its stdin."""
        stdin = _stream(self._process.stdin)
        stdin.write(f"{line}\n")
        stdin.flush()

    def signal(self, number: int) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def end(self) -> Ended:
        """Close its stdin, and wait for its end."""
        out, err = self._process.communicate(timeout=TIMEOUT_S)
        return Ended(self._process.returncode, out, err)


def _stream(stream: IO[str] | None) -> IO[str]:
    assert stream is not None
    return stream


@contextlib.contextmanager
def started(source: str, folder: Path, env: Mapping[str, str] | None = None) -> Iterator[Program]:
    """Start a Python program; what is left of it at the end is killed.

    Args:
        source: of the program; indentation that all lines share is taken off.
        folder: where its file goes; its working folder.
        env: beside `BARE` and what the test has.
    """
    folder.mkdir(parents=True, exist_ok=True)
    script = folder / "program.py"
    script.write_text(textwrap.dedent(source), encoding="utf-8")
    process = subprocess.Popen(
        [sys.executable, str(script)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        env={**os.environ, **BARE, **(env or {})},
        preexec_fn=_hear_signals,  # noqa: PLW1509  # before the program has any thread
    )
    with process:
        try:
            yield Program(process)
        finally:
            if process.poll() is None:
                process.kill()


def run_program(source: str, folder: Path, env: Mapping[str, str] | None = None) -> Ended:
    """Run a Python program to its end, with the arguments of `started`."""
    with started(source, folder, env) as program:
        return program.end()


#: Put at the top of a program: `unprivileged()` makes file permissions count, as they do not for root.
UNPRIVILEGED = """
import ctypes, struct

def unprivileged():
    libc, header = ctypes.CDLL(None), ctypes.create_string_buffer(struct.pack("Ii", 0x20080522, 0), 8)
    data = ctypes.create_string_buffer(24)
    assert libc.capget(header, data) == 0
    effective, *others = struct.unpack("6I", data.raw)
    effective &= ~(1 << 1 | 1 << 2)  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
    assert libc.capset(header, ctypes.create_string_buffer(struct.pack("6I", effective, *others), 24)) == 0
"""
