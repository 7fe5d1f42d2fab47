"""Child processes that can be watched as a whole: their CPU time, their memory, and whatever they leave behind."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import select
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.trackers.base import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["Child", "MeasureError", "adopt_orphans", "clean_environ", "tree", "tree_cpu_s", "tree_rss_bytes"]

_PR_SET_CHILD_SUBREAPER = 36
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_REPOSITORY = Path(__file__).resolve().parent.parent


class MeasureError(RuntimeError):
    """A measured process ended without a result; the text carries the end of its output."""


def clean_environ() -> dict[str, str]:
    """Our environment, less what would have each process compile what it imports: installed packages are compiled."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def adopt_orphans() -> None:
    """Become the parent of every process that our children leave behind (Linux only; elsewhere they are not seen).

    wandb runs a service process; without this its CPU time would escape the account once the child ends.
    """
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def tree(root: int) -> Iterator[int]:
    """`root` and all its living descendants."""
    waiting = [root]
    while waiting:
        pid = waiting.pop()
        yield pid
        with contextlib.suppress(OSError):
            for task in os.listdir(f"/proc/{pid}/task"):
                children = Path(f"/proc/{pid}/task/{task}/children").read_text()
                waiting.extend(int(child) for child in children.split())


def _cpu_s(pid: int) -> float:
    """User and system time of one process and the children it has waited for, in seconds."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0.0
    fields = stat[stat.rindex(")") + 2 :].split()
    return sum(int(fields[position]) for position in (11, 12, 13, 14)) / _TICKS_PER_S


def tree_cpu_s(root: int) -> float:
    """CPU seconds of a process tree so far, in ticks of 10 ms."""
    return sum(_cpu_s(pid) for pid in tree(root))


def tree_rss_bytes(root: int) -> int:
    """Resident memory of a process tree, each program counted in full."""
    total, whole = 0, ""
    for pid in tree(root):
        with contextlib.suppress(OSError, ValueError):
            size, resident = Path(f"/proc/{pid}/statm").read_text().split()[:2]
            # A child that has not begun its own program yet lives in its parent's memory.
            if pid == root or size != whole:
                total += int(resident) * _PAGE_BYTES
            whole = whole or size
    return total


@dataclass
class Child:
    """One fresh Python process that runs `benchmarks.worker`.

    Attributes:
        measure: module of `benchmarks.measures` whose `child` function runs.
        tracker: module of `benchmarks.trackers` given to it.
        parameters: passed through as JSON.
        scratch: existing folder; the child's store is `scratch/store`, its output `scratch/*.out`.
        environ: added to a clean environment.
    """

    measure: str
    tracker: str
    parameters: Mapping[str, Any]
    scratch: Path
    environ: Mapping[str, str] = field(default_factory=dict[str, str])
    name: str = "child"
    timeout_s: float = 900.0

    def __post_init__(self) -> None:
        self._result_file = self.scratch / f"{self.name}.result.json"
        self._output_file = self.scratch / f"{self.name}.out"
        request: dict[str, Any] = {
            "measure": self.measure,
            "tracker": self.tracker,
            "parameters": dict(self.parameters),
        }
        request |= {"scratch": str(self.scratch), "result": str(self._result_file)}
        child_receives, self._send_fd = os.pipe()
        self._receive_fd, child_sends = os.pipe()
        request |= {"receive_fd": child_receives, "send_fd": child_sends}
        work = self.scratch / "work"
        work.mkdir(exist_ok=True)
        environ = {**clean_environ(), "PYTHONPATH": str(_REPOSITORY), **self.environ}
        with self._output_file.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "benchmarks.worker", json.dumps(request)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environ,
                cwd=work,
                pass_fds=(child_receives, child_sends),
            )
        os.close(child_receives)
        os.close(child_sends)
        self.pid = self._process.pid

    def wait_mark(self, name: str) -> None:
        """Wait until the child reaches `name`; it then stands still until `go`."""
        self._wait_readable()
        text = b""
        while not text.endswith(b"\n"):
            piece = os.read(self._receive_fd, 64)
            if not piece:
                self._process.wait(30)
                raise MeasureError(self._said())
            text += piece
        if text.decode().strip() != name:
            raise MeasureError(f"expected mark {name!r}, got {text!r}")

    def at_mark(self) -> bool:
        """Whether the child waits at a mark, or has ended."""
        return bool(select.select([self._receive_fd], [], [], 0)[0])

    def _wait_readable(self) -> None:
        if not select.select([self._receive_fd], [], [], self.timeout_s)[0]:
            self.kill()
            raise MeasureError(f"nothing heard for {self.timeout_s:.0f} s\n{self._said()}")

    def go(self) -> None:
        """Let a child that waits at a mark go on."""
        os.write(self._send_fd, b"g")

    def running(self) -> bool:
        """Whether the process itself (not its descendants) still lives."""
        return self._process.poll() is None

    def kill(self) -> None:
        """SIGKILL to the process itself; its own children are left alone, as the OOM killer would."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        self._process.wait(30)
        self._close()

    def result(self) -> dict[str, Any]:
        """Wait for the end and take what the child measured."""
        try:
            self._process.wait(self.timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()
            raise MeasureError(f"not finished after {self.timeout_s:.0f} s\n{self._said()}") from None
        self._close()
        if self._process.returncode != 0 or not self._result_file.exists():
            raise MeasureError(f"exit status {self._process.returncode}\n{self._said()}")
        measured: dict[str, Any] = json.loads(self._result_file.read_text())
        if "cannot" in measured:
            raise UnavailableError(measured["cannot"])
        return measured

    def reap_orphans(self, patience_s: float = 15.0) -> None:
        """Wait for what the child left behind (now our own children), then end what does not end by itself."""
        deadline = time.monotonic() + patience_s
        while True:
            try:
                pid, _ = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                if time.monotonic() > deadline:
                    for orphan in [pid for pid in tree(os.getpid()) if pid != os.getpid()]:
                        with contextlib.suppress(ProcessLookupError):
                            os.kill(orphan, signal.SIGKILL)
                time.sleep(0.02)

    def _said(self) -> str:
        return self._output_file.read_text(errors="replace")[-3000:]

    def _close(self) -> None:
        for fd in (self._send_fd, self._receive_fd):
            with contextlib.suppress(OSError):
                os.close(fd)
