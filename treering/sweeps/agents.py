"""An agent: leases trials, runs them one after the other, and keeps their leases alive meanwhile."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from treering.errors import TreeringError, UsageError
from treering.lease import boot_id, host_name
from treering.start import new_id
from treering.sweeps.config import config_of
from treering.sweeps.opening import checkpointed_runs, is_server, open_sweeps, place_of
from treering.sweeps.records import MOST_HELD, PAUSED, Agent, Orders, Result
from treering.sweeps.working import Options, Program, make_ticket, run_function

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from typing_extensions import Self

    from treering.sweeps.records import Offer, Sweep, Trial
    from treering.sweeps.store import Sweeps
    from treering.sweeps.ticket import Ticket

__all__ = ["Flapping", "run_agent"]

_BEATS_IN_A_LEASE = 4
_POLL_S = 0.1
# W&B's rules: so many failures in the agent's first seconds, or so many before the first success, and it gives up.
_FLAPPING_FAILURES, _FLAPPING_S = 3, 60.0
_INITIAL_FAILURES = 5
_LONGEST_SHOWN = 120
# How long an agent waits for a server that does not answer, and how often it looks.
_PATIENCE_S = 3600.0
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.2, 15.0

_Answer = TypeVar("_Answer")


class Flapping(TreeringError):  # noqa: N818  # W&B's word
    """Trials fail as soon as they start; the agent has given up."""


def run_agent(
    sweep_id: str,
    function: Callable[..., object] | None = None,
    *,
    count: int | None = None,
    place: str | None = None,
    options: Options | None = None,
    lease_s: float = 60.0,
    say: Callable[[str], None] | None = None,
) -> int:
    """Work on a sweep until it is over.

    Args:
        sweep_id: of a sweep in `place`.
        function: called for each trial; without it the sweep's command is run.
        count: trials to run at most.
        place: of the store, as `place_of` returns it.
        options: how programs are treated.
        lease_s: seconds without a sign after which this agent's trial goes to another.
        say: told what happens, a line at a time.

    Returns:
        How many trials were run.

    Raises:
        NotFound: no such sweep.
        Flapping: trials fail as soon as they start.
    """
    worker = _Worker(sweep_id, function, place or place_of(), options or Options(), lease_s, say or _nothing)
    return worker.work(count)


def _nothing(_text: str) -> None: ...


class _Worker:
    def __init__(
        self,
        sweep_id: str,
        function: Callable[..., object] | None,
        place: str,
        options: Options,
        lease_s: float,
        say: Callable[[str], None],
    ) -> None:
        self._sweep_id = sweep_id
        self._function = function
        self._place = place
        self._folder = None if "://" in place else Path(place.removeprefix("shared:"))
        self._options = options
        self._say = say
        self._me = _describe(lease_s)
        self._stopping = threading.Event()
        self._began_s = time.monotonic()
        self._failures = 0
        self._successes = 0
        self._told_of_pause = False

    def work(self, count: int | None) -> int:
        done = 0
        with open_sweeps(self._place) as sweeps, self._listening():
            sweep = self._insist(lambda: sweeps.sweep(self._sweep_id))
            if sweep is None:
                return 0
            config = config_of(sweep.config, sweep.name)
            if self._function is None and not config.program and "${program}" in config.command:
                raise UsageError(f"sweep {sweep.id} has no `program` to run; add it, or give a function to the agent")
            while (count is None or done < count) and not self._stopping.is_set():
                me = self._with_checkpoints()
                offer = self._insist(lambda: sweeps.lease(self._sweep_id, me))  # noqa: B023  # called here and now
                if offer is None:
                    break
                if offer.what == "over":
                    self._say(f"sweep {self._sweep_id} is over: {offer.reason}")
                    break
                if offer.trial is None:
                    self._wait(offer)
                    continue
                self._told_of_pause = False
                done += self._run(sweeps, sweep, offer.trial, goes_on=offer.goes_on)
        return done

    def _wait(self, offer: Offer) -> None:
        """Wait as long as the offer says; a pause may last for days, so whoever looks on is told of it, once."""
        if offer.reason == PAUSED and not self._told_of_pause:
            self._say(f"sweep {self._sweep_id} is paused; waiting until `treering sweep resume {self._sweep_id}`")
            self._told_of_pause = True
        self._stopping.wait(offer.wait_s)

    def _with_checkpoints(self) -> Agent:
        """Return this agent as a server is told of it: with the runs that can go on here, whose models stayed here."""
        if not is_server(self._place):
            return self._me
        held: list[str] = []
        with contextlib.suppress(TreeringError, OSError):
            held = checkpointed_runs(MOST_HELD)
        return msgspec.structs.replace(self._me, holds=tuple(held))

    def _run(self, sweeps: Sweeps, sweep: Sweep, trial: Trial, *, goes_on: bool) -> int:
        config = config_of(sweep.config, sweep.name)
        again = ""
        if trial.attempt > 1:
            where = "from its checkpoint" if goes_on else "from the beginning, as there is no checkpoint"
            elsewhere = " here or on the server" if is_server(self._place) and not goes_on else ""
            again = f", attempt {trial.attempt} {where}{elsewhere}"
        self._say(f"trial {trial.number}{again}: {_short(trial.params)}")
        ticket = make_ticket(self._place, sweep, config, trial, self._options)
        result = self._run_function(trial, ticket) if self._function else self._run_program(trial, ticket, config)
        if result is None:
            # Where this fails, its lease runs out.
            self._insist(lambda: sweeps.give_back(trial.key, "its agent was asked to end"))
            self._say(f"trial {trial.number} given back")
            return 0
        mine = self._insist(lambda: sweeps.finish(trial.key, result))
        self._say(f"trial {trial.number} {result.state}{f': {result.failure}' if result.failure else ''}")
        if mine:
            self._count(result)
        return 1

    def _insist(self, ask: Callable[[], _Answer]) -> _Answer | None:
        """Ask a server that may be away for a while; None where this agent is asked to end before it is back.

        Raises:
            Unreachable: it was away for longer than an agent waits.
        """
        from treering.online.client import Unreachable

        deadline_s, wait_s, told = time.monotonic() + _PATIENCE_S, _FIRST_WAIT_S, False
        while True:
            try:
                return ask()
            except Unreachable as error:
                if time.monotonic() > deadline_s:
                    raise
                if not told:
                    self._say(f"waiting for the server: {error}")
                    told = True
                # With chance in it, so that the agents of a server that was away do not come back all at once.
                if self._stopping.wait(wait_s * random.uniform(0.5, 1.0)):  # noqa: S311  # no secret
                    return None
                wait_s = min(wait_s * 1.5, _LONGEST_WAIT_S)

    def _run_function(self, trial: Trial, ticket: Ticket) -> Result | None:
        function = self._function
        if function is None:
            return None
        with _Heart(self._place, trial, self._me) as heart:
            try:
                result = run_function(function, ticket, self._folder)
            except KeyboardInterrupt:
                self._stopping.set()
                return None
        if heart.orders.order == "cancel":
            return Result("cancelled", result.summary, "cancelled")
        return result

    def _run_program(self, trial: Trial, ticket: Ticket, config: Any) -> Result | None:
        try:
            program = Program(ticket, config, self._folder, self._options)
        except OSError as error:
            return Result("failed", {}, f"the command could not be started: {error}")
        with _Heart(self._place, trial, self._me) as heart:
            while not program.wait(_POLL_S):
                program.obey(heart.orders)
                if self._stopping.is_set():
                    program.terminate()
        result = program.result()
        if self._stopping.is_set() and result.state != "finished":
            return None
        return result

    def _count(self, result: Result) -> None:
        """Give up where trials fail as soon as they start: the fault is not in the points."""
        if result.state != "failed":
            self._successes += 1
            return
        self._failures += 1
        if os.environ.get("WANDB_AGENT_DISABLE_FLAPPING", "").lower() in {"1", "true"}:
            return
        age_s = time.monotonic() - self._began_s
        if self._failures >= _FLAPPING_FAILURES and age_s < _FLAPPING_S:
            raise Flapping(
                f"{self._failures} trials failed within {age_s:.0f} s, so this agent ends; the last: {result.failure}. "
                "Run the command by hand to see why, or set WANDB_AGENT_DISABLE_FLAPPING=true"
            )
        if (
            self._failures >= int(os.environ.get("WANDB_AGENT_MAX_INITIAL_FAILURES", _INITIAL_FAILURES))
            and not self._successes
        ):
            raise Flapping(f"the first {self._failures} trials failed, so this agent ends; the last: {result.failure}")

    @contextlib.contextmanager
    def _listening(self) -> Generator[None]:
        """On SIGTERM, as a pod's preemption sends it, end the program and give the trial back."""
        if threading.current_thread() is not threading.main_thread() or self._function is not None:
            yield
            return
        before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

        def end_soon(number: int, frame: Any) -> None:
            self._stopping.set()
            handler = before[signal.Signals(number)]
            if callable(handler) and handler is not signal.default_int_handler:  # whose agents end with this one
                handler(number, frame)

        for number in before:
            signal.signal(number, end_soon)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


