"""Lightning: which of its two trees the program uses, and one fit, validate or test of a Trainer as rows of a run."""

from __future__ import annotations

import os
import sys
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from treering._framework import framework
from treering.integrations.torch import describe_model, describe_optimizer, group_rates
from treering.training import Score, Training, learning_rates, metric_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    import torch
    from lightning.__version__ import version
    from lightning.pytorch import Callback, LightningModule, Trainer
    from lightning.pytorch.callbacks import ModelCheckpoint
    from lightning.pytorch.loggers.logger import Logger

    from treering.integrations._torch_watch import TorchWatch
else:
    with framework("lightning", extra="lightning"):
        # The two trees are different modules with different classes. Each takes the other's loggers and callbacks, but
        # seconds to import: ours derive from the classes of the one that the program has.
        if "pytorch_lightning" in sys.modules and "lightning.pytorch" not in sys.modules:
            from pytorch_lightning import Callback
            from pytorch_lightning import __version__ as version
            from pytorch_lightning.loggers.logger import Logger
        else:
            from lightning.pytorch import Callback
            from lightning.pytorch import __version__ as version
            from lightning.pytorch.loggers.logger import Logger

__all__ = ["STATE", "Callback", "Logger", "Stage", "add_callback", "is_tried_only", "record_checkpoint"]

# Not among the states of callbacks: Lightning warns of one whose callback the Trainer was not built with.
STATE = "treering"
SECTIONS = {"train": "train", "validate": "val", "test": "test"}
SETTINGS = ("max_epochs", "max_steps", "accumulate_grad_batches", "gradient_clip_val", "log_every_n_steps", "precision")


class Stage:
    """One call of `fit`, `validate` or `test`.

    Args:
        training: what is written through.
        trainer: the one that was called; not kept alive.
    """

    def __init__(self, training: Training, trainer: Trainer) -> None:
        self.series: dict[str, str] = {}
        """Names given to `self.log`, and the series that they became."""
        self._training = training
        self._trainer: weakref.ref[Trainer] = weakref.ref(trainer)
        self._resumed: dict[str, Any] = {}
        self._loaded_step: int | None = None
        self._begun_at: int | None = None
        self._watch: TorchWatch | None = None
        self._rates: dict[str, object] = {}
        self._rate_names: weakref.WeakKeyDictionary[torch.optim.Optimizer, list[str]] = weakref.WeakKeyDictionary()
        self._names: dict[tuple[str, str | None], str] = {}
        self._rates_step = -1
        training.framework_rank = trainer.global_rank
        # Lightning gave the states out before our callback was there, and still holds them.
        inner: Any = trainer
        if loaded := inner._checkpoint_connector._loaded_checkpoint:
            self.load(loaded)

    @property
    def trainer(self) -> Trainer:
        """The Trainer.

        Raises:
            ReferenceError: it is gone.
        """
        trainer = self._trainer()
        if trainer is None:
            raise ReferenceError("the Trainer that this belonged to does not exist any more")
        return trainer

    @property
    def running(self) -> bool:
        """Whether the call still goes on."""
        trainer = self._trainer()
        return trainer is not None and trainer.state.stage is not None

    def load(self, checkpoint: dict[str, Any]) -> None:
        """Take what a checkpoint says: of the run that a fit goes on in, or of the step that is validated or tested."""
        if self.trainer.state.fn != "fit":
            self._loaded_step = checkpoint.get("global_step")
            return
        self._resumed = checkpoint.get(STATE, {})
        run_id = self._resumed.get("run")
        if run_id is not None and self._training.chosen_id in {None, run_id}:
            _keep_folders(self.trainer, checkpoint.get("callbacks", {}), run_id)

    def begin(self, module: LightningModule) -> None:
        """The fit starts, with its sanity check or its first epoch."""
        if self._begun_at is not None:
            return
        trainer = self.trainer
        self._begun_at = trainer.global_step
        self._training.begin(step=trainer.global_step, resumed=self._resumed)
        settings = {name: getattr(trainer, name) for name in SETTINGS}
        settings |= {"strategy": type(trainer.strategy).__name__, "world_size": trainer.world_size}
        self._training.configure("version", version)
        self._training.configure("trainer", settings)
        self._training.configure("model", describe_model(module))
        self._training.configure("optimizers", [describe_optimizer(one) for one in trainer.optimizers])
        scaler: object = getattr(trainer.precision_plugin, "scaler", None)
        watch = self._training.watch(module, trainer.optimizers, step=self._step_to_come, scaler=scaler)
        self._watch = cast("TorchWatch | None", watch)

    def _step_to_come(self) -> int:
        trainer = self._trainer()
        return self._training.step if trainer is None else trainer.global_step + 1

    def before_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Keep the learning rates of the step to come; by the time its row is logged, schedulers have changed them."""
        if self._watch is not None and self.trainer.gradient_clip_val:
            self._watch.before_clipping(optimizer)
        groups = optimizer.param_groups
        names = self._rate_names.get(optimizer)
        if names is None or len(names) != len(groups):
            every = self.trainer.optimizers
            number = next((index for index, one in enumerate(every) if one is optimizer), 0)
            names = list(learning_rates(group_rates(groups, f"{number}/" if len(every) > 1 else "")))
            self._rate_names[optimizer] = names
        for name, group in zip(names, groups, strict=True):
            self._rates[name] = group["lr"]

    def batch_ended(self) -> None:
        """Log the first step, and the last of each epoch, where Lightning's `log_every_n_steps` leaves them out."""
        trainer: Any = self.trainer
        connector = trainer._logger_connector
        if connector.should_update_logs:
            return
        first = self._training.step == self._begun_at != trainer.global_step
        if first or trainer.is_last_batch or trainer.global_step == trainer.max_steps:
            values: dict[str, Any] = connector.metrics["log"]
            if values:
                self.log({**values}, None, trainer.current_epoch)

    def log(self, values: dict[str, Any], step: int | None, epoch: float | None) -> None:
        """Record one row.

        Args:
            values: under the names that they were given to `self.log`.
            step: as Lightning passed it to the logger; what it counts depends on where the row comes from.
            epoch: as Lightning put it among the metrics, if it did.
        """
        done = self.trainer.global_step if self._loaded_step is None else self._loaded_step
        section, axes = self._place(step, epoch, done)
        if section == "train" and done != self._rates_step:
            self._rates_step = done
            row = dict(self._rates)
        else:
            row = {}
        for name, value in values.items():
            series = self._names.get((name, section))
            if series is None:
                series = self._names[name, section] = series_name(name, section)
            self.series[name] = series
            row[series] = value
        for axis, place in axes.items():
            if place is not None:
                row[axis] = place
        self._training.log(row, step=done)

    def _place(self, step: int | None, epoch: float | None, done: int) -> tuple[str | None, dict[str, float | None]]:
        trainer: Any = self.trainer
        section = SECTIONS.get(str(trainer.state.stage and trainer.state.stage.value))
        if epoch is not None:
            return section, {"epoch": epoch, "batch_step": step}
        if "step" in trainer.callback_metrics:  # the user logs a `step` of his own; Lightning passes that one
            return section, {"step": step}
        if section in {"val", "test"}:  # one row for each batch of an evaluation
            return section, {"batch": step}
        # Not of `self.log`: the user, or another callback, calls the logger.
        own = step in {done, trainer.fit_loop.epoch_loop._batches_that_stepped}
        return None, {"step": None if own else step}


