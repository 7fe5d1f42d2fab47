"""Processes that save, collect and download artifacts until they are killed; see `crash_yard` for why they are forked.

A victim is forked off a process that has imported everything and has no thread, does one thing over and over, and dies
after a random time. What it has acknowledged is in memory that it shares with whoever looks afterwards.
"""

from __future__ import annotations

import contextlib
import gc
import json
import mmap
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from programs import BARE

SAVE, PUT, COLLECT, DOWNLOAD, RECOVER = "save", "put", "collect", "download", "recover"


@dataclass(frozen=True)
class Order:
    """Kill a victim `delay_s` after it has begun to do `act`; `number` makes its content and its run its own."""

    act: str
    store: str
    number: int
    delay_s: float


class Yard:
    """Where they live and die."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def kill(self, order: Order) -> int:
        """Start a victim, kill it, and return how many times it had done what it does."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asdict(order)) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, "the yard itself died"
        done, killed, output = json.loads(answer)
        assert killed, output
        return int(done)


@contextlib.contextmanager
def open_yard(folder: Path) -> Iterator[Yard]:
    """Start the process that all victims are forked off."""
    command = [sys.executable, __file__, str(folder / "output.txt")]
    environ = {**os.environ, **BARE, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environ) as process:
        try:
            yield Yard(process)
        finally:
            assert process.stdin is not None
            process.stdin.close()


def content(number: int, turn: int) -> dict[str, bytes]:
    """The files of a victim's version: one that neighbours share parts of, one of many chunks, some small ones."""
    shared = random.Random(number // 3).randbytes(700_000)
    own = random.Random(f"{number} {turn}").randbytes(400_000)
    return {
        "large.bin": shared[:350_000] + own + shared[350_000:],
        "small.txt": b"%d %d" % (number, turn),
        "empty": b"",
    }


def write(folder: Path, files: dict[str, bytes]) -> None:
    """Write files into a folder, over those that are there."""
    folder.mkdir(exist_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)


def live(order: Order, words: memoryview[int]) -> None:
    """What a victim does until it is killed."""
    import treering
    from treering.artifacts.collecting import collect
    from treering.artifacts.depot import Depot
    from treering.store import Store
    from treering.store.recover import recover_folder

    store = Path(order.store)
    source = store.parent / f"source-{order.number}"
    words[1] = 1
    if order.act == SAVE:
        run = treering.init("p", id=f"r{order.number}", dir=store, settings={"flush_interval_s": 0.01})
        for turn in range(1000):
            write(source, content(order.number, turn))
            run.log_artifact(source, name=f"m{order.number % 3}", metadata={"number": order.number, "turn": turn})
            words[0] = turn + 1
            if turn % 3 == 2:
                run.flush()
    for turn in range(1000):
        if order.act == PUT:
            write(source, content(order.number, turn))
            artifact = treering.Artifact(f"m{order.number % 3}", metadata={"number": order.number, "turn": turn})
            artifact.add_dir(source)
            artifact.save("p", dir=store)
        elif order.act == COLLECT:
            with Store.open(store) as opened:
                collect(Depot(opened.database, store), grace_s=0.0)
        elif order.act == DOWNLOAD:
            for version in treering.Api(store).versions():
                version.download(store.parent / "downloads" / f"{version.name}-{version.version}")
        else:
            recover_folder(store)
        words[0] = turn + 1


def execute(order: Order, output: Path) -> tuple[int, bool, str]:
    """Fork a victim and kill it; times done, whether it was the kill that ended it, what it printed."""
    words = memoryview(mmap.mmap(-1, 16)).cast("Q")
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
    status = None
    while not words[1] and status is None:
        time.sleep(0.0005)
        found, ended = os.waitpid(pid, os.WNOHANG)
        status = ended if found else None
    if status is None:
        time.sleep(order.delay_s)
        os.kill(pid, signal.SIGKILL)
        status = os.waitpid(pid, 0)[1]
    killed = os.WIFSIGNALED(status) or order.act == RECOVER
    return words[0], killed, output.read_text(encoding="utf-8", errors="replace")


def main() -> None:
    """Import all that a victim needs, start no thread, and take orders."""
    import blake3  # noqa: F401
    import pyfastcdc  # noqa: F401
    import zstandard  # noqa: F401

    import treering  # noqa: F401
    from treering import start  # noqa: F401
    from treering.artifacts import (
        Artifact,  # noqa: F401
        alone,  # noqa: F401
        collecting,  # noqa: F401
        interrupted,  # noqa: F401
        leasing,  # noqa: F401
        reading,  # noqa: F401
        saver,  # noqa: F401
        usage,  # noqa: F401
    )
    from treering.store import recover, superseded  # noqa: F401

    gc.freeze()
    for line in sys.stdin:
        print(json.dumps(execute(Order(**json.loads(line)), Path(sys.argv[1]))), flush=True)


if __name__ == "__main__":
    main()
