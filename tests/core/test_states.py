"""How a run's process ends is told apart, each time by a real process that ends so."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from programs import Ended, run_program, started

import treering
from treering.api import ApiRun

START = """
import os, signal, sys, threading, time
import treering

def train(steps=3):
    for step in range(steps):
        run.log({"loss": 1 / (step + 1)})

run = treering.init(project="p", id="r")
"""


class Way(NamedTuple):
    """A way to end: the program after `START`, its exit code, and what the run then says."""

    source: str
    code: int
    state: str
    type: str | None = None
    message: str = ""


WAYS = {
    "end of the program": Way("train()", 0, "finished"),
    "finish": Way("train(); run.finish()", 0, "finished"),
    "exit code to finish": Way("train(); run.finish(1)", 0, "failed"),
    "exception": Way("train(); raise ValueError('too hot')", 1, "failed", "ValueError", "too hot"),
    "exception in with": Way("with run:\n train(); raise ValueError('hot')", 1, "failed", "ValueError", "hot"),
    "exception caught outside with": Way(
        "try:\n with run:\n  train(); {}['x']\nexcept KeyError: pass", 0, "failed", "KeyError", "'x'"
    ),
    "exception caught before": Way("try: train(); 1/0\nexcept ZeroDivisionError: pass", 0, "finished"),
    "Ctrl-C": Way("train(); os.kill(os.getpid(), signal.SIGINT)", -2, "interrupted", "KeyboardInterrupt"),
    "Ctrl-C after many rows": Way(
        "train(1000); os.kill(os.getpid(), signal.SIGINT)", -2, "interrupted", "KeyboardInterrupt"
    ),
    "Ctrl-C in with": Way(
        "with run:\n train(); os.kill(os.getpid(), signal.SIGINT)", -2, "interrupted", "KeyboardInterrupt"
    ),
    "sys.exit": Way("train(); sys.exit()", 0, "finished"),
    "sys.exit in with": Way("with run:\n train(); sys.exit(0)", 0, "finished"),
    "sys.exit with a code in with": Way("with run:\n train(); sys.exit(3)", 3, "failed", "SystemExit", "3"),
    "sys.exit with a text in with": Way(
        "with run:\n train(); sys.exit('no data')", 1, "failed", "SystemExit", "no data"
    ),
    "SIGTERM": Way("train(); os.kill(os.getpid(), signal.SIGTERM)", -15, "preempted", "", "the process got SIGTERM"),
    "SIGTERM in with": Way("with run:\n train(); os.kill(os.getpid(), signal.SIGTERM)", -15, "preempted", ""),
    "SIGUSR1": Way("train(); os.kill(os.getpid(), signal.SIGUSR1)", -10, "preempted", "", "the process got SIGUSR1"),
    "SIGUSR2": Way("train(); os.kill(os.getpid(), signal.SIGUSR2)", -12, "preempted", ""),
    "SIGHUP": Way("train(); os.kill(os.getpid(), signal.SIGHUP)", -1, "interrupted", "", "the process got SIGHUP"),
    "SIGKILL": Way("train(); os.kill(os.getpid(), signal.SIGKILL)", -9, "lost", "", "was killed"),
    "os._exit": Way("train(); os._exit(0)", 0, "lost", ""),
    "abort": Way("train(); os.abort()", -6, "lost", ""),
    "segfault": Way("train(); import ctypes; ctypes.string_at(0)", -11, "lost", ""),
    "mark and SIGKILL": Way("train(); run.mark('failed', 'seen'); os.kill(os.getpid(), 9)", -9, "failed", "", "seen"),
    "mark, then the end": Way("train(); run.mark('interrupted')", 0, "interrupted"),
    "mark, then well again": Way("train(); run.mark('failed', 'oops'); run.mark('running')", 0, "finished"),
}


def run_and_read(source: str, tmp_path: Path, store: Path) -> tuple[Ended, ApiRun]:
    ended = run_program(START + source, tmp_path)
    return ended, treering.Api(store).run("r")


@pytest.mark.parametrize("way", WAYS.values(), ids=list(WAYS))
def test_each_way_to_end(way: Way, tmp_path: Path, store: Path) -> None:
    ended, run = run_and_read(way.source, tmp_path, store)
    assert ended.code == way.code, ended
    assert run.state == way.state
    values = run.history("loss").values.tolist()
    assert values == [1 / (step + 1) for step in range(len(values))]
    assert len(values) == (1000 if "1000" in way.source else 3)
    assert run.attempts[-1].state == way.state
    assert run.ended is not None
    if way.type is None:
        assert run.failure is None or run.failure["type"] == ""
        return
    assert run.failure is not None
    assert run.failure["type"] == way.type
    assert way.message in run.failure["message"]
    assert run.failure["step"] == len(values) - 1
    if way.type:
        assert run.failure["traceback"].startswith("Traceback")
        assert "program.py" in run.failure["traceback"]
    assert run.attempts[-1].failure == run.failure
    # The user's own view of the end is untouched.
    assert ("Traceback" in ended.err) == (ended.code in {1, -2} and way.type != "SystemExit")


def test_a_failure_says_what_python_says(tmp_path: Path, store: Path) -> None:
    source = """
