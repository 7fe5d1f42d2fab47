"""Lightning: which of its two trees the program uses, and one fit, validate or test of a Trainer as rows of a run."""

from __future__ import annotations

import os
import sys
import time
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from treering._framework import framework
from treering.integrations.torch import Rates, describe_model, describe_optimizer
from treering.training import Score, Training, metric_name, number

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

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
_NEVER = 1 << 62
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
        self._rates = Rates()
        self._names: dict[str | None, dict[str, str]] = {}
        self._rates_step = -1
        self._steps, self._last_step = 0, _NEVER
        self._batches: Any = None
        self.pace = BatchPace()
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
        self._batches = trainer.fit_loop.epoch_loop.batch_progress
        if trainer.max_steps >= 0:
            self._last_step = trainer.max_steps - trainer.global_step

    def _step_to_come(self) -> int:
        trainer = self._trainer()
        return self._training.step if trainer is None else trainer.global_step + 1

    def before_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Keep the learning rates of the step to come; by the time its row is logged, schedulers have changed them."""
        # A guard, less the calls that it takes: this comes with each step.
        began_s, training = time.perf_counter(), self._training
        try:
            self._steps += 1
            self._rates.take(optimizer)
            if self._watch is not None and self.trainer.gradient_clip_val:
                self._watch.before_clipping(optimizer)
        except Exception as error:
            if not training.swallow("on_before_optimizer_step", error):
                raise
        training.spent_s += time.perf_counter() - began_s

    def batch_ended(self, batch: object) -> None:
        """Log the first step, and the last of each epoch, where Lightning's `log_every_n_steps` leaves them out."""
        began_s, training = time.perf_counter(), self._training
        try:
            self.pace.end(batch)
            # What is never to be missed, in the order in which it is cheap to find out.
            if training.step == self._begun_at or self._steps >= self._last_step or self._batches.is_last_batch:
                self._log_unasked()
        except Exception as error:
            if not training.swallow("on_train_batch_end", error):
                raise
        training.spent_s += time.perf_counter() - began_s

    def _log_unasked(self) -> None:
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
        trainer = self.trainer
        done = (trainer.global_step or self._known_step()) if self._loaded_step is None else self._loaded_step
        state = trainer.state.stage
        section = None if state is None else SECTIONS.get(state.value)
        row: dict[str, object] = {}
        if epoch is not None:
            row["epoch"] = epoch
            if step is not None:
                row["batch_step"] = step
        else:
            section = self._place(section, step, done, row)
        if section == "train" and done != self._rates_step:
            row |= self.pace.row(done - max(self._rates_step, self._begun_at or 0))
            self._rates_step = done
            row |= self._rates.row(trainer.optimizers)
        names = self._names.setdefault(section, {})
        for name, value in values.items():
            series = names.get(name)
            if series is None:
                series = names[name] = series_name(name, section)
            self.series[name] = series
            row[series] = value if type(value) is float else number(value)
        self._training.put(row, done)
        self.pace.leave_out()

    def _known_step(self) -> int:
        """Where the training is though the Trainer does not know: it fitted in other processes, or another one did."""
        is_late = self.trainer.state.fn != "fit" and self._training.run is not None
        return self._training.step if is_late else 0

    def _place(self, section: str | None, step: int | None, done: int, row: dict[str, object]) -> str | None:
        """Put into a row, to which Lightning gave no epoch, what it can be drawn over; returns its section."""
        trainer: Any = self.trainer
        if "step" in trainer.callback_metrics:  # the user logs a `step` of his own; Lightning passes that one
            own = True
        elif section in {"val", "test"}:  # one row for each batch of an evaluation
            if step is not None:
                row["batch"] = step
            return section
        else:  # not of `self.log`: the user, or another callback, calls the logger
            section, own = None, step not in {done, trainer.fit_loop.epoch_loop._batches_that_stepped}
        if own and step is not None:
            row["step"] = step
        return section


class BatchPace:
    """How long batches take, and how long they are waited for; means since the last row."""

    def __init__(self) -> None:
        self._began_s = self._left_s = 0.0
        self._computing_s = self._waiting_s = 0.0
        self._samples = 0

    def begin(self) -> None:
        """A batch is there."""
        self._began_s = time.perf_counter()
        if self._left_s:
            self._waiting_s += self._began_s - self._left_s

    def end(self, batch: Any) -> None:
        """The work on it is done."""
        self._left_s = time.perf_counter()
        if self._began_s:
            self._computing_s += self._left_s - self._began_s
            first = batch[0] if type(batch) in {list, tuple} and batch else None
            shape = getattr(first, "shape", None)  # the usual case, asked about with each batch
            self._samples += shape[0] if shape else _size_of(batch)

    def leave_out(self) -> None:
        """What was done since the end of the batch, such as validation, was no waiting for the next."""
        self._left_s = time.perf_counter()

    def row(self, steps: int) -> dict[str, object]:
        """The times for each of so many optimizer steps, and samples for each second of them."""
        computing_s, waiting_s, samples = self._computing_s, self._waiting_s, self._samples
        self._computing_s = self._waiting_s = self._samples = 0
        if steps < 1 or not computing_s:
            return {}
        row: dict[str, object] = {
            "time/step_ms": 1e3 * computing_s / steps,
            "time/data_wait_ms": 1e3 * waiting_s / steps,
        }
        return {**row, "time/samples_per_s": samples / (computing_s + waiting_s)} if samples else row


def _size_of(batch: Any, depth: int = 3) -> int:
    """How many samples a batch has, by the first tensor in it; 0 where there is none."""
    shape = getattr(batch, "shape", None)
    if shape is not None:
        return int(shape[0]) if len(shape) else 0
    parts: Any = ()
    if type(batch) in {list, tuple}:
        parts = batch
    elif callable(values := getattr(batch, "values", None)):  # a dictionary
        parts = values()
    return next((size for part in parts if (size := _size_of(part, depth - 1))), 0) if depth else 0


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
    step, metadata = saver._last_global_step_saved, {} if stage is None else {"epoch": stage.trainer.current_epoch}
    trainer = None if stage is None else stage.trainer

    def take() -> None:
        linkable = trainer is not None and _is_replaced(saved, trainer)
        training.checkpoint(saved, step=step, score=score, linkable=linkable, metadata=metadata)

    writer = None if trainer is None else _background_writer(trainer)
    if writer is None:
        take()
    else:
        writer._executor.submit(_take_written, training, writer, take)
    if stage is not None:
        stage.pace.leave_out()


def _background_writer(trainer: Trainer) -> Any:
    """Return what saves in a thread of its own, one file after the other; None where the file is there by now."""
    writer: Any = trainer.strategy.checkpoint_io
    while writer is not None and all(kind.__name__ != "AsyncCheckpointIO" for kind in type(writer).__mro__):
        writer = getattr(writer, "checkpoint_io", None)  # of one that is wrapped around others
    return None if getattr(writer, "_executor", None) is None else writer


def _take_written(training: Training, writer: Any, take: Callable[[], None]) -> None:
    """Called by the writer's thread between one file and the next, which may be written over this one."""
    with training.guard("after_save_checkpoint"):
        if writer._error is None:  # else it is Lightning's to tell, and an older file may lie there
            take()


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
