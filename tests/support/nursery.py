"""Trainings in processes of their own, each forked off one that has the framework loaded.

A real process can be killed and its exit tells the truth; importing a framework takes seconds, so it is done once.
Run as a program, `nursery.py FRAMEWORK` takes jobs on stdin, one a line, and forks a child for each.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Ended:
    """How a child ended: exit code (minus the signal's number where it was killed), and all that it printed."""

    code: int
    output: str


class Nursery:
    """Starts trainings of one framework, one after the other."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def train(self, folder: Path, store: Path, *, at: int = 0, do: str = "", **job: Any) -> Ended:
        """Run one training to its end, whatever that is.

        Args:
            folder: for its checkpoints; also the working folder.
            store: TREERING_DIR.
            at: the step at which something happens to it.
            do: what: "raise", "handled" (raised, and caught around the training), "exit", or a signal's name.
            **job: `env`, `resume`, `options` of the plug, `run` (open a run first, with these arguments).
        """
        output = folder / "output.txt"
        folder.mkdir(parents=True, exist_ok=True)
        environment = {name: value for name, value in os.environ.items() if name.startswith("TREERING_")}
        environment |= {"TREERING_DIR": str(store), **job.pop("env", {})}
        order = {"folder": str(folder), "output": str(output), "env": environment, "at": at, "do": do, **job}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        answered, status = "", 0
        while answered != str(output):  # a test that ran out of time left its answer behind
            answered, status = json.loads(self._process.stdout.readline())
        return Ended(os.waitstatus_to_exitcode(status), output.read_text())


@contextlib.contextmanager
def open_nursery(framework: str) -> Iterator[Nursery]:
    """Load a framework in a process of its own."""
    command = [sys.executable, __file__, framework]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield Nursery(process)
        process.stdin.close()


def run_job(toy: Any, job: dict[str, Any]) -> None:
    """What a user's program would be."""
    import toys

    import treering

    def on_step(step: int) -> None:
        if step != job["at"]:
            return
        if job["do"] in {"raise", "handled"}:
            raise toys.BoomError(f"boom at {step}")
        if job["do"] == "exit":
            sys.exit(3)
        if job["do"]:
            os.kill(os.getpid(), getattr(signal, job["do"]))

    if "run" in job:
        treering.init(**job["run"])
    plugged = toy.plug(**job.get("options", {}))
    try:
        toy.train(plugged, Path(job["folder"]), on_step, job.get("resume", False))
    except toys.BoomError:
        if job["do"] != "handled":
            raise


def main() -> None:
    """Serve jobs; a child leaves through the end of the program, as a user's would."""
    import toys

    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have ignored it for us
    if os.environ.get("KERAS_BACKEND", "") != "tensorflow":
        # Keras and tensorboard load it wherever it is installed, which takes longer than all that is done here.
        sys.modules["tensorflow"] = None  # type: ignore[assignment]
    toy = toys.find_toy(sys.argv[1])
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    toy.load()
    with tempfile.TemporaryDirectory() as folder:  # loads what frameworks load late; ranks other than 0 record nothing
        toy.train(toy.plug(rank=1), Path(folder))
    answers.write("ready\n")
    answers.flush()
    for line in sys.stdin:
        job = json.loads(line)
        pid = os.fork()
        if not pid:
            break
        answers.write(json.dumps([job["output"], os.waitpid(pid, 0)[1]]) + "\n")
        answers.flush()
    else:
        return
    file = os.open(job["output"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(file, 1)
    os.dup2(file, 2)
    os.environ.update(job["env"])
    os.chdir(job["folder"])
    run_job(toy, job)


if __name__ == "__main__":
    main()