try: raise ValueError('deep')
except ValueError as e: raise RuntimeError('top') from e
"""
    ended, run = run_and_read(source, tmp_path, store)
    assert run.failure is not None
    assert run.failure["traceback"].strip() in ended.err
    assert "ValueError: deep" in run.failure["traceback"]


CHAINED = """
calls = []
def handler(number, frame):
    calls.append(number)
    HANDLER

signal.signal(signal.SIGTERM, handler)
run = treering.init(project="p", id="r")
train()
try:
    os.kill(os.getpid(), signal.SIGTERM)
finally:
    print("calls", calls)
AFTER
"""
CHAINS = {
    "returns": Way("pass|train()", 0, "preempted", "", "the process got SIGTERM"),
    "returns, then the run is finished as well": Way("pass|run.finish('finished')", 0, "finished", None),
    "saves and logs": Way(
        "run.log_event('saving'); run.log({'loss': 9.0}); run.summary['saved'] = 1|", 0, "preempted", ""
    ),
    "raises": Way("raise RuntimeError('stop now')|", 1, "preempted", "RuntimeError", "stop now"),
    "raises, caught in the program": Way("pass|", 0, "preempted", ""),
    "exits": Way("sys.exit(0)|", 0, "preempted", ""),
    "exits with a code": Way("sys.exit(143)|", 143, "preempted", ""),
    "interrupts": Way("raise KeyboardInterrupt|", -2, "preempted", "KeyboardInterrupt"),
}


@pytest.mark.parametrize("way", CHAINS.values(), ids=list(CHAINS))
def test_a_handler_of_the_program_is_called_after_ours(way: Way, tmp_path: Path, store: Path) -> None:
    handler, after = way.source.split("|")
    start = START[: START.rindex("run = ")]
    ended = run_program(start + CHAINED.replace("HANDLER", handler).replace("AFTER", after), tmp_path)
    run = treering.Api(store).run("r")
    assert ended.code == way.code, ended
    assert "calls [15]" in ended.out
    assert run.state == way.state
    if way.type is not None:
        assert run.failure is not None
        assert run.failure["type"] == way.type
        assert way.message in run.failure["message"]


def test_a_handler_that_raises_inside_with(tmp_path: Path, store: Path) -> None:
    source = """
def handler(number, frame):
    sys.exit(128 + number)

signal.signal(signal.SIGTERM, handler)
with treering.init(project="p", id="w"):
    treering.log({"x": 1})
    os.kill(os.getpid(), signal.SIGTERM)
"""
    ended = run_program("import os, signal, sys, treering" + source, tmp_path)
    assert ended.code == 143
    assert treering.Api(store).run("w").state == "preempted"


def test_a_failure_after_a_warning_signal_is_a_failure(tmp_path: Path, store: Path) -> None:
    source = """
signal.signal(signal.SIGUSR1, lambda *_: None)
with treering.init(project="p", id="w"):
    os.kill(os.getpid(), signal.SIGUSR1)
    treering.log({"x": 1})
    raise ValueError("a bug")
