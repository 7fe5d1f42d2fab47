"""What a framework's callback costs on the training thread, per training step.

A small model is really trained with the framework: with the callback at default settings, its own and those of the
framework (Lightning logs each 50th step, Transformers each 500th, Keras's callback each 10th; SB3's A2C dumps its
logger each 500 steps of the environment and ends an episode each 20 to 50; with Accelerate the program says what is
logged, here each step), and with each step logged. Within a training the callback is taken away for 50 steps and put
back for 50, by turns. The first steps do not count.

`..._us` is the time inside the callback's hooks, and those of the logger that goes with it, by the clock on the wall
around each call that the framework makes, less what a hook that does nothing reads there; a call into which the system
let another program does not count.
`..._added_us` is how much longer, in CPU time of the training thread, the whole steps are with the callback than the
ones beside them without: there the framework's own work for whoever logs is in it, what the hooks drive out of the
caches, and the noise of whole steps. `lightning_bare_us` is the same for a logger and a callback that do nothing at
all, which is Lightning's share. What was there before is frozen for the garbage collector, whose passes over all of
torch would else fall to whoever happens to allocate next.

Peers are the callbacks that wandb ships or the framework ships for it.
"""

from __future__ import annotations

import atexit
import functools
import gc
import os
import resource
import shutil
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from importlib import import_module
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from benchmarks.harness import Bench, Figure, Values
from benchmarks.trackers.base import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from benchmarks.control import Control
    from benchmarks.trackers.base import Tracker

FIGURES = (
    Figure("lightning_us", "hooks on the training thread, a step at default settings: Lightning", "us", 20.0),
    Figure("keras_us", "  Keras", "us", 20.0),
    Figure("transformers_us", "  Transformers", "us", 20.0),
    Figure("sb3_us", "  Stable-Baselines3 (a step is one of the environment)", "us", 20.0),
    Figure("accelerate_us", "  Accelerate, each step logged", "us", 20.0),
    Figure("lightning_each_us", "the same, each step logged: Lightning", "us"),
    Figure("keras_each_us", "  Keras", "us"),
    Figure("transformers_each_us", "  Transformers", "us"),
    Figure("sb3_each_us", "  Stable-Baselines3 (each update dumped: five steps)", "us"),
    Figure("lightning_added_us", "the whole step longer by, default settings: Lightning", "us", ratio=False),
    Figure("lightning_bare_us", "    with a logger and callback that do nothing", "us", ratio=False),
    Figure("keras_added_us", "  Keras", "us", ratio=False),
    Figure("transformers_added_us", "  Transformers", "us", ratio=False),
    Figure("sb3_added_us", "  Stable-Baselines3", "us", ratio=False),
    Figure("accelerate_added_us", "  Accelerate", "us", ratio=False),
)
PARAMETERS: dict[str, dict[str, Any]] = {
    "full": {"warm": 100, "pairs": 6, "block": 50, "rounds": 4},
    "tiny": {"warm": 5, "pairs": 2, "block": 5, "rounds": 1},
}
REPEATS = {"full": 1, "tiny": 1}
_EMPTY = "a hook that does nothing"


def rep(bench: Bench) -> Values:
    if bench.tracker not in {"treering", "wandb"}:
        raise UnavailableError("brings no callbacks for these frameworks")
    values: Values = {}
    for framework in _TRAININGS:
        child = bench.child_in(bench.scratch / framework, framework=framework, name=framework)
        values |= child.result()
        child.reap_orphans()
    return values


def child(tracker: Tracker, parameters: dict[str, Any], scratch: Path, control: Control) -> Values:
    os.chdir(scratch)
    os.environ["TREERING_DIR"] = str(scratch / "store")
    tracker.load()
    if tracker.name != "treering":
        import_module("wandb").init(project="bench", mode="offline", dir=str(scratch))
    return _measure(parameters["framework"], tracker.name == "treering", parameters)


