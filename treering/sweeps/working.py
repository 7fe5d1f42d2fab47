"""Running one trial: a function in this process, or a program in one of its own."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import msgspec

from treering.online.credentials import find_server
from treering.sweeps.command import build_command
from treering.sweeps.link import TrialStopped
from treering.sweeps.opening import is_server
from treering.sweeps.records import Result
from treering.sweeps.ticket import PARAM_PATH, Ticket, set_ticket

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from treering.sweeps.config import SweepConfig
    from treering.sweeps.records import Orders, Sweep, Trial

__all__ = ["Options", "Program", "make_ticket", "run_function"]

_PR_SET_PDEATHSIG = 1
# A program that is told to stop by its own `log` gets this long for it, before it is told by a signal.
_STOP_GRACE_S = 120.0
# Agents started side by side by a launcher have ranks among each other; the program of each trains alone.
_OF_THE_AGENT = frozenset(
    ("RANK", "LOCAL_RANK", "NODE_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "SLURM_PROCID", "OMPI_COMM_WORLD_RANK")
)


class Options(msgspec.Struct):
    """How an agent treats its programs.

    Attributes:
        term_timeout_s: from SIGTERM to SIGKILL.
        report_interval_s: seconds between two reports of a training.
        cwd: working folder of programs; None for the agent's.
    """

    term_timeout_s: float = 30.0
    report_interval_s: float = 1.0
    cwd: str | None = None


def make_ticket(place: str, sweep: Sweep, config: SweepConfig, trial: Trial, options: Options) -> Ticket:
    """Return what the trial's process is told."""
    bands = config.early_stop.bands if config.early_stop else ()
    return Ticket(
        place=place,
        key=trial.key,
        run_id=trial.run_id,
        project=sweep.project,
        params=trial.params,
        entity=config.entity or "",
        metric=config.metric.name if config.metric else "",
        bands=list(bands),
        count=trial.count,
        interval_s=options.report_interval_s,
    )


def run_function(function: Callable[..., object], ticket: Ticket, folder: Path | None) -> Result:
    """Call a function that calls `treering.init`, as a trial.

    Returns:
        How it ended. KeyboardInterrupt goes on up.
    """
    from treering.active import live_runs

    before = set(live_runs())
    set_ticket(ticket)
    variables = {"TREERING_SWEEP_ID": ticket.key.sweep, "TREERING_TRIAL": str(ticket.key.number)}
    if folder is not None:
        variables["TREERING_DIR"] = str(folder)
    variables |= _of_the_server(ticket.place) | _of_the_team(ticket)
    try:
        with _environment(variables):
            value = function()
    except TrialStopped:
        value = None
    except (Exception, SystemExit) as error:
        if isinstance(error, SystemExit) and not error.code:
            return _conclude(before, ticket, None, None)
        return _conclude(before, ticket, error, None)
    except BaseException as error:
        _conclude(before, ticket, error, None)
        raise
    finally:
        set_ticket(None)
    return _conclude(before, ticket, None, value)


def _of_the_server(place: str) -> dict[str, str]:
    """Return what brings the runs of a server's sweep to that server; who says where they go is heard."""
    if not is_server(place):
        return {}
    found = {"TREERING_URL": place}
    key = find_server(place, os.environ.get("TREERING_API_KEY")).key
    if key != os.environ.get("TREERING_API_KEY"):
        found["TREERING_API_KEY"] = key  # of WANDB_API_KEY, or of a login whose folder the program may not see
    return found if os.environ.get("TREERING_MODE") else {**found, "TREERING_MODE": "online"}


def _of_the_team(ticket: Ticket) -> dict[str, str]:
    return dict.fromkeys(("TREERING_ENTITY", "WANDB_ENTITY"), ticket.entity) if ticket.entity else {}


@contextlib.contextmanager
def _environment(variables: Mapping[str, str]) -> Any:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _conclude(before: set[Any], ticket: Ticket, error: BaseException | None, value: object) -> Result:
    """End the runs that the function left open, and put its result together."""
    from treering.active import live_runs
    from treering.failures import state_after

    for run in live_runs():
        if run not in before:
            run.finish(state_after(error) if error is not None else None, error)
    summary = dict(ticket.result.summary) if ticket.result is not None else {}
    if isinstance(value, (int, float)) and ticket.metric:  # a function that returns its metric needs no run
        summary.setdefault(ticket.metric, float(value))
    elif isinstance(value, dict):
        numbers = cast("dict[str, Any]", value).items()
        summary.update({name: float(one) for name, one in numbers if isinstance(one, (int, float))})
    if error is None:
        return Result("finished", summary)
    text = "".join(traceback.format_exception_only(type(error), error)).strip()
    return Result("failed", summary, text)


