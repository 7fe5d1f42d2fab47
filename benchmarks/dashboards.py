"""Dashboards of others, for comparison: how 12 runs get into them, how they are started, where their curves are.

Each runs as its users start it, with a store of its own. A chart is there when something on the page has been drawn
that is no icon: long paths in a wide SVG, or coloured pixels on a canvas.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.process import MeasureError, clean_environ
from benchmarks.trackers.base import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Generator

__all__ = ["DASHBOARDS", "DRAWN", "Dashboard", "installed_mb", "served"]

_HERE = Path(__file__).resolve().parent

#: What tells in a page how its charts look: "" while there is none. Shadow trees are looked into as well.
DRAWN = """() => {
  const roots = [document];
  let told = '';
  while (roots.length) {
    const root = roots.pop();
    for (const one of root.querySelectorAll('*')) if (one.shadowRoot) roots.push(one.shadowRoot);
    for (const svg of root.querySelectorAll('svg')) {
      if (svg.getBoundingClientRect().width < 100) continue;
      const lines = Array.from(svg.querySelectorAll('path'), (path) => path.getAttribute('d') ?? '').join('');
      if (lines.length > 1500) told += lines.length + lines.slice(-40);
    }
    for (const canvas of root.querySelectorAll('canvas')) {
      if (canvas.width < 80 || canvas.height < 60) continue;
      const small = new OffscreenCanvas(64, 48);
      const context = small.getContext('2d', {willReadFrequently: true});
      context.drawImage(canvas, 0, 0, 64, 48);
      const {data} = context.getImageData(0, 0, 64, 48);
      let colour = 0, sum = 0;
      for (let i = 0; i < data.length; i += 4) {
        if (data[i + 3] > 20 && Math.max(...data.slice(i, i + 3)) - Math.min(...data.slice(i, i + 3)) > 40) colour++;
        sum = (sum * 31 + data[i] + data[i + 1] + data[i + 2]) % 1000003;
      }
      if (colour > 8) told += `c${sum}`;
    }
  }
  return told; }"""

_FILL = """
import sys, math
runs, points, store = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
def loss(run, step): return math.exp(-step / (points / 5)) + run / 20
def acc(run, step): return 1 - math.exp(-step / (points / 5)) - run / 200
"""


class Dashboard:
    """One of them.

    Attributes:
        name: of its tracker here.
        package: on the index.
        python: that has it.
        fill: program that writes runs: a text after `_FILL`.
        live: program that opens a run, and logs one far value for each line that it is given.
        page: where its charts are.
    """

    name = ""
    package = ""
    python = sys.executable
    fill = ""
    live = ""
    page = "/"

    def command(self, store: Path, port: int) -> list[str]:
        """Return how it is started."""
        raise NotImplementedError

    def environ(self, store: Path) -> dict[str, str]:
        """Return what its processes need."""
        return {}

    def run(self, program: str, *arguments: str, store: Path) -> subprocess.Popen[str]:
        """Start a program with it."""
        return subprocess.Popen(
            [self.python, "-c", program, *arguments],
            env={**clean_environ(), **self.environ(store)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def write(self, store: Path, runs: int, points: int) -> None:
        """Write runs with two curves."""
        store.mkdir(parents=True, exist_ok=True)
        process = self.run(_FILL + self.fill, str(runs), str(points), str(store), store=store)
        process.communicate()
        if process.returncode:
            raise MeasureError(f"{self.name} could not be filled: exit status {process.returncode}")


class _Mlflow(Dashboard):
    name, package = "mlflow", "mlflow"
    python = str(Path(os.environ.get("TREERING_BENCH_MLFLOW") or sys.prefix, "bin", "python"))
    fill = """
import mlflow, time
from mlflow.entities import Metric
mlflow.set_tracking_uri(f"sqlite:///{store}/mlflow.db")
mlflow.set_experiment("small")
client = mlflow.MlflowClient()
for run in range(runs):
    with mlflow.start_run(run_name=f"run{run}") as found:
        mlflow.log_param("lr", run)
        for key, curve in (("loss", loss), ("acc", acc)):
            for start in range(0, points, 1000):
                now = int(time.time() * 1000)
                metrics = [Metric(key, curve(run, step), now, step) for step in range(start, min(points, start + 1000))]
                client.log_batch(found.info.run_id, metrics=metrics)
