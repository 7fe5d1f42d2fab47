"""`import`, `init` to the first logged row, and `finish` of a run that has been idle for a second.

Fresh interpreters that have imported nothing but what the program text shows; byte code is cached and files are in the
page cache. torch is imported beforehand for the two trackers that load it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

from benchmarks import trackers
from benchmarks.harness import Bench, Figure, Values
from benchmarks.process import MeasureError, clean_environ

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.control import Control
    from benchmarks.trackers.base import Tracker

FIGURES = (
    Figure("import_ms", "import in a fresh process", "ms", 60.0, known=("wandb", 430.0)),
    Figure("first_row_ms", "init() to the first logged row", "ms", 50.0, known=("wandb", 660.0)),
    Figure("finish_ms", "finish() of an idle run", "ms", 50.0),
    Figure("exit_ms", "from the end of finish() to the end of the process", "ms"),
)
PARAMETERS: dict[str, dict[str, Any]] = {"full": {"idle_s": 1.0}, "tiny": {"idle_s": 0.0}}
REPEATS = {"full": 15, "tiny": 1}

#: For each tracker: before the clock starts, import, init and log the first row, finish.
_PROGRAMS = {
    "treering": (
        "",
        "import treering",
        "run = treering.init(project='bench', dir={store!r})\nrun.log({{'loss': 1.0}})",
        "run.finish()",
    ),
    "tensorboard": (
        "import sys, types, torch\nsys.modules['tensorboard.compat.notf'] = types.ModuleType('notf')",
        "from torch.utils.tensorboard import SummaryWriter",
        "writer = SummaryWriter({store!r})\nwriter.add_scalar('loss', 1.0, 0)",
        "writer.close()",
    ),
    "tensorboardx": (
        "import torch",
        "from tensorboardX import SummaryWriter",
        "writer = SummaryWriter({store!r})\nwriter.add_scalar('loss', 1.0, 0)",
        "writer.close()",
    ),
    "trackio": (
        "",
        "import trackio",
        "trackio.init(project='bench', embed=False)\ntrackio.log({{'loss': 1.0}})",
        "trackio.finish()",
    ),
    "wandb": (
        "",
        "import wandb",
        "run = wandb.init(project='bench', dir={store!r})\nrun.log({{'loss': 1.0}})",
        "run.finish()",
    ),
}
_FRAME = """
{host}
from time import monotonic as _now, sleep as _sleep
_marks = [_now()]
{load}
_marks.append(_now())
{first_row}
_marks.append(_now())
_sleep({idle_s})
_marks.append(_now())
{finish}
_marks.append(_now())
open({result!r}, 'w').write(repr(_marks))
"""


def rep(bench: Bench) -> Values:
    if bench.repetition == 0:
        _run(bench)  # writes the byte code and fills the page cache
    return _run(bench)


def _run(bench: Bench) -> Values:
    host, load, first_row, finish = _PROGRAMS[bench.tracker]
    bench.store.mkdir(exist_ok=True)
    (bench.scratch / "marks").unlink(missing_ok=True)
    result = bench.scratch / "marks"
    text = _FRAME.format(
        host=host,
        load=load,
        first_row=first_row.format(store=str(bench.store)),
        finish=finish,
        idle_s=bench.parameters["idle_s"],
        result=str(result),
    )
    program = bench.scratch / "program.py"
    program.write_text(text)
    environ = {**clean_environ(), **trackers.load(bench.tracker).environ(bench.store)}
    done = subprocess.run(
        [sys.executable, str(program)], cwd=bench.scratch, env=environ, capture_output=True, text=True, check=False
    )
    ended = time.monotonic()
    if done.returncode or not result.exists():
        raise MeasureError(done.stderr[-2000:])
    start, loaded, logged, idle, finished = json.loads(result.read_text())
    return {
        "import_ms": (loaded - start) * 1e3,
        "first_row_ms": (logged - loaded) * 1e3,
        "finish_ms": (finished - idle) * 1e3,
        "exit_ms": (ended - finished) * 1e3,
    }


def child(tracker: Tracker, parameters: dict[str, Any], scratch: Path, control: Control) -> Values:
    raise NotImplementedError("this measure starts bare interpreters")
