"""What watching gradients costs: 10 million parameters in 60 tensors, each step logged.

Stretches that are watched and stretches that are not take turns in one process, with torch on one thread. What counts
is the process's CPU time, all its threads together (`idle_us`: that of the training thread), since the clock on the
wall tells on a shared machine more about the neighbours; what a tracker does in a process of its own is not in it.
`default_percent` is the slow-down with the watch as a user gets it, `histogram_percent` that of histograms of all
gradients and parameters in every step, which for TensorBoard means `add_histogram` in a loop, as its users write it.
The slow-down is that of each stretch against the one beside it, in the median; before a stretch counts, the watch has
found its interval. It comes with the noise of whole steps, a percent or two where the machine is quiet. Without that
noise, `hooks_percent` is the time inside the watch's hooks of the optimizer, which is what the training thread pays.
`idle_us` is what a step that is not looked at costs more, from a model of one small layer, where microseconds show.

Where there is a CUDA device, `device_percent` and `device_waits` are taken there: the slow-down, and how many times a
step that is looked at made the program wait for the device (torch itself tells of it).
"""

from __future__ import annotations

import statistics
import time
import warnings
from importlib import import_module
from typing import TYPE_CHECKING, Any

from benchmarks.harness import Bench, Figure, Values
from benchmarks.trackers.base import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from benchmarks.control import Control
    from benchmarks.trackers.base import LogFunction, Tracker

FIGURES = (
    Figure("default_percent", "gradient watch, 10 M parameters in 60 tensors: slow-down", "%", 2.0, pick="median"),
    Figure("hooks_percent", "  of it inside the hooks, on the training thread", "%", 2.0, pick="median"),
    Figure("idle_us", "  a step that is not looked at", "us", 5.0, pick="median"),
    Figure("look_percent", "  a step that is looked at (norms of all layers)", "%", ratio=False, pick="median"),
    Figure("histogram_percent", "  histograms of all gradients and parameters, each step", "%", pick="median"),
    Figure("step_ms", "  the step without", "ms", ratio=False, pick="median"),
)
PARAMETERS: dict[str, dict[str, Any]] = {
    "full": {"width": 577, "batch": 64, "stretch": 40, "settle": 40, "pairs": 9, "looks": 3, "idle": 2000},
    "tiny": {"width": 4, "batch": 4, "stretch": 5, "settle": 1, "pairs": 1, "looks": 1, "idle": 10},
}
REPEATS = {"full": 2, "tiny": 1}
_LAYERS = 30
_NEVER = 1_000_000_000


def rep(bench: Bench) -> Values:
    child = bench.child()
    values = child.result()
    child.reap_orphans()
    return values


def child(tracker: Tracker, parameters: dict[str, Any], scratch: Path, control: Control) -> Values:
    if tracker.name not in {"treering", "wandb offline", "tensorboard"}:
        raise UnavailableError("does not watch models")
    torch: Any = import_module("torch")
    torch.set_num_threads(1)
    tracker.load()
    log = tracker.init(scratch / "store", "watch")
    training = _Training(torch, parameters["width"], parameters["batch"], log)
    watch = _Watch(tracker)
    training.steps(3)
    values: Values = {}
    if tracker.name != "tensorboard":
        values["hooks_percent"] = _hooks_percent(training, parameters["settle"], parameters["stretch"], watch.default)
        pairs, stretch, settle = parameters["pairs"], parameters["stretch"], parameters["settle"]
        values["default_percent"] = _percent(training, pairs, stretch, watch.default, settle)
        values["idle_us"] = _idle_us(_Training(torch, 4, 4, _nothing, 1), watch, parameters["idle"])
        look: Callable[[Any], Callable[[], None]] = watch.every_step
        values["look_percent"] = _percent(training, pairs, parameters["looks"], look)
    values["histogram_percent"] = _percent(
        training, parameters["pairs"] // 2 or 1, parameters["looks"], watch.histograms
    )
    values["step_ms"] = training.steps(parameters["looks"]) * 1e3
    tracker.finish()
    return values


class _Training:
    def __init__(self, torch: Any, width: int, batch: int, log: LogFunction, layers: int = _LAYERS) -> None:
        torch.manual_seed(0)
        self.model: Any = torch.nn.Sequential(*(torch.nn.Linear(width, width) for _ in range(layers)))
        self.optimizer: Any = torch.optim.Adam(self.model.parameters(), 1e-4)
        self.number = 0
        self.clock: Callable[[], float] = time.process_time
        self.after_backward: Callable[[], None] = lambda: None
        self._inputs: Any = torch.randn(batch, width)
        self._log = log

    def steps(self, count: int) -> float:
        """Seconds of CPU time a step."""
        start = self.clock()
        for _ in range(count):
            loss = self.model(self._inputs).pow(2).mean()
            self.optimizer.zero_grad()
            loss.backward()
            self.after_backward()
            self.optimizer.step()
            self._log({"loss": loss.item()}, self.number)
            self.number += 1
        return (self.clock() - start) / count


