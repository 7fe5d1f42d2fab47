"""The console of real programs: progress bars, a forked child, an uncaught exception, a kernel."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest


def run(program: str) -> Any:
    """Run a program that prints to real streams, and give back what it says last in a file of its own."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "result.json"
        subprocess.run(
            [sys.executable, "-W", "error", "-c", PREAMBLE.replace("PATH", repr(str(path))) + program],
            check=True,
            timeout=100,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        return json.loads(path.read_text())


PREAMBLE = """
import json, os, sys, threading, time
from treering.capture.console import Console
rows = []
console = Console(rows.append)
console.start()
stop = threading.Event()
def tick():
    while not stop.wait(0.2):
        console.tick()
ticker = threading.Thread(target=tick)
ticker.start()
def finish(**more):
    stop.set()
    ticker.join()
    console.stop()
    last = {row["line"]: (row["source"], row["text"]) for row in rows}
    lines = [last[number] for number in sorted(last)]
    with open(PATH, "w") as file:
        json.dump({"rows": len(rows), "lines": lines, "failures": console.failures, **more}, file)
"""


def test_tqdm() -> None:
    pytest.importorskip("tqdm")
    result = run("""
from tqdm import tqdm
for step in tqdm(range(10_000), desc="train", mininterval=0, miniters=1):
    if step % 2_500 == 0:
        tqdm.write(f"step {step}")
        print("printed", step)
finish()
""")
    assert result["failures"] == 0
    bars = [text for source, text in result["lines"] if source == "stderr"]
    assert len(bars) == 1
    assert bars[0].startswith("train: 100%|")
    assert "10000/10000" in bars[0]
    messages = [text for source, text in result["lines"] if source == "stdout"]
    assert messages == [f"{word} {step}" for step in range(0, 10_000, 2_500) for word in ("step", "printed")]
    assert result["rows"] < 8 + 12


def test_tqdm_with_bars_inside_one_another() -> None:
    pytest.importorskip("tqdm")
    result = run("""
from tqdm import tqdm
for epoch in tqdm(range(3), desc="epochs", position=0, mininterval=0):
    for step in tqdm(range(500), desc="steps", position=1, leave=False, mininterval=0):
        pass
sys.stderr.write("\\nafter\\n")
finish()
""")
    lines = [text for _, text in result["lines"] if text]
    assert len(lines) == 2
    assert "3/3" in lines[0]
    assert lines[1] == "after"
    assert result["rows"] < 30


def test_rich_progress() -> None:
    result = run("""
from rich.console import Console as Rich
from rich.progress import Progress
rich = Rich(force_terminal=True, width=80)
print("before")
with Progress(console=rich, refresh_per_second=1000, auto_refresh=False) as progress:
    tasks = [progress.add_task(name, total=300) for name in ("first", "second", "third")]
    for step in range(300):
        for task in tasks:
            progress.update(task, advance=1)
        progress.refresh()
        if step % 100 == 0:
            rich.print(f"[bold]step[/bold] {step}")
print("after")
finish()
""")
    texts = [text for _, text in result["lines"]]
    plain = [
        "".join(part if at == 0 else part.partition("m")[2] for at, part in enumerate(t.split("\x1b["))) for t in texts
    ]
    assert plain[:4] == ["before", "step 0", "step 100", "step 200"]
    assert [line.split()[0] for line in plain[4:]] == ["first", "second", "third", "after"]
    assert all("100%" in line for line in plain[4:7])
    assert any("\x1b[" in text for text in texts)
    assert result["rows"] < 60
    assert result["failures"] == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_prints_and_is_not_recorded() -> None:
    result = run("""
import warnings
warnings.simplefilter("ignore", DeprecationWarning)  # forking with threads is what is tested
def noise():
    for number in range(5_000):
        sys.stdout.write(f"parent {number}\\n")
threads = [threading.Thread(target=noise) for _ in range(3)]
for thread in threads:
    thread.start()
codes = []
for _ in range(20):
    child = os.fork()
    if child == 0:
        print("child")  # must not wait for a lock that a thread of the parent held
        sys.stderr.write("child\\r\\n")
        console.tick()
        console.stop()
        print("child again")
        os._exit(0 if not any("child" in row["text"] for row in rows) else 1)
    codes.append(os.waitpid(child, 0)[1])
for thread in threads:
    thread.join()
finish(codes=codes)
""")
    assert result["codes"] == [0] * 20
    assert len(result["lines"]) == 15_000
    assert not any("child" in text for _, text in result["lines"])


def test_an_uncaught_exception_is_on_record() -> None:
    result = run("""
def hook(kind, value, trace, original=sys.excepthook):
    original(kind, value, trace)
    finish()
sys.excepthook = hook
os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
try:
    raise ValueError("boom")
except ValueError:
    sys.excepthook(*sys.exc_info())
""")
    texts = [text for source, text in result["lines"] if source == "stderr"]
    assert texts[0] == "Traceback (most recent call last):"
    assert texts[-1] == "ValueError: boom"


def test_in_a_real_kernel(tmp_path: Path) -> None:
    manager = pytest.importorskip("jupyter_client.manager")
    pytest.importorskip("ipykernel")
    kernel, client = manager.start_new_kernel(kernel_name="python3", cwd=str(tmp_path))
    shown: list[str] = []

    def execute(code: str) -> None:
        client.execute_interactive(
            code, timeout=60, output_hook=lambda message: shown.append(message["content"].get("text", ""))
        )

    try:
        execute(
            "import json, sys; from treering.capture.console import Console; rows = []\n"
            "console = Console(rows.append); console.start(); print('first')"
        )
        execute("print('second'); sys.stderr.write('\\r1%'); sys.stderr.write('\\r2%\\n')")
        before = "".join(shown)
        execute("console.stop(); print(json.dumps([[row['source'], row['text']] for row in rows]))")
    finally:
        client.stop_channels()
        kernel.shutdown_kernel(now=True)
    rows = json.loads("".join(shown)[len(before) :])
    assert rows == [["stdout", "first"], ["stdout", "second"], ["stderr", "2%"]]
    assert "first\n" in before  # and the notebook shows it as ever