"""
    run_and_read(source, tmp_path, store)
    run = treering.Api(store).run("w")
    assert (run.state, run.failure and run.failure["message"]) == ("failed", "a bug")


def test_a_signal_from_outside_while_logging(tmp_path: Path, store: Path) -> None:
    source = START + "run.log({'x': 1.0}); print('go', flush=True)\nwhile True: run.log({'x': 1.0})"
    with started(source, tmp_path) as program:
        program.wait_for("go")
        program.signal(signal.SIGTERM)
        assert program.end().code == -signal.SIGTERM
    run = treering.Api(store).run("r")
    assert run.state == "preempted"
    steps = run.history("x").x.tolist()
    assert steps == list(range(len(steps)))


def test_signals_at_any_moment_do_no_harm(tmp_path: Path, store: Path) -> None:
    """A handler that itself logs, called hundreds of times in the middle of everything that a run does."""
    source = """
    import itertools, signal, sys, threading
    import treering

    numbers = itertools.count()
    def handler(*_):  # may itself be interrupted by the next signal
        handled = next(numbers)
        run.log({"handled": handled})
        run.log_event("signal", str(handled))
        run.summary[f"handled {handled}"] = handled

    signal.signal(signal.SIGUSR1, handler)
    run = treering.init(project="p", id="r", settings={"flush_interval_s": 0.01})
    print("go", flush=True)
    stop = []
    threading.Thread(target=lambda: stop.append(sys.stdin.readline()), daemon=True).start()
    number = 0
    while not stop or number < 10_000:
        run.log({"number": number})
        number += 1
        if number % 100 == 0:
            run.config["number"] = number
        if number % 1000 == 0:
            run.flush()
    run.finish()
    print("logged", number, next(numbers))
    """
    with started(source, tmp_path) as program:
        program.wait_for("go")
        for _ in range(300):
            program.signal(signal.SIGUSR1)
            _nap(0.003)
        program.say("")
        ended = program.end()
    assert (ended.code, ended.err) == (0, "")
    words = ended.out.split()
    number, handled = int(words[1]), int(words[2])
    run = treering.Api(store).run("r")
    assert run.state == "preempted"
    assert run.history("number").values.tolist() == list(range(number))
    assert sorted(run.history("handled").values.tolist()) == list(range(handled))
    assert sorted(int(event.message) for event in run.events()) == list(range(handled))
    assert all(run.summary[f"handled {at}"] == at for at in range(handled))
    assert run.history("number").damage == []


def _nap(seconds: float) -> None:
    import time

    time.sleep(seconds)


def test_hooks_that_were_there_are_called_and_put_back(tmp_path: Path, store: Path) -> None:
    source = """
    import signal, sys, threading
    import treering

    before = sys.excepthook, threading.excepthook, signal.getsignal(signal.SIGTERM)
    with treering.init(project="p", id="r"):
        with treering.init(project="p"):
            pass
        assert sys.excepthook != before[0]
    assert before == (sys.excepthook, threading.excepthook, signal.getsignal(signal.SIGTERM))

    sys.excepthook = lambda *_: print("mine")
    run = treering.init(project="p", id="mine")
    1 / 0
    """
    ended = run_program(source, tmp_path)
    assert ended.out == "mine\n", ended
    assert treering.Api(store).run("mine").state == "failed"


def test_an_exception_in_another_thread_is_an_event(tmp_path: Path, store: Path) -> None:
    source = """
def work():
    raise ValueError("in a thread")
train()
thread = threading.Thread(target=work, name="worker")
thread.start(); thread.join()
run.log({"loss": 0.0})
"""
    ended, run = run_and_read(source, tmp_path, store)
    assert "ValueError: in a thread" in ended.err  # the default hook still prints it
    assert run.state == "finished"
    (event,) = run.events()
    assert (event.kind, event.message, event.level) == ("thread failed", "ValueError: in a thread", "error")
    assert event.fields == {"thread": "worker"}
    assert len(run.history("loss")) == 4


def test_an_exception_in_the_thread_that_opened_the_run_fails_it(tmp_path: Path, store: Path) -> None:
    source = """
def work():
    with_run = treering.init(project="p", id="t")
    with_run.log({"x": 1})
    raise ValueError("in its thread")
thread = threading.Thread(target=work)
thread.start(); thread.join()
"""
    run_and_read(source, tmp_path, store)
    run = treering.Api(store).run("t")
    assert run.state == "failed"
    assert run.failure is not None
    assert (run.failure["type"], run.failure["step"]) == ("ValueError", 0)


def test_all_runs_of_a_process_are_told(tmp_path: Path, store: Path) -> None:
    run_program(START + "treering.init(project='p', id='r2'); raise ValueError", tmp_path)
    runs = treering.Api(store).runs()
    assert [run.state for run in runs] == ["failed", "failed"]
    assert [run.failure and run.failure["step"] for run in runs] == [None, None], "nothing was logged"


@pytest.mark.parametrize("error", ["Loud", "Long"])
def test_an_exception_with_a_strange_text(error: str, tmp_path: Path, store: Path) -> None:
    source = """
class Loud(Exception):
    def __str__(self): raise RuntimeError("no text")
class Long(Exception):
    def __str__(self): return "x" * 1_000_000
raise ERROR
""".replace("ERROR", error)
    _, run = run_and_read(source, tmp_path, store)
    assert run.state == "failed"
    assert run.failure is not None
    assert run.failure["type"] == error
    assert len(run.failure["traceback"]) < 70_000
    assert len(run.failure["message"]) < 70_000


def test_a_run_is_running_while_it_is_running(tmp_path: Path, store: Path, read: Callable[[str], Any]) -> None:
    with started(START + "train(); run.flush(); print('go', flush=True); sys.stdin.readline()", tmp_path) as program:
        program.wait_for("go")
        run = read("r")
        assert run.state == "running"
        assert len(run.history("loss")) == 3
        assert [attempt.state for attempt in run.attempts] == ["running"]
        program.say("")
        program.end()
    assert read("r").state == "finished"


def test_a_restart_of_the_machine_is_told_from_a_kill(tmp_path: Path, store: Path) -> None:
    source = START.replace(
        "import treering", "import treering, treering.start\ntreering.start.boot_id = lambda: 'before'"
    )
    run_program(source + "train(); os._exit(1)", tmp_path)
    run = treering.Api(store).run("r")
    assert run.failure is not None
    assert "restarted or lost power" in run.failure["message"]