def _measure(framework: str, ours: bool, parameters: dict[str, Any], say: Callable[[str], object] = len) -> Values:
    """Train by turns, and compare; `say` is told of each hook."""
    os.environ.setdefault("KERAS_BACKEND", "torch")
    os.environ["TREERING_DEBUG"] = "1"  # a hook that fails is no quick one
    kinds = ["default"] + ["each"] * (framework != "accelerate") + ["bare"] * (framework == "lightning")
    spent: dict[str, list[_Clock]] = defaultdict(list)
    _train(framework, "default", ours, {**parameters, "pairs": 1})  # what is loaded at the first time is loaded
    for number in range(parameters["rounds"]):
        turn = number % len(kinds)
        for kind in kinds[turn:] + kinds[:turn]:
            spent[kind].append(_train(framework, kind, ours, parameters))
    values: Values = {}
    for kind, clocks in spent.items():
        hooks = {name: statistics.median(one.hooks_us().get(name, 0.0) for one in clocks) for name in clocks[0].calls}
        for name, took_us in hooks.items():
            if took_us:
                say(f"{framework} {kind:8} {name:50} {took_us:8.2f} us a step")
        if kind != "bare":
            key = f"{framework}_us" if kind == "default" else f"{framework}_each_us"
            values[key] = statistics.median(sum(one.hooks_us().values()) for one in clocks)
        if kind != "each":
            key = f"{framework}_added_us" if kind == "default" else f"{framework}_bare_us"
            values[key] = statistics.median(added_us for one in clocks for added_us in one.added_us())
        step_us = statistics.median(took_us for one in clocks for took_us in one.without_us())
        say(f"{framework} {kind:8} {'the whole step without':50} {step_us:8.2f} us")
    return values


def _train(framework: str, kind: str, ours: bool, parameters: dict[str, Any]) -> _Clock:
    clock = _Clock(parameters["warm"], parameters["block"])
    gc.collect()
    gc.freeze()
    _TRAININGS[framework](kind, ours, clock, parameters["warm"] + 2 * parameters["pairs"] * parameters["block"] + 1)
    return clock


class _Clock:
    """Takes the time at the end of each step and around hooks.

    Args:
        warm: steps that do not count.
        block: steps after which the callback is taken away, or put back.
    """

    def __init__(self, warm: int, block: int) -> None:
        self.calls: dict[str, list[tuple[int, float | None]]] = defaultdict(list)
        """Of each hook: the step, and seconds, None where another program came in between."""
        self.switch: Callable[[bool], None] = lambda _on: None
        """Takes the callback away, or puts it back."""
        self._warm, self._block = warm, block
        self._marks: list[float] = []
        self._inside = False
        self._empty = self.around(lambda *_: None, _EMPTY)

    def mark(self) -> None:
        """A step has ended."""
        self._empty(self)
        beyond = len(self._marks) - self._warm
        self._marks.append(time.thread_time())
        if beyond >= 0 and beyond % self._block == 0:
            self.switch(beyond // self._block % 2 == 0)

    def _blocks(self) -> list[tuple[float, float]]:
        edges = self._marks[self._warm :: self._block]
        return list(pairwise(edges))

    def _lengths_us(self) -> list[float]:
        return [(end - begin) / self._block * 1e6 for begin, end in self._blocks()]

    def without_us(self) -> list[float]:
        """A step without the callback, of each block of them."""
        return self._lengths_us()[1::2]

    def added_us(self) -> list[float]:
        """How much longer a step is with the callback, from each block to the one beside it."""
        lengths = self._lengths_us()
        return [on - off for on, off in zip(lengths[::2], lengths[1::2], strict=False)]

    def hooks_us(self) -> dict[str, float]:
        """What each hook takes in a step."""
        beyond = range(len(self._marks) - 1 - self._warm)
        counted = {self._warm + 1 + at for at in beyond if at // self._block % 2 == 0}
        empty = [took_s for at, took_s in self.calls[_EMPTY] if took_s is not None and at in counted]
        empty_s = statistics.median(empty) if empty else 0.0
        found: dict[str, float] = {}
        for name, every in self.calls.items():
            if name == _EMPTY:
                continue
            took = [took_s for at, took_s in every if at in counted]
            clean_s = [took_s for took_s in took if took_s is not None]
            a_call_s = statistics.mean(clean_s) - empty_s if clean_s else 0.0
            found[name] = max(a_call_s, 0.0) * len(took) / len(counted) * 1e6
        return found

    def timed(self, callback: Any) -> Any:
        """Let every hook that the callback's own class has be timed; returns the callback."""
        for name in dir(callback):
            owner = next((kind for kind in type(callback).__mro__ if name in vars(kind)), object)
            ours = owner.__module__.startswith(("treering", "wandb", "transformers.integrations", "accelerate.track"))
            ours = ours or "wandb" in owner.__module__
            if ours and name.startswith(("on_", "_on_", "log", "write", "after_", "save", "_updated")):
                method = getattr(callback, name) if name != "log_dir" else None
                if callable(method):
                    setattr(callback, name, self.around(method, f"{type(callback).__name__}.{name}"))
        return callback

    def around(self, method: Callable[..., Any], name: str) -> Callable[..., Any]:
        calls, clock, usage = self.calls[name], time.perf_counter, resource.getrusage

        @functools.wraps(method)
        def timed(*arguments: Any, **options: Any) -> Any:
            if self._inside:
                return method(*arguments, **options)
            self._inside, before = True, usage(resource.RUSAGE_THREAD).ru_nivcsw
            start = clock()
            try:
                return method(*arguments, **options)
            finally:
                took_s = clock() - start
                disturbed = usage(resource.RUSAGE_THREAD).ru_nivcsw != before
                calls.append((len(self._marks), None if disturbed else took_s))
                self._inside = False

        return timed


def _lightning(kind: str, ours: bool, clock: _Clock, steps: int) -> None:
    lightning: Any = import_module("lightning.pytorch")
    torch: Any = import_module("torch")
    torch.set_num_threads(1)
    _quiet("lightning")

    class Module(lightning.LightningModule):  # type: ignore[misc,name-defined]  # imported by name
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(16, 1)

        def training_step(self, batch: Any) -> Any:
            loss = self.layer(batch[0]).pow(2).mean()
            self.log("loss", loss)
            return loss

        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), 1e-3)

    class Conductor(lightning.Callback):  # type: ignore[misc,name-defined]  # imported by name
        def on_train_batch_end(self, *_: Any) -> None:
            clock.mark()

    class Bare(import_module("lightning.pytorch.loggers.logger").Logger):  # type: ignore[misc]  # imported by name
        name, version = "bare", 0

        def log_metrics(self, metrics: Any, step: Any = None) -> None: ...

        def log_hyperparams(self, *_: Any, **__: Any) -> None: ...

    callbacks: list[Any] = [Conductor()]
    if kind == "bare":
        logger: Any = Bare()
        callbacks.append(lightning.Callback())
    elif ours:
        adapter: Any = import_module("treering.callbacks.lightning")
        logger = clock.timed(adapter.TreeringLogger())
        callbacks.append(clock.timed(adapter.TreeringCallback(logger=logger)))
    else:
        logger = clock.timed(import_module("lightning.pytorch.loggers").WandbLogger(offline=True))
    data = torch.utils.data.TensorDataset(torch.randn(steps, 16))
    trainer = lightning.Trainer(
        max_epochs=1, logger=logger, callbacks=callbacks, accelerator="cpu", enable_progress_bar=False,
        log_every_n_steps=1 if kind == "each" else 50, enable_model_summary=False, enable_checkpointing=False,
    )  # fmt: skip

    def switch(on: bool) -> None:
        trainer.callbacks[:] = callbacks if on else callbacks[:1]
        trainer.loggers = [logger] if on else []

    clock.switch = switch
    trainer.fit(Module(), torch.utils.data.DataLoader(data, 1))