def series_name(name: str, section: str | None = None) -> str:
    """`metric_name`, for names that may end in the number of an evaluation's DataLoader."""
    name, mark, loader = name.partition("/dataloader_idx_")
    return metric_name(name, section) + mark + loader


def is_tried_only(trainer: Any) -> bool:
    """Whether the Trainer runs for a look (`fast_dev_run`) or as bare as it can: there nothing is recorded."""
    return bool(trainer.fast_dev_run or trainer.barebones)


def add_callback(trainer: Any, callback: Callback) -> None:
    """Let the Trainer call `callback` from now on."""
    if callback not in trainer.callbacks:
        trainer.callbacks.append(callback)


def record_checkpoint(training: Training, saver: Any, stage: Stage | None) -> None:
    """Record the file or folder that a ModelCheckpoint has just written; the best is what it says is the best."""
    saved = saver._last_checkpoint_saved or saver.last_model_path
    score = None
    if saver.monitor is not None:
        series = stage.series.get(saver.monitor) if stage is not None else None
        value = None if saver.current_score is None else float(saver.current_score)
        best = os.path.realpath(saved) == os.path.realpath(saver.best_model_path)
        score = Score(series or series_name(saver.monitor), value, saver.mode, best=best)
    training.checkpoint(
        saved,
        step=saver._last_global_step_saved,
        score=score,
        linkable=stage is not None and _is_replaced(saved, stage.trainer),
        metadata={} if stage is None else {"epoch": stage.trainer.current_epoch},
    )


def _is_replaced(saved: str, trainer: Any) -> bool:
    """Whether a second save to one path makes a new file: Lightning moves it into place, other writers may not."""
    writer = trainer.strategy.checkpoint_io
    while (wrapped := getattr(writer, "checkpoint_io", None)) is not None:
        writer = wrapped
    return type(writer).__name__ == "TorchCheckpointIO" and os.path.isfile(saved)


def _keep_folders(trainer: Trainer, states: Mapping[str, Any], run_id: str) -> None:
    """Let each ModelCheckpoint go on in the folder of the run that is resumed.

    Lightning asks the logger for the folder before it reads the checkpoint, so it got that of a new run; and a folder
    that changed makes a ModelCheckpoint forget its best files.

    Args:
        trainer: about to fit.
        states: what the checkpoint holds of each callback.
        run_id: the run that wrote it.
    """
    for saver in trainer.checkpoint_callbacks:
        state: dict[str, Any] = states.get(saver.state_key) or {}
        now, before = getattr(saver, "dirpath", None), Path(state.get("dirpath") or "")
        if now and before.parts[-2:] == (run_id, "checkpoints") and Path(now).parents[1] == before.parents[1]:
            cast("ModelCheckpoint", saver).dirpath = os.fspath(before)
            saver.load_state_dict(state)
