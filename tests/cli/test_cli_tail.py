"""`treering tail`: a finished run, a living one, one that was killed."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

from commands import Call
from store_builder import StoreBuilder

from treering.api import Api


def test_tail_of_a_finished_run(store: StoreBuilder, call: Call) -> None:
    built = store.run("t").log([(step, {"loss": float(step)}) for step in range(20)])
    built.log(
        [(0, {"line": 0, "text": "hello", "source": "stdout"}), (0, {"line": 0, "text": "hello world"})], "console"
    )
    built.log([(0, {"kind": "alert", "title": "T", "message": "m", "level": "warn"})], "events")
    lines = call("tail", "t", "-n", "3").out.splitlines()
    assert lines[-3:] == ["step 18\tloss=18", "step 19\tloss=19", "finished"]
    everything = call("tail", "t", "-n", "100").out.splitlines()
    assert {"hello world", "warn alert\tT: m"} <= set(everything)
    assert "hello" not in everything
    assert call("tail", "t", "--keys", "nothing", "--no-console").out.splitlines() == ["warn alert\tT: m", "finished"]
    rows = [json.loads(line) for line in call("tail", "t", "-n", "2", "--json").out.splitlines()]
    assert [row["stream"] for row in rows] == ["history", "history", "state"]


LIVE = """
    import sys, time, treering
    run = treering.init(dir=sys.argv[1], id="live", settings=dict(
        flush_interval_s=0.1, system_interval_s=0, capture_git=False, capture_source=False, capture_environment=False))
    for step in range(30):
        run.log({"loss": step / 2})
        print("line", step)
        time.sleep(0.05)
    if len(sys.argv) > 2:
        import os, signal
        os.kill(os.getpid(), signal.SIGKILL)
    run.finish()
"""


def test_tail_follows_a_living_run_to_its_end(store_dir: Path) -> None:
    writer = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(LIVE), str(store_dir)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(lambda: (store_dir / "treering.db").exists() and "live" in subprocess_runs(store_dir))
        reader = subprocess.run(
            [sys.executable, "-m", "treering.cli", "tail", "live", "-n", "1000", "--json"],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
    finally:
        writer.wait(60)
    rows = [json.loads(line) for line in reader.stdout.splitlines()]
    assert [row["loss"] for row in rows if row["stream"] == "history"] == [step / 2 for step in range(30)]
    assert rows[-1] == {"stream": "state", "state": "finished", "failure": None}


def test_tail_notices_that_a_run_was_killed(store_dir: Path) -> None:
    writer = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(LIVE), str(store_dir), "kill"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(lambda: (store_dir / "treering.db").exists() and "live" in subprocess_runs(store_dir))
        reader = subprocess.run(
            [sys.executable, "-m", "treering.cli", "tail", "live"],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
    finally:
        assert writer.wait(60) == -signal.SIGKILL
    assert reader.stdout.splitlines()[-1].startswith("lost")
    assert "step 29\tloss=14.5" in reader.stdout
    assert "line 29" in reader.stdout


def subprocess_runs(store_dir: Path) -> str:
    return " ".join(run.id for run in Api(store_dir).runs())


def wait_for(condition: Callable[[], bool], timeout_s: float = 30.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