class _Watch:
    """How each tracker's users watch; every method begins it and returns what ends it."""

    def __init__(self, tracker: Tracker) -> None:
        self._name = tracker.name
        self._run: Any = getattr(tracker, "_run", None)
        self._writer: Any = getattr(tracker, "_writer", None)

    def default(self, training: _Training) -> Callable[[], None]:
        return self._begin(training, {}, {})

    def never(self, training: _Training) -> Callable[[], None]:
        return self._begin(training, {"every": _NEVER}, {"log_freq": _NEVER})

    def every_step(self, training: _Training) -> Callable[[], None]:
        return self._begin(training, {"every": 1}, {"log_freq": 1})

    def histograms(self, training: _Training) -> Callable[[], None]:
        if self._name == "tensorboard":
            training.after_backward = lambda: self._add_histograms(training)
            return lambda: setattr(training, "after_backward", lambda: None)
        return self._begin(training, {"every": 1, "histograms": True}, {"log_freq": 1, "log": "all"})

    def _begin(self, training: _Training, ours: dict[str, Any], theirs: dict[str, Any]) -> Callable[[], None]:
        if self._name == "treering":
            watch = self._run.watch(training.model, training.optimizer, **ours)
            return lambda: self._run.end_watch(watch)
        self._run.watch(training.model, **theirs)
        return lambda: self._run.unwatch(training.model)

    def _add_histograms(self, training: _Training) -> None:
        for name, parameter in training.model.named_parameters():
            self._writer.add_histogram(name, parameter, training.number)
            self._writer.add_histogram(f"{name}.grad", parameter.grad, training.number)


def _nothing(_data: object, _step: int) -> None: ...


def _percent(
    training: _Training, pairs: int, steps: int, begin: Callable[[_Training], Callable[[], None]], settle: int = 1
) -> float:
    found: list[float] = []
    for pair in range(pairs):
        spent: dict[bool, float] = {}
        for watched in (True, False) if pair % 2 else (False, True):
            end = begin(training) if watched else None
            training.steps(settle if watched else 1)  # what is made or found out at the first steps
            spent[watched] = training.steps(steps)
            if end is not None:
                end()
        found.append((spent[True] / spent[False] - 1) * 100)
    return statistics.median(found)


def _hooks_percent(
    training: _Training, settle: int, steps: int, begin: Callable[[_Training], Callable[[], None]]
) -> float:
    """The share of the training thread's time that goes into hooks of the optimizer's step, or of gradients."""
    end = begin(training)
    training.steps(settle)
    spent_s = 0.0

    def around(hook: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*arguments: Any, **options: Any) -> Any:
            nonlocal spent_s
            start = time.thread_time()
            try:
                return hook(*arguments, **options)
            finally:
                spent_s += time.thread_time() - start

        return timed

    places: list[Any] = [training.optimizer._optimizer_step_pre_hooks, training.optimizer._optimizer_step_post_hooks]
    places += [one._backward_hooks for one in training.model.parameters() if one._backward_hooks]
    for hooks in places:
        for key, hook in hooks.items():
            hooks[key] = around(hook)
    start = time.thread_time()
    training.steps(steps)
    whole_s = time.thread_time() - start
    end()
    return spent_s / (whole_s - spent_s) * 100


def _idle_us(training: _Training, watch: _Watch, steps: int) -> float:
    """The least disturbed stretch with less the one without: what is looked for is small beside all disturbances."""
    few = 5
    training.clock = time.thread_time
    plain: list[float] = []
    watched: list[float] = []
    for _ in range(max(1, steps // (20 * few))):
        plain += [training.steps(few) for _ in range(10)]
        end = watch.never(training)
        training.steps(3)  # the first is looked at in any case
        watched += [training.steps(few) for _ in range(10)]
        end()
        training.steps(3)
    return (min(watched) - min(plain)) * 1e6


def on_device() -> Values:
    """The same on a CUDA device, where there is one: `python -m benchmarks.measures.watch`."""
    torch: Any = import_module("torch")
    if not torch.cuda.is_available():
        raise UnavailableError("no CUDA device here")
    import treering

    device = torch.device("cuda")
    model: Any = torch.nn.Sequential(*(torch.nn.Linear(577, 577) for _ in range(_LAYERS))).to(device)
    optimizer: Any = torch.optim.AdamW(model.parameters(), 1e-4)
    inputs: Any = torch.randn(4096, 577, device=device)

    def steps(count: int) -> float:
        torch.cuda.synchronize()
        start = time.perf_counter()
        for _ in range(count):
            optimizer.zero_grad()
            model(inputs).pow(2).mean().backward()
            optimizer.step()
        torch.cuda.synchronize()
        return (time.perf_counter() - start) / count

    steps(20)
    found: list[float] = []
    waits = 0
    with treering.init(project="bench") as run:
        for options in ({}, {"every": 1}, {"every": 1, "histograms": True}):
            watch = run.watch(model, optimizer, **options)
            steps(5)
            torch.cuda.set_sync_debug_mode("warn")
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                for _ in range(5):
                    optimizer.zero_grad()
                    model(inputs).pow(2).mean().backward()
                    optimizer.step()
            torch.cuda.set_sync_debug_mode("default")
            waits += sum("synchroniz" in str(one.message) for one in caught)
            run.end_watch(watch)
            ratios: list[float] = []
            for _ in range(5):
                plain = steps(200)
                watch = run.watch(model, optimizer, **options)
                steps(5)
                ratios.append(steps(200) / plain)
                run.end_watch(watch)
            found.append((statistics.median(ratios) - 1) * 100)
    return {
        "device_percent": found[0],
        "device_look_percent": found[1],
        "device_histogram_percent": found[2],
        "device_waits": waits,
    }


if __name__ == "__main__":
    print(on_device())
