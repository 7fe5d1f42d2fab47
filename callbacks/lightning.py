"""Lightning: `Trainer(logger=TreeringLogger())` records the training.

    from treering.callbacks.lightning import TreeringLogger

    trainer = Trainer(max_epochs=3, logger=TreeringLogger(project="digits"))

Recorded: all that `self.log` gives, at the number of optimizer steps done (`trainer.global_step`); learning rates as
the optimizer used them; hyperparameters; how the training ended; each file that a `ModelCheckpoint` saves. Beside
another logger: `Trainer(callbacks=[TreeringCallback()])`. Works with `lightning.pytorch` and `pytorch_lightning`.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any, cast

from treering.integrations.lightning import (
    STATE,
    Callback,
    Logger,
    Stage,
    add_callback,
    is_tried_only,
    record_checkpoint,
)
from treering.resuming import newest_checkpoint
from treering.training import LazyRun, Options, Training

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Mapping

    import torch
    from lightning.pytorch import LightningModule, Trainer
    from lightning.pytorch.callbacks import ModelCheckpoint
    from typing_extensions import Unpack

    from treering import Run

__all__ = ["TreeringCallback", "TreeringLogger"]


class TreeringLogger(Logger):
    """Records what a Lightning Trainer does; brings the `TreeringCallback` that it needs with it.

    One logger is one run, however many times its Trainers fit, validate and test; a training that is resumed
    (`trainer.fit(ckpt_path=...)`) goes on in the run that wrote the checkpoint. No run is opened before something is
    recorded. On ranks other than zero nothing is.

    Args:
        run: a run from `treering.init`; without it the active run is used, or one is opened when training starts.
        save_dir: where Lightning puts the files it saves, as `<save_dir>/<project>/<run id>/checkpoints`;
            its own `default_root_dir` by default.
        **options: see `treering.training.Options`.
    """

    def __init__(
        self, run: Run | None = None, *, save_dir: str | os.PathLike[str] | None = None, **options: Unpack[Options]
    ) -> None:
        super().__init__()
        self.training = Training("lightning", run, **options)
        self.training.reserve()  # strategies that start processes copy this object into them
        self.companion: TreeringCallback | None = None
        self._save_dir = None if save_dir is None else os.fspath(save_dir)
        self._waiting: dict[str, Any] = {}

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "companion": None}  # the copy goes to another process, and finds its own there

    @property
    def run(self) -> Run | None:
        """The run that is written to, opened if nothing was recorded before; None on ranks other than zero."""
        return self.training.run

    @property
    def checkpoint(self) -> str | None:
        """With `resume="auto"`, what `trainer.fit(ckpt_path=...)` goes on from; None where there is nothing yet."""
        found = newest_checkpoint(self.training)
        return None if found is None else str(found.path)

    @property
    def experiment(self) -> Run:
        """The run, for `self.logger.experiment.log(...)`: opened when it is used, not when it is read."""
        return cast("Run", LazyRun(self.training))

    @property
    def name(self) -> str:
        """The project, as a folder of checkpoints is called."""
        return self.training.options.get("project") or "treering"

    @property
    def version(self) -> str:
        """The run's id, also while there is no run."""
        return self.training.run_id

    @property
    def save_dir(self) -> str | None:
        """Where Lightning makes the folder of checkpoints; None for its `default_root_dir`."""
        return self._save_dir

    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:
        """Record settings; they wait for the run, for a checkpoint may still name the one to go on with."""
        with self.training.guard("log_hyperparams"):
            given = cast("Mapping[str, Any]", params if hasattr(params, "items") else vars(params))
            self._waiting.update({str(name): value for name, value in given.items()})
            if self.training.opened is not None:
                self.hand_over()

    def hand_over(self) -> None:
        """Give the run the settings that waited for it."""
        if waiting := self._waiting:
            self._waiting = {}
            self.training.hyperparameters(waiting)

    def log_graph(self, model: torch.nn.Module, input_array: torch.Tensor | None = None) -> None:
        """Join the Trainer: this comes before each fit, validate and test, and nothing else leads to the Trainer."""
        with self.training.guard("log_graph"):
            trainer = cast("Trainer | None", getattr(model, "_trainer", None))
            if trainer is not None:
                self.companion = self.companion or TreeringCallback(logger=self)
                add_callback(trainer, self.companion)
                self.companion.join(trainer)

    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Record one row at the Trainer's `global_step`; the `step` that Lightning passes counts something else."""
        with self.training.guard("log_metrics"):
            values, stage = dict(metrics), self._stage()
            epoch = values.pop("epoch", None)
            if self._waiting:
                self.hand_over()
            if stage is not None and stage.running:
                stage.log(values, step, epoch)
            else:
                # A Trainer that never called log_graph says how many batches had stepped before this one.
                done = self.training.step if step is None else step + (epoch is not None)
                self.training.log(values, step=done, epoch=epoch)

    def after_save_checkpoint(self, checkpoint_callback: ModelCheckpoint) -> None:
        """Record the file just written, while the one that it replaces is still there."""
        with self.training.guard("after_save_checkpoint"):
            record_checkpoint(self.training, checkpoint_callback, self._stage())

    def finalize(self, status: str) -> None:
        """A fit, validate or test ended: "success", "failed", or "finished" where SLURM puts it back into its queue."""
        with self.training.guard("finalize"):
            if status == "success":
                self.training.end()
            elif status == "finished" and self.training.opened is not None:
                self.training.opened.mark("preempted")
            elif status == "failed" and self._stage() is None and (error := sys.exc_info()[1]) is not None:
                self.training.fail(error)

    def _stage(self) -> Stage | None:
        return None if self.companion is None else self.companion.stage