class Program:
    """A trial's command, running.

    Args:
        ticket: of the trial.
        config: of the sweep: its command.
        folder: of the store, where it is one.
        options: how it is treated.
    """

    def __init__(self, ticket: Ticket, config: SweepConfig, folder: Path | None, options: Options) -> None:
        self._options = options
        self._place = Path(tempfile.mkdtemp(prefix="treering-trial-"))
        self._ticket = ticket
        ticket.result_path = str(self._place / "result")
        self._signalled_s: float | None = None
        self._stop_asked_s: float | None = None
        self.cancelled = False
        try:
            words = build_command(config.command, config.program, ticket.params, str(self._place / "params.json"))
            environment = self._write(folder)
            self.process = subprocess.Popen(
                words,
                env=environment,
                cwd=options.cwd,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                preexec_fn=_die_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509  # one system call
            )
        except BaseException:
            shutil.rmtree(self._place, ignore_errors=True)
            raise

    def _write(self, folder: Path | None) -> dict[str, str]:
        """Write the files that the program may read, and return its environment."""
        ticket = self._ticket
        (self._place / "ticket.json").write_bytes(msgspec.json.encode(ticket))
        (self._place / "params.json").write_text(json.dumps(ticket.params, ensure_ascii=False), encoding="utf-8")
        # W&B's own form: YAML, of which JSON is a part.
        theirs = {"wandb_version": 1, **{name: {"value": value} for name, value in ticket.params.items()}}
        (self._place / "wandb.yaml").write_text(json.dumps(theirs, ensure_ascii=False), encoding="utf-8")
        environment = {
            **{name: value for name, value in os.environ.items() if name not in _OF_THE_AGENT},
            "TREERING_SWEEP_ID": ticket.key.sweep,
            "TREERING_TRIAL": str(ticket.key.number),
            "TREERING_PROJECT": ticket.project,
            PARAM_PATH: str(self._place / "ticket.json"),
            "WANDB_SWEEP_ID": ticket.key.sweep,
            "WANDB_RUN_ID": ticket.run_id,
            "WANDB_SWEEP_PARAM_PATH": str(self._place / "wandb.yaml"),
        }
        if folder is not None:
            environment["TREERING_DIR"] = str(folder)
        environment |= _of_the_server(ticket.place) | _of_the_team(ticket)
        if ticket.place.startswith("shared:"):
            environment["TREERING_MODE"] = "offline"  # its run goes into a file of its own, which nobody else writes
        return environment

    def obey(self, orders: Orders) -> None:
        """Do what the sweep wants: a training that is to stop does so by itself, or gets a signal in the end."""
        now_s = time.monotonic()
        if orders.lost or orders.order == "cancel":
            self.cancelled = True
            self.terminate()
        elif orders.order == "stop":
            self._stop_asked_s = self._stop_asked_s or now_s
            if now_s - self._stop_asked_s > _STOP_GRACE_S:
                self.terminate()

    def terminate(self) -> None:
        """Send SIGTERM, and later SIGKILL, to the program and all that it started."""
        now_s = time.monotonic()
        if self._signalled_s is None:
            self._signalled_s = now_s
            self.send(signal.SIGTERM)
        elif now_s - self._signalled_s > self._options.term_timeout_s:
            self.send(getattr(signal, "SIGKILL", signal.SIGTERM))

    def send(self, number: int) -> None:
        """Send a signal to the program and all that it started."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if hasattr(os, "killpg"):
                os.killpg(self.process.pid, number)
            else:
                self.process.terminate()

    def wait(self, timeout_s: float) -> bool:
        """Wait for the end; False when time runs out."""
        try:
            self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return False
        return True

    def result(self) -> Result:
        """Return how it ended, and clear up behind it."""
        code = self.process.returncode
        self.send(getattr(signal, "SIGKILL", signal.SIGTERM))  # what it started and left behind
        found = Result("finished")
        with contextlib.suppress(OSError, msgspec.MsgspecError):
            found = msgspec.msgpack.decode((self._place / "result").read_bytes(), type=Result)
        shutil.rmtree(self._place, ignore_errors=True)
        if self.cancelled:
            return Result("cancelled", found.summary, "cancelled")
        if code and self._stop_asked_s is None:
            return Result("failed", found.summary, _ended_by(code))
        return Result("finished", found.summary)


def _ended_by(code: int) -> str:
    if code < 0:
        with contextlib.suppress(ValueError):
            return f"the program was ended by {signal.Signals(-code).name}"
    return f"the program ended with exit code {code}"


_libc: Any = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def _die_with_parent() -> None:
    """Have the kernel end the program when its agent dies: the trial is then somebody else's."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