def _keras(kind: str, ours: bool, clock: _Clock, steps: int) -> None:
    keras: Any = import_module("keras")
    numpy: Any = import_module("numpy")

    class Conductor(keras.callbacks.Callback):  # type: ignore[misc,name-defined]  # imported by name
        def on_train_batch_end(self, *_: Any, **__: Any) -> None:
            clock.mark()

    callbacks: list[Any] = [Conductor()]
    if ours:
        options = {"log_every": 1} if kind == "each" else {}
        callbacks.append(clock.timed(import_module("treering.callbacks.keras").TreeringCallback(**options)))
    else:  # its own default is one row for each epoch; so that it does the same, each 10th step
        wandb = import_module("wandb.integration.keras")
        callbacks.append(clock.timed(wandb.WandbMetricsLogger(log_freq="batch" if kind == "each" else 10)))
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    every = keras.callbacks.CallbackList(callbacks, add_history=True, model=model)
    history = every.callbacks[2:]

    def switch(on: bool) -> None:
        every.callbacks = [*(callbacks if on else callbacks[:1]), *history]

    clock.switch = switch
    inputs, wanted = numpy.zeros((steps, 16)), numpy.zeros(steps)
    every.set_params({"verbose": 0, "epochs": 1, "steps": steps})
    model.fit(inputs, wanted, batch_size=1, verbose=0, callbacks=every)