"""
    live = """
import mlflow, sys, time
mlflow.set_tracking_uri(f"sqlite:///{sys.argv[1]}/mlflow.db")
mlflow.set_experiment("small")
mlflow.start_run(run_name="live")
for step in range(100):
    mlflow.log_metric("loss", 1.0 + step / 100, step=step)
print("ready", flush=True)
for step, line in enumerate(sys.stdin):
    mlflow.log_metric("loss", 50.0 + 10 * step, step=5000 + step)
    print(time.time(), flush=True)
"""
    page = "/#/experiments/1/runs?compareRunsMode=CHART"

    def command(self, store: Path, port: int) -> list[str]:
        uri = f"sqlite:///{store}/mlflow.db"
        return [self.python, "-m", "mlflow", "ui", "--port", str(port), "--backend-store-uri", uri]

    def environ(self, store: Path) -> dict[str, str]:
        return {"MLFLOW_ENABLE_TELEMETRY": "false", "DO_NOT_TRACK": "true", "GIT_PYTHON_REFRESH": "quiet"}


class _Tensorboard(Dashboard):
    name, package = "tensorboard", "tensorboard"
    fill = """
from tensorboard.summary.writer.event_file_writer import EventFileWriter
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
for run in range(runs):
    writer = EventFileWriter(f"{store}/run{run}")
    for step in range(points):
        curves = (("loss", loss), ("acc", acc))
        values = [Summary.Value(tag=key, simple_value=curve(run, step)) for key, curve in curves]
        writer.add_event(Event(step=step, wall_time=1.7e9 + step, summary=Summary(value=values)))
    writer.close()
"""
    live = """
import sys, time
from tensorboard.summary.writer.event_file_writer import EventFileWriter
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
writer = EventFileWriter(f"{sys.argv[1]}/live")
def log(step, value):
    summary = Summary(value=[Summary.Value(tag="loss", simple_value=value)])
    writer.add_event(Event(step=step, wall_time=time.time(), summary=summary))
    writer.flush()
for step in range(100):
    log(step, 1.0 + step / 100)
print("ready", flush=True)
for step, line in enumerate(sys.stdin):
    log(5000 + step, 50.0 + 10 * step)
    print(time.time(), flush=True)
"""
    page = "/#timeseries"

    def command(self, store: Path, port: int) -> list[str]:
        return [self.python, "-m", "tensorboard.main", "--logdir", str(store), "--port", str(port)]


class _Trackio(Dashboard):
    name, package = "trackio", "trackio"
    fill = """
from trackio.sqlite_storage import SQLiteStorage
for run in range(runs):
    rows = [{"loss": loss(run, step), "acc": acc(run, step)} for step in range(points)]
    SQLiteStorage.bulk_log("small", f"run{run}", rows, steps=list(range(points)))
"""
    live = """
import sys, time, trackio
run = trackio.init(project="small", name="live", embed=False)
for step in range(100):
    run.log({"loss": 1.0 + step / 100}, step)
print("ready", flush=True)
for step, line in enumerate(sys.stdin):
    run.log({"loss": 50.0 + 10 * step}, 5000 + step)
    print(time.time(), flush=True)
"""
    page = "/?project=small"

    def command(self, store: Path, port: int) -> list[str]:
        program = "import sys, trackio; trackio.show(project='small', open_browser=False, block_thread=True)"
        return [self.python, "-c", program]

    def environ(self, store: Path) -> dict[str, str]:
        return {"TRACKIO_DIR": str(store), "HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}


class _Optuna(Dashboard):
    name, package = "optuna_dashboard", "optuna-dashboard"
    fill = """