class TreeringCallback(Callback):
    """What only a callback sees of a training. `TreeringLogger` brings it; passed by hand, it brings the logger.

    By hand it goes beside other loggers, or without any, and no folder of checkpoints changes. It takes `run` and the
    options of `TreeringLogger`.
    """

    def __init__(
        self, run: Run | None = None, *, logger: TreeringLogger | None = None, **options: Unpack[Options]
    ) -> None:
        self.logger = TreeringLogger(run, **options) if logger is None else logger
        self.stage: Stage | None = None

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "stage": None}

    @property
    def training(self) -> Training:
        """What this callback and its logger write through."""
        return self.logger.training

    @property
    def run(self) -> Run | None:
        """The run that is written to, opened if nothing was recorded before; None on ranks other than zero."""
        return self.training.run

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        with self.training.guard("setup"):
            self.stage = None
            if stage != "fit":
                self._bring_logger(trainer)

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        with self.training.guard("on_fit_start"):
            self._bring_logger(trainer)  # only now: in setup the first logger chooses the folder of checkpoints

    def join(self, trainer: Trainer) -> None:
        """Take part in what this Trainer is about to do; may come twice."""
        self.stage = Stage(self.training, trainer)

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        with self.training.guard("on_load_checkpoint"):
            if self.stage is not None:
                self.stage.load(checkpoint)

    def on_sanity_check_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.on_train_start(trainer, pl_module)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        with self.training.guard("on_train_start"):
            if self.stage is not None:
                self.stage.begin(pl_module)
                self.logger.hand_over()

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        if self.stage is not None:
            self.stage.pace.begin()

    def on_before_optimizer_step(
        self, trainer: Trainer, pl_module: LightningModule, optimizer: torch.optim.Optimizer
    ) -> None:
        if self.stage is not None:
            self.stage.before_step(optimizer)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if self.stage is not None:
            self.stage.batch_ended(batch)
        if self.training.in_sweep:
            trainer.should_stop |= self.training.should_stop

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        with self.training.guard("on_exception"):
            if self.stage is not None:
                self.training.fail(exception, trainer.global_step)

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        with self.training.guard("on_save_checkpoint"):
            checkpoint[STATE] = self.training.state()

    # -- private ------------------------------------------------------------------------------------------------------

    def _bring_logger(self, trainer: Trainer) -> None:
        there = next((one for one in trainer.loggers if isinstance(one, TreeringLogger)), None)
        if there is not None:
            self.logger = there
        elif is_tried_only(trainer):
            return
        else:
            trainer.loggers.append(self.logger)
        self.logger.companion = self
        self.join(trainer)
