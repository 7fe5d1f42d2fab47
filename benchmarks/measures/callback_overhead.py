"""What a framework's callback costs on the training thread, per training step, when each step is logged.

A small model is really trained with the framework; every hook of the callback (and of the logger that goes with it) is
timed while the framework calls it, in CPU time of the training thread: on a shared machine the clock on the wall tells
more about the neighbours. Hooks that are called a few times in a training (its begin and end, checkpoints) are
left out, and the first tenth of the calls. Peers are the callbacks that wandb ships or the framework ships for it.
"""

from __future__ import annotations

import functools
import os
import time
from collections import defaultdict
from importlib import import_module
from typing import TYPE_CHECKING, Any

from benchmarks.harness import Bench, Figure, Values
from benchmarks.trackers.base import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from benchmarks.control import Control
    from benchmarks.trackers.base import Tracker

FIGURES = (
    Figure("lightning_us", "callback on the training thread, each step logged: Lightning", "us", 20.0, pick="median"),
    Figure("keras_us", "  Keras", "us", 20.0, pick="median"),
    Figure("transformers_us", "  Transformers", "us", 20.0, pick="median"),
    Figure("sb3_us", "  Stable-Baselines3 (a step is one of the environment)", "us", 20.0, pick="median"),
)
PARAMETERS: dict[str, dict[str, Any]] = {"full": {"steps": 1000}, "tiny": {"steps": 40}}
REPEATS = {"full": 3, "tiny": 1}
_RARE = 0.05


def rep(bench: Bench) -> Values:
    values: Values = {}
    for framework in _TRAININGS:
        child = bench.child_in(bench.scratch / framework, framework=framework, name=framework)
        values |= child.result()
        child.reap_orphans()
    return values


def child(tracker: Tracker, parameters: dict[str, Any], scratch: Path, control: Control) -> Values:
    if tracker.name not in {"treering", "wandb offline"}:
        raise UnavailableError("brings no callbacks for these frameworks")
    os.chdir(scratch)
    framework, hooks = parameters["framework"], _Hooks()
    os.environ.setdefault("KERAS_BACKEND", "torch")
    os.environ["TREERING_DIR"] = str(scratch / "store")
    tracker.load()
    if tracker.name != "treering":
        import_module("wandb").init(project="bench", mode="offline", dir=str(scratch))
    _TRAININGS[framework](tracker.name == "treering", hooks, parameters["steps"])
    return {f"{framework}_us": hooks.seconds_a_step(parameters["steps"]) * 1e6}


class _Hooks:
    """Times what a callback does."""

    def __init__(self) -> None:
        self._spent: dict[str, list[float]] = defaultdict(list)
        self._inside = False

    def timed(self, callback: Any) -> Any:
        """Let every hook that the callback's own class has be timed; returns the callback."""
        for name in dir(callback):
            owner = next((kind for kind in type(callback).__mro__ if name in vars(kind)), object)
            ours = owner.__module__.startswith(("treering", "wandb", "transformers.integrations")) or "wandb" in (
                owner.__module__
            )
            if ours and name.startswith(("on_", "_on_", "log_", "write", "after_", "save")) and name != "log_dir":
                method = getattr(callback, name)
                if callable(method):
                    setattr(callback, name, self._around(method, f"{type(callback).__name__}.{name}"))
        return callback

    def _around(self, method: Callable[..., Any], name: str) -> Callable[..., Any]:
        spent = self._spent[name]

        @functools.wraps(method)
        def timed(*arguments: Any, **options: Any) -> Any:
            if self._inside:
                return method(*arguments, **options)
            self._inside, start = True, time.thread_time()
            try:
                return method(*arguments, **options)
            finally:
                spent.append(time.thread_time() - start)
                self._inside = False

        return timed

    def seconds_a_step(self, steps: int) -> float:
        frequent = [spent for spent in self._spent.values() if len(spent) > _RARE * steps]
        warm = [spent[len(spent) // 10 :] for spent in frequent]
        return sum(sum(spent) / len(spent) * len(all_) for spent, all_ in zip(warm, frequent, strict=True)) / steps


def _lightning(ours: bool, hooks: _Hooks, steps: int) -> None:
    lightning: Any = import_module("lightning.pytorch")
    torch: Any = import_module("torch")
    torch.set_num_threads(1)

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

    callbacks: list[Any] = []
    if ours:
        adapter: Any = import_module("treering.callbacks.lightning")
        logger = adapter.TreeringLogger()
        callbacks = [hooks.timed(adapter.TreeringCallback(logger=logger))]
    else:
        logger = import_module("lightning.pytorch.loggers").WandbLogger(offline=True)
    data = torch.utils.data.TensorDataset(torch.randn(steps, 16))
    trainer = lightning.Trainer(
        max_epochs=1, logger=hooks.timed(logger), callbacks=callbacks, log_every_n_steps=1, accelerator="cpu",
        enable_progress_bar=False, enable_model_summary=False, enable_checkpointing=False,
    )  # fmt: skip
    trainer.fit(Module(), torch.utils.data.DataLoader(data, 1))


def _keras(ours: bool, hooks: _Hooks, steps: int) -> None:
    keras: Any = import_module("keras")
    numpy: Any = import_module("numpy")
    if ours:
        callback = import_module("treering.callbacks.keras").TreeringCallback(log_every=1)
    else:
        callback = import_module("wandb.integration.keras").WandbMetricsLogger(log_freq="batch")
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(numpy.zeros((steps, 16)), numpy.zeros(steps), batch_size=1, verbose=0, callbacks=[hooks.timed(callback)])


def _transformers(ours: bool, hooks: _Hooks, steps: int) -> None:
    transformers: Any = import_module("transformers")
    torch: Any = import_module("torch")
    torch.set_num_threads(1)

    class Model(torch.nn.Module):  # type: ignore[misc,name-defined]  # imported by name
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(16, 1)

        def forward(self, x: Any, labels: Any = None) -> dict[str, Any]:
            return {"loss": (self.layer(x) - labels).pow(2).mean()}

    if ours:
        callback = import_module("treering.callbacks.transformers").TreeringCallback()
    else:
        callback = import_module("transformers.integrations").WandbCallback()
    arguments = transformers.TrainingArguments(
        "trained", max_steps=steps, per_device_train_batch_size=1, logging_steps=1, save_strategy="no",
        report_to="none", disable_tqdm=True, use_cpu=True,
    )  # fmt: skip
    data = [{"x": torch.zeros(16), "labels": torch.zeros(1)} for _ in range(steps)]
    trainer = transformers.Trainer(Model(), arguments, train_dataset=data, callbacks=[hooks.timed(callback)])
    trainer.remove_callback(transformers.PrinterCallback)
    trainer.train()


def _sb3(ours: bool, hooks: _Hooks, steps: int) -> None:
    sb3: Any = import_module("stable_baselines3")
    torch: Any = import_module("torch")
    torch.set_num_threads(1)
    if ours:
        callback = import_module("treering.callbacks.sb3").TreeringCallback()
    else:
        callback = import_module("wandb.integration.sb3").WandbCallback()
    model = sb3.PPO("MlpPolicy", "CartPole-v1", n_steps=20, batch_size=20, n_epochs=1, seed=0, device="cpu")
    model.learn(steps, callback=hooks.timed(callback))


_TRAININGS: dict[str, Callable[[bool, _Hooks, int], None]] = {
    "lightning": _lightning,
    "keras": _keras,
    "transformers": _transformers,
    "sb3": _sb3,
}