import optuna
optuna.logging.set_verbosity(optuna.logging.ERROR)
study = optuna.create_study(study_name="small", storage=f"sqlite:///{store}/optuna.db")
def objective(trial):
    x = trial.suggest_float("lr", 0, 1)
    for step in range(0, points, max(1, points // 50)):
        trial.report(loss(trial.number, step), step)
    return loss(trial.number, points) + x
study.optimize(objective, n_trials=max(runs, 100))
"""
    live = ""
    page = "/dashboard/studies/1"

    def command(self, store: Path, port: int) -> list[str]:
        program = "from optuna_dashboard._cli import main; main()"
        return [self.python, "-c", program, f"sqlite:///{store}/optuna.db", "--port", str(port)]


DASHBOARDS: dict[str, Dashboard] = {one.name: one for one in (_Mlflow(), _Tensorboard(), _Trackio(), _Optuna())}


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def served(dashboard: Dashboard, store: Path, wait_s: float = 120.0) -> Generator[str]:
    """Start a dashboard and give its address once it answers."""
    port = _free_port()
    ports = {"GRADIO_SERVER_PORT": str(port), "TRACKIO_SERVER_PORT": str(port), "PORT": str(port)}
    log = store.parent / f"{dashboard.name}.log"
    with log.open("w") as told:
        process = subprocess.Popen(
            dashboard.command(store, port),
            env={**clean_environ(), **ports, **dashboard.environ(store)},
            stdout=told,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield _answering(dashboard, process, port, log, wait_s)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, 15)
        with suppress(subprocess.TimeoutExpired):
            process.wait(20)


def _answering(dashboard: Dashboard, process: subprocess.Popen[bytes], port: int, log: Path, wait_s: float) -> str:
    deadline_s = time.monotonic() + wait_s
    while time.monotonic() < deadline_s:
        if process.poll() is not None:
            break
        for candidate in {port, *_named_ports(log)}:
            with suppress(OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{candidate}/", timeout=5).close()
                return f"http://127.0.0.1:{candidate}"
        time.sleep(0.2)
    raise UnavailableError(f"{dashboard.name} has not started: {log.read_text()[-300:]}")


def _named_ports(log: Path) -> set[int]:
    """Return the ports that a dashboard has said it listens at: one of them chooses its own."""
    import re

    return {int(found) for found in re.findall(r"http://(?:127\.0\.0\.1|localhost):(\d+)", log.read_text())}


_SIZES = """
import sys, os
try:
    import tomllib
except ImportError:
    import tomli as tomllib
from importlib.metadata import distribution, PackageNotFoundError
from packaging.requirements import Requirement
waiting, seen, size = [sys.argv[1]], set(), 0
while waiting:
    name = waiting.pop().lower().replace("_", "-")
    if name in seen:
        continue
    seen.add(name)
    try:
        found = distribution(name)
    except PackageNotFoundError:
        continue
    requires = found.requires or ()
    if name == "treering":  # this tree's: an editable installation keeps the list that it was made with
        with open("pyproject.toml", "rb") as file:
            requires = tomllib.load(file)["project"]["dependencies"]
    for text in requires:
        wanted = Requirement(text)
        if wanted.marker is None or wanted.marker.evaluate({"extra": ""}):
            waiting.append(wanted.name)
    if name == "treering":
        continue
    for file in found.files or ():
        if "__pycache__" not in str(file):
            try:
                size += os.path.getsize(file.locate())
            except OSError:
                pass
print(size)
"""


def installed_mb(package: str, python: str = sys.executable) -> float:
    """Return the megabytes of a package with all that it requires, as installed; compiled files are not counted."""
    told = subprocess.run(
        [python, "-c", _SIZES, package], capture_output=True, text=True, check=False, cwd=_HERE.parent
    )
    if told.returncode:
        raise MeasureError(f"the size of {package} is unknown: {told.stderr[-300:]}")
    own = 0
    if package == "treering":
        for folder in ("treering", "callbacks", "integrations"):
            files = (_HERE.parent / folder).rglob("*")
            own += sum(one.stat().st_size for one in files if one.is_file() and "__pycache__" not in one.parts)
    return (int(told.stdout) + own) / 1e6
