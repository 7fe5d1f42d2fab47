"""How much a tracker slows a training step of about 0.5 ms that logs 5 scalars every time.

One process trains a small MLP on one thread, in stretches that log and stretches that do not, in the order A B B A.
Before a logging stretch is timed, the same loop runs untimed, so that background work is in full swing at its start as
at its end; after it, background work gets time to settle. Both kinds of stretch compute the same five numbers. The
figure is the median over pairs; the reference, which logs to nobody, shows what this machine resolves today.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any

from benchmarks.harness import Bench, Figure, Values

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.control import Control
    from benchmarks.trackers.base import LogFunction, Tracker

NEEDS_REFERENCE = True
FIGURES = (
    Figure(
        "slower_percent",
        "training step of 0.5 ms, 5 scalars each: slow-down",
        "%",
        1.0,
        pick="median",
        known=("trackio", 12.0),
    ),
    Figure(
        "spread_percent", "  its uncertainty (half the 95 % interval of the median)", "%", ratio=False, pick="median"
    ),
    Figure("step_us", "  the step without logging", "us", ratio=False, pick="median"),
)
PARAMETERS: dict[str, dict[str, Any]] = {
    "full": {"pairs": 16, "stretch_s": 1.5, "lead_in_s": 0.3, "settle_s": 0.3, "step_us": 500},
    "tiny": {"pairs": 1, "stretch_s": 0.05, "lead_in_s": 0.0, "settle_s": 0.0, "step_us": 200},
}
REPEATS = {"full": 2, "tiny": 1}
Step = Callable[[], tuple[float, float, float, float, float]]


def rep(bench: Bench) -> Values:
    child = bench.child()
    values = child.result()
    child.reap_orphans()
    return values


def child(tracker: Tracker, parameters: dict[str, Any], scratch: Path, control: Control) -> Values:
    step, step_s = _trainer(parameters["step_us"] / 1e6)
    tracker.load()
    log = tracker.init(scratch / "store", "training")
    steps = max(1, int(parameters["stretch_s"] / step_s))
    lead_in = int(parameters["lead_in_s"] / step_s)
    number = 0
    ratios: list[float] = []
    plain: list[float] = []
    for pair in range(parameters["pairs"]):
        spent: dict[bool, float] = {}
        for logging in (True, False) if pair % 2 else (False, True):
            _train(step, log if logging else None, lead_in, number)
            spent[logging] = _train(step, log if logging else None, steps, number + lead_in)
            number += lead_in + steps
            if logging:
                tracker.drain()
                time.sleep(parameters["settle_s"])
        ratios.append((spent[True] / spent[False] - 1) * 100)
        plain.append(spent[False] / steps * 1e6)
    tracker.finish()
    spread = _half_interval(ratios)
    return {"slower_percent": statistics.median(ratios), "spread_percent": spread, "step_us": statistics.median(plain)}


def _train(step: Step, log: LogFunction | None, steps: int, first: int) -> float:
    """Seconds for `steps` training steps."""
    start = time.perf_counter()
    if log is None:
        for _ in range(steps):
            step()
    else:
        for number in range(first, first + steps):
            loss, accuracy, norm, rate, scale = step()
            log({"loss": loss, "accuracy": accuracy, "grad_norm": norm, "lr": rate, "scale": scale}, number)
    return time.perf_counter() - start


def _trainer(wanted_s: float) -> tuple[Step, float]:
    """A training step of about `wanted_s` and what it takes; the batch is doubled until it is long enough."""
    torch: Any = import_module("torch")

    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(64, 128), torch.nn.ReLU(), torch.nn.Linear(128, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    batch = 16

    def make(batch: int) -> Step:
        inputs, labels = torch.randn(batch, 64), torch.randint(0, 10, (batch,))

        def step() -> tuple[float, float, float, float, float]:
            scores = model(inputs)
            loss = torch.nn.functional.cross_entropy(scores, labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            accuracy = (scores.argmax(1) == labels).float().mean().item()
            value = loss.item()
            return value, accuracy, value * 0.5, 1e-3, 1.0

        return step

    while True:
        step = make(batch)
        for _ in range(50):
            step()
        spent = statistics.median(_train(step, None, 20, 0) / 20 for _ in range(20))
        if spent >= wanted_s or batch > 1 << 14:
            return step, spent
        batch = int(batch * max(1.1, min(2.0, wanted_s / spent)))


def _half_interval(values: list[float]) -> float:
    """Half the width of the 95 % interval of the median, from order statistics; 0 for fewer than six values."""
    if len(values) < 6:
        return 0.0
    ordered, reach = sorted(values), 0.98 * len(values) ** 0.5
    low, high = int(len(values) / 2 - reach), int(len(values) / 2 + reach)
    return (ordered[min(high, len(values) - 1)] - ordered[max(low, 0)]) / 2
