"""Processes that log at full speed until they are killed.

Each is forked off one process that has everything imported, so that a kill costs little more than what it kills. The
victim writes into shared memory how many `log()` calls have returned. Run as a program, this file takes orders on
stdin, one a line.
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
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from programs import BARE

#: What a victim does with its life.
LOG, FINISH, RECOVER = "log", "finish", "recover"
_WORDS = 2  # rows acknowledged, moment reached
_STARTED, _BEFORE_END = 1, 2


@dataclass(frozen=True)
class Order:
    """One victim.

    Attributes:
        store: its folder.
        run_id: of its run; one that is there is gone on with.
        act: LOG: killed while logging; FINISH: while finishing after `rows` rows; RECOVER: while bringing in what
            other victims left.
        delay_s: from the moment that its act began until it is killed.
        rows: before FINISH.
        mode: local or offline.
        small: segments, batches and merges so small that all that happens once an hour happens all the time.
    """

    store: str
    run_id: str
    act: str = LOG
    delay_s: float = 0.0
    rows: int = 0
    mode: str = "local"
    small: bool = False


@dataclass(frozen=True)
class Killed:
    """What became of a victim: rows whose `log()` had returned, and whether it was killed rather than done before."""

    rows: int
    killed: bool


class Yard:
    """Where they live and die."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def kill(self, order: Order) -> Killed:
        """Start a victim and kill it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asdict(order)) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, "the crash yard itself died"
        rows, status, output = json.loads(answer)
        assert os.WIFSIGNALED(status) or status == 0, output
        return Killed(rows, os.WIFSIGNALED(status))


@contextlib.contextmanager
def open_yard(folder: Path) -> Iterator[Yard]:
    """Start the process that all victims are forked off; what they print goes to a file in `folder`."""
    command = [sys.executable, __file__, str(folder / "output.txt")]
    environ = {**os.environ, **BARE, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environ) as process:
        try:
            yield Yard(process)
        finally:
            assert process.stdin is not None
            process.stdin.close()


def row(number: int) -> dict[str, Any]:
    """What row `number` holds: dense and sparse columns, text, and one whose kind changes."""
    data: dict[str, Any] = {"number": number, "noise": (number * 2654435761 % 2**32) / 2**32}
    if number % 3 == 0:
        data["third"] = -number
    if number % 50 == 0:
        data["text"] = f"row {number}"
    if number % 10 == 0:
        data["mixed"] = number if number % 20 else number / 7
    return data


def expected_columns(count: int) -> dict[str, list[Any]]:
    """The columns of rows 0 to `count` - 1."""
    for number in range(_known_rows(), count):
        for key, value in row(number).items():
            numbers, values = _known.setdefault(key, ([], []))
            numbers.append(number)
            values.append(value)
    return {
        key: values[: bisect_left(numbers, count)] for key, (numbers, values) in _known.items() if numbers[0] < count
    }


_known: dict[str, tuple[list[int], list[Any]]] = {}


def _known_rows() -> int:
    return len(_known["number"][0]) if _known else 0


# -- in the victim ----------------------------------------------------------------------------------------------------


def be_small() -> None:
    """Let the rare happen often: new segments, transactions, merges at every level."""
    from treering import writer
    from treering.journal import Journal
    from treering.store import columns, history

    assert Journal.__init__.__kwdefaults__ is not None
    Journal.__init__.__kwdefaults__["segment_bytes"] = 64 << 10
    writer.BATCH_BYTES = 8 << 10
    history.FAN_IN = columns.FAN_IN = 3


def live(order: Order, words: memoryview[int]) -> None:
    """What a victim does until it is killed."""
    import treering
    from treering.store.recover import recover_folder

    if order.small:
        be_small()
    if order.act == RECOVER:
        words[1] = _STARTED
        recover_folder(Path(order.store))
        return
    run = treering.init(
        project="crash", id=order.run_id, dir=order.store, mode=order.mode, resume="allow",
        settings={"flush_interval_s": 0.01 if order.small else 0.05},
    )  # fmt: skip
    log, number = run.log, run.step
    words[1] = _STARTED
    while order.act == LOG or number < order.rows:
        log(row(number))
        number += 1
        words[0] = number
    words[1] = _BEFORE_END
    run.finish()


# -- in the process that forks and kills ------------------------------------------------------------------------------


def execute(order: Order, output: Path) -> tuple[int, int, str]:
    """Fork a victim, kill it at the right moment; rows acknowledged, exit status, what it printed."""
    shared = mmap.mmap(-1, 8 * _WORDS)
    words = memoryview(shared).cast("Q")
    pid = os.fork()
    if not pid:
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
    moment = _BEFORE_END if order.act == FINISH else _STARTED
    status = None
    while words[1] < moment and status is None:
        time.sleep(0.0005)
        status = _ended(pid)
    if status is None:
        time.sleep(order.delay_s)
        os.kill(pid, signal.SIGKILL)
        status = os.waitpid(pid, 0)[1]
    return words[0], status, output.read_text(encoding="utf-8", errors="replace")


def _ended(pid: int) -> int | None:
    found, status = os.waitpid(pid, os.WNOHANG)
    return status if found else None


def main() -> None:
    """Import all that a victim needs, start no thread, and take orders."""
    import httpx  # noqa: F401
    import numpy as np  # noqa: F401
    import pcodec  # noqa: F401
    import zstandard  # noqa: F401

    import treering  # noqa: F401
    from treering import start, uploading  # noqa: F401
    from treering.store import recover, superseded  # noqa: F401

    gc.freeze()
    output = Path(sys.argv[1])
    for line in sys.stdin:
        answer = execute(Order(**json.loads(line)), output)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
