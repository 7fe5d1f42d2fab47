"""A sweep and its trials, as agents, stores and methods hand them to each other (all of it plain data)."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

__all__ = [
    "ENDED",
    "MOST_HELD",
    "PAUSED",
    "Agent",
    "Curve",
    "Key",
    "Offer",
    "Orders",
    "Prediction",
    "Result",
    "Sweep",
    "Trial",
    "thinned",
]

#: Pairs of (number of the call of `log` that had the metric, counted from 1; value), in order.
Curve = list[tuple[int, float]]
#: States of a trial that is over.
ENDED = frozenset({"finished", "stopped", "failed", "cancelled"})
#: Checkpoints that an agent tells a server of.
MOST_HELD = 200
#: Why an agent of a paused sweep waits.
PAUSED = "the sweep is paused"
# Up to here each point of a curve is kept, beyond it about this many between a number and its double.
_DENSE = 1024


class Key(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One attempt at one trial: what an agent holds. A trial that is given to another agent gets another attempt."""

    sweep: str
    number: int
    attempt: int


class Agent(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who works on trials.

    Attributes:
        id: unique.
        host, boot, pid, started: by which others on the same machine see that it is gone; pid 0 says nothing.
        lease_s: seconds without a sign after which its trials are given to others.
        holds: runs whose checkpoints lie on its machine; told where the store is elsewhere.
    """

    id: str
    host: str = ""
    boot: str = ""
    pid: int = 0
    started: float = 0.0
    lease_s: float = 60.0
    holds: tuple[str, ...] = ()


class Prediction(msgspec.Struct):
    """Where a trial that was stopped would have ended, as those that ended tell.

    Attributes:
        value: expected final value.
        low, high: between these with a chance of 9 in 10; None where too few have ended to say.
        count: calls of `log` when it was stopped.
        reason: the rule, in words.
    """

    value: float
    low: float | None
    high: float | None
    count: int
    reason: str


class Sweep(msgspec.Struct):
    """A sweep's own row.

    Attributes:
        state: running, paused, stopped, cancelled or finished.
        reason: why no more trials are made; "" while they are.
        config: as given; `treering.sweeps.config.config_of` reads it.
        source: the text that it was read from.
        created: trials made so far.
        prior: of earlier sweeps and runs: [point, values of the metrics].
        revision: grows with each change of the sweep or of a trial.
    """

    id: str
    project: str
    name: str
    state: str
    reason: str
    config: dict[str, Any]
    source: str | None
    created_us: int
    created: int
    revision: int
    prior: list[tuple[dict[str, Any], list[float]]] = []


class Trial(msgspec.Struct):
    """One point that is tried.

    Attributes:
        number: 0, 1, 2, ... in the order in which they were made.
        state: waiting, running, finished, stopped (early), failed or cancelled.
        point: flat values, see `Space`; `params`: what the program gets.
        origin: what made the point: "grid", "random", "given" (by the user), or a sampler's name.
        values: final values of the metrics, in the sweep's order.
        constraints: by how much each is broken, 0 or less where it is kept; NaN where its metric was not logged.
        order: "stop" or "cancel" where the program is to end.
        audited: it met the rule of early stopping and runs on all the same, to see whether the rule was right.
        deaths: agents that died over it.
        memory: what the sampler wants back (plain data).
        revision: the sweep's when this last changed.
    """

    sweep: str
    number: int
    state: str
    point: dict[str, Any]
    params: dict[str, Any]
    origin: str
    attempt: int
    run_id: str
    created_us: int
    started_us: int | None = None
    ended_us: int | None = None
    agent: str = ""
    values: list[float] | None = None
    constraints: list[float] | None = None
    curve: Curve = []
    order: str = ""
    audited: bool = False
    prediction: Prediction | None = None
    failure: str | None = None
    deaths: int = 0
    memory: dict[str, Any] | None = None
    revision: int = 0

    @property
    def key(self) -> Key:
        """The present attempt."""
        return Key(self.sweep, self.number, self.attempt)

    @property
    def count(self) -> int:
        """Calls of `log` that had the metric."""
        return self.curve[-1][0] if self.curve else 0


class Offer(msgspec.Struct):
    """What an agent that asks for work gets: a trial, or "wait", or "over" with the reason.

    Attributes:
        wait_s: seconds after which to ask again.
        goes_on: the trial's run has a checkpoint of an earlier attempt to go on from.
    """

    what: str
    trial: Trial | None = None
    reason: str = ""
    wait_s: float = 2.0
    goes_on: bool = False


class Orders(NamedTuple):
    """What an agent or a training is told.

    Attributes:
        order: "" to go on, "stop" to end well, "cancel" to end now.
        lost: the trial is no longer this agent's.
    """

    order: str
    lost: bool
    reason: str = ""


class Result(msgspec.Struct):
    """How a trial ended.

    Attributes:
        state: finished, stopped, failed or cancelled.
        summary: of its run, from which the values of metrics and constraints are taken.
    """

    state: str
    summary: dict[str, float] = {}
    failure: str | None = None


def thinned(count: int, bands: frozenset[int]) -> bool:
    """Tell whether the point of a curve with this number is kept: early ones, those at bands, ever fewer of others."""
    return count <= _DENSE or count in bands or count % (1 << (count.bit_length() - _DENSE.bit_length() + 1)) == 0
