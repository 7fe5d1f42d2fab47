"""Processes that do something until they are killed.

Each is forked off one process that has everything imported and no thread, so that a kill costs little more than what it
kills. What a victim has done is in memory that it shares with whoever looks afterwards. See `crash_yard` and
`artifact_yard`, which say what victims do.
"""

from __future__ import annotations

import contextlib
import gc
import json
import mmap
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from programs import BARE

#: What a victim writes into its second word when its act begins; larger numbers are later moments.
STARTED = 1


class Victims:
    """Where they live and die."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def kill(self, order: Any) -> tuple[int, bool]:
        """Start a victim and kill it, as an order (a dataclass) says.

        Returns:
            How many things it had done, and whether it was killed rather than through before.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asdict(order)) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, "the process that victims are forked off died itself"
        done, status, output = json.loads(answer)
        assert os.WIFSIGNALED(status) or status == 0, output
        return int(done), os.WIFSIGNALED(status)


@contextlib.contextmanager
def opened(program: str, folder: Path) -> Iterator[Victims]:
    """Start `program`, which calls `serve`; what its victims print goes to a file in `folder`."""
    command = [sys.executable, program, str(folder / "output.txt")]
    environ = {**os.environ, **BARE, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environ) as process:
        try:
            yield Victims(process)
        finally:
            assert process.stdin is not None
            process.stdin.close()


Live = Callable[[Any, "memoryview[int]"], None]


def serve(order_of: Callable[..., Any], live: Live, moment_of: Callable[[Any], int] = lambda _order: STARTED) -> None:
    """Take orders on standard input, one a line, and answer each with what became of its victim.

    Args:
        order_of: makes an order of its fields; it has a `delay_s`.
        live: what a victim does with its order and its two words: things done, moment reached.
        moment_of: from when on the order's delay counts.
    """
    gc.freeze()
    output = Path(sys.argv[1])
    for line in sys.stdin:
        order = order_of(**json.loads(line))
        print(json.dumps(_execute(order, live, moment_of(order), output)), flush=True)


def _execute(order: Any, live: Live, moment: int, output: Path) -> tuple[int, int, str]:
    """Fork a victim, kill it at the right moment; things done, exit status, what it printed."""
    words = memoryview(mmap.mmap(-1, 16)).cast("Q")
    pid = os.fork()
    if not pid:
        _be_victim(order, live, words, output)
    status = None
    while words[1] < moment and status is None:
        time.sleep(0.0005)
        found, ended = os.waitpid(pid, os.WNOHANG)
        status = ended if found else None
    if status is None:
        time.sleep(order.delay_s)
        os.kill(pid, signal.SIGKILL)
        status = os.waitpid(pid, 0)[1]
    return words[0], status, output.read_text(encoding="utf-8", errors="replace")


def _be_victim(order: Any, live: Live, words: memoryview[int], output: Path) -> None:
    file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(file, 1)
    os.dup2(file, 2)
    try:
        live(order, words)
        os._exit(0)
    except BaseException:
        import traceback

        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