def _transformers(kind: str, ours: bool, clock: _Clock, steps: int) -> None:
    transformers: Any = import_module("transformers")
    outputs: Any = import_module("transformers.modeling_outputs")
    torch: Any = import_module("torch")
    torch.set_num_threads(1)

    class Model(torch.nn.Module):  # type: ignore[misc,name-defined]  # imported by name
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(16, 1)

        def forward(self, x: Any, labels: Any = None) -> Any:
            return outputs.SequenceClassifierOutput(loss=(self.layer(x) - labels).pow(2).mean())

    class Conductor(transformers.TrainerCallback):  # type: ignore[misc,name-defined]  # imported by name
        def on_step_end(self, *_: Any, **__: Any) -> None:
            clock.mark()

    callbacks: list[Any] = [Conductor()]
    if ours:
        adapter = import_module("treering.callbacks.transformers")
        watch: Any = import_module("treering.integrations.transformers").LossWatch
        # Its hook on the model's forward is ours as well; a hook is looked up in its class.
        adapter.LossWatch = type("LossWatch", (watch,), {"__call__": clock.around(watch.__call__, "LossWatch")})
        callbacks.append(clock.timed(adapter.TreeringCallback()))
    else:
        callbacks.append(clock.timed(import_module("transformers.integrations").WandbCallback()))
    arguments = transformers.TrainingArguments(
        "trained", max_steps=steps, per_device_train_batch_size=1, logging_steps=1 if kind == "each" else 500,
        save_strategy="no", report_to="none", disable_tqdm=True, use_cpu=True,
    )  # fmt: skip
    data = [{"x": torch.zeros(16), "labels": torch.zeros(1)} for _ in range(steps)]
    trainer = transformers.Trainer(Model(), arguments, train_dataset=data, callbacks=callbacks)
    trainer.remove_callback(transformers.PrinterCallback)
    every = trainer.callback_handler.callbacks

    def switch(on: bool) -> None:
        every[:] = [one for one in every if one is not callbacks[1]] + [callbacks[1]] * on

    clock.switch = switch
    trainer.train()


def _sb3(kind: str, ours: bool, clock: _Clock, steps: int) -> None:
    sb3: Any = import_module("stable_baselines3")
    callbacks_: Any = import_module("stable_baselines3.common.callbacks")
    torch: Any = import_module("torch")
    torch.set_num_threads(1)

    class Conductor(callbacks_.BaseCallback):  # type: ignore[misc]  # imported by name
        def _on_step(self) -> bool:
            clock.mark()
            return True

    callbacks: list[Any] = [Conductor()]
    if ours:
        callbacks.append(clock.timed(import_module("treering.callbacks.sb3").TreeringCallback()))
    else:
        callbacks.append(clock.timed(import_module("wandb.integration.sb3").WandbCallback()))
    model = sb3.A2C("MlpPolicy", "CartPole-v1", seed=0, device="cpu")
    every = callbacks_.CallbackList(callbacks)

    def switch(on: bool) -> None:
        every.callbacks = callbacks if on else callbacks[:1]

    clock.switch = switch
    model.learn(steps, callback=every, log_interval=1 if kind == "each" else 100)


def _accelerate(kind: str, ours: bool, clock: _Clock, steps: int) -> None:
    accelerate: Any = import_module("accelerate")
    torch: Any = import_module("torch")
    torch.set_num_threads(1)
    if ours:
        tracker = clock.timed(import_module("treering.callbacks.accelerate").TreeringTracker("bench"))
    else:
        tracker = clock.timed(import_module("accelerate.tracking").WandBTracker("bench"))
    accelerator = accelerate.Accelerator(cpu=True, log_with=tracker)
    accelerator.init_trackers("bench")
    model = torch.nn.Linear(16, 1)
    model, optimizer = accelerator.prepare(model, torch.optim.SGD(model.parameters(), 1e-3))
    inputs = torch.zeros(1, 16)
    present = [True]
    clock.switch = lambda on: present.__setitem__(0, on)
    for step in range(steps):
        loss = model(inputs).pow(2).mean()
        accelerator.backward(loss)
        optimizer.step()
        optimizer.zero_grad()
        value = loss.item()
        if present[0]:
            accelerator.log({"loss": value}, step=step)
        clock.mark()
    tracker.finish()


def _quiet(name: str) -> None:
    """No words of a Trainer about each training."""
    import logging
    import warnings

    logging.getLogger(f"{name}.pytorch").setLevel(logging.ERROR)
    warnings.simplefilter("ignore")


_TRAININGS: dict[str, Callable[[str, bool, _Clock, int], None]] = {
    "lightning": _lightning,
    "keras": _keras,
    "transformers": _transformers,
    "sb3": _sb3,
    "accelerate": _accelerate,
}


def main(frameworks: list[str]) -> None:
    """Print what each of our hooks takes: `python -m benchmarks.measures.callback_overhead sb3`."""
    folder = tempfile.mkdtemp(prefix="treering-bench-")
    atexit.register(shutil.rmtree, folder)  # after the runs were finished
    os.environ["TREERING_DIR"] = folder
    os.chdir(folder)
    for framework in frameworks or _TRAININGS:
        print(_measure(framework, True, PARAMETERS["full"], print))


if __name__ == "__main__":
    main(sys.argv[1:])