class _Heart:
    """Renews a trial's lease on a thread of its own, and hears the sweep's orders."""

    def __init__(self, place: str, trial: Trial, agent: Agent) -> None:
        self._place = place
        self._key = trial.key
        self._agent = agent
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="treering-agent", daemon=True)
        self.orders = Orders("", lost=False)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._ended.set()
        self._thread.join(10.0)

    def _beat(self) -> None:
        interval_s = min(self._agent.lease_s / _BEATS_IN_A_LEASE, 5.0)
        while not self._ended.wait(interval_s):
            with contextlib.suppress(TreeringError, OSError), open_sweeps(self._place) as sweeps:
                self.orders = sweeps.beat(self._key, self._agent)


def _describe(lease_s: float) -> Agent:
    import psutil

    started = psutil.Process().create_time()
    return Agent(new_id(), host_name(), boot_id(), os.getpid(), started, lease_s)


def _short(params: dict[str, Any]) -> str:
    text = ", ".join(f"{name}={value!r}" for name, value in params.items())
    return text if len(text) <= _LONGEST_SHOWN else f"{text[: _LONGEST_SHOWN - 3]}..."


def print_line(text: str) -> None:
    """Say what an agent does, to people."""
    print(f"treering: {text}", file=sys.stderr, flush=True)  # noqa: T201
