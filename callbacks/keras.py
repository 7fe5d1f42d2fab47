"""Keras: `model.fit(x, y, callbacks=[TreeringCallback()])` records the training.

    from treering.callbacks.keras import TreeringCallback

    model.fit(x, y, epochs=5, callbacks=[TreeringCallback(project="digits")])

Recorded: losses and metrics while it trains and after every epoch, learning rates, the model's settings, and the files
that `ModelCheckpoint` saves. The step is the number of optimizer updates. Works on every backend; only `keras` is
imported here.
"""

# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false
# The framework leaves holes in its own types.

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any, Literal, cast

from treering._framework import framework
from treering.integrations._keras_files import Place, SavedFiles
from treering.integrations.keras import GradientNorms, describe, loss_scale, optimizers_of
from treering.resuming import newest_checkpoint
from treering.training import Options, Training, learning_rates

with framework("keras", extra="keras"):
    import keras

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from typing_extensions import Unpack

    from treering import Run

__all__ = ["TreeringCallback"]


class TreeringCallback(keras.callbacks.Callback):  # type: ignore[misc]  # keras ships no types
    """Records what `fit` and `evaluate` do.

    The place in the list does not matter. One object can be passed to `fit()` again, and to a later `evaluate()`: the
    run goes on. A training that `BackupAndRestore` brings back after a crash goes on in its run.

    Args:
        run: a run from `treering.init`; without it the active run is used, or one is opened when training starts.
        log_every: optimizer updates between two rows within an epoch. Each epoch has its row in any case.
        gradients: record the norms of gradients, `grad/norm` and `grad/layer/<variable>`, in each row;
            with "histograms" also `grad/histogram/<variable>`. What the optimizer takes is looked at within the
            compiled step, which costs a pass over the gradients, and another one for histograms.
        save_every: epochs between two checkpoints that this callback makes itself, where no other one does; the last
            one is made at the end.
        **options: see `treering.training.Options`.
    """

    def __init__(
        self,
        run: Run | None = None,
        *,
        log_every: int = 10,
        gradients: bool | Literal["histograms"] = False,
        save_every: int | None = None,
        **options: Unpack[Options],
    ) -> None:
        super().__init__()
        self._training = Training("keras", run, log_every=log_every, **options)
        self._fitting = False
        self._begun = False
        self._epoch = 0
        self._epoch_started_s = 0.0
        self._batch = -1  # of the epoch
        self._batch_begun = -1
        self._told_at_once = 1  # batches, where only the first one's index is told
        self._seen = 0  # batches in all
        self._batches = 0  # since the last row
        self._is_first = True  # no row of this fit yet
        self._steps = math.inf  # batches of an epoch, where that is known
        self._mean = (0, 0.0)  # batches of this epoch at the last row, and their mean loss
        self._gradients = gradients
        self._norms: list[GradientNorms] = []
        self._files = SavedFiles(self._training, save_every)

    @property
    def run(self) -> Run | None:
        """The run that is written to, opened if nothing was recorded before; None on ranks other than zero."""
        return self._training.run

    @property
    def checkpoint(self) -> Path | None:
        """With `resume="auto"`, the file to go on from, as `ModelCheckpoint` saved it; None where there is nothing."""
        found = newest_checkpoint(self._training)
        metadata = {} if found is None else found.metadata
        self._epoch, self._seen = metadata.get("epoch", -1) + 1, metadata.get("batch", 0)
        return None if found is None else found.path

    @property
    def initial_epoch(self) -> int:
        """What `fit(initial_epoch=...)` takes behind `checkpoint`: the first epoch that it does not hold."""
        return self._epoch

    def set_params(self, params: Mapping[str, Any] | None) -> None:
        super().set_params(params)
        self._fitting = False  # each fit() and evaluate() begins here; within fit() the validation does not

    def on_train_begin(self, logs: Mapping[str, float] | None = None) -> None:
        self._fitting, self._begun, self._is_first = True, False, True

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        with self._training.guard("on_epoch_begin"):
            if not self._begun:
                # Only now every callback has had its on_train_begin, the one that restores a backup among them.
                self._begun = True
                self._begin(epoch)
            self._files.look(self._place())
            self._files.leave_sidecars(self._seen)
        self._epoch, self._batch, self._epoch_started_s, self._mean = epoch, -1, time.monotonic(), (0, 0.0)
        self._steps = (self.params or {}).get("steps") or math.inf

    def on_train_batch_begin(self, batch: int, logs: Mapping[str, float] | None = None) -> None:
        self._batch_begun = batch
        if self._files.come_within_epochs:
            with self._training.guard("on_train_batch_begin"):
                self._files.look(self._place())

    def on_train_batch_end(self, batch: int, logs: Mapping[str, float] | None = None) -> None:
        # A guard, less the calls that it takes: this comes with each step.
        began_s, training = time.perf_counter(), self._training
        try:
            # With several steps to an execution only the last index of each group is told, and it may overshoot.
            if self._told_at_once > 1:
                batch = self._last_of_group(batch)
            if batch >= self._steps:
                batch = int(self._steps) - 1
            passed = batch - self._batch if batch > self._batch else batch + 1
            self._batches, self._seen, self._batch = self._batches + passed, self._seen + passed, batch
            if self._batches >= training.log_every or self._is_first:
                self._log_batch(logs or {})
        except Exception as error:
            if not training.swallow("on_train_batch_end", error):
                raise
        training.spent_s += time.perf_counter() - began_s

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        with self._training.guard("on_epoch_end"):
            took_s = time.monotonic() - self._epoch_started_s
            row = {**(logs or {}), **_rates(self.model), "time/epoch_s": took_s}
            if self._batches:  # else the last update's are there already
                row |= self._gradients_of_the_last_update()
            self._training.log(row, step=self._step(), prefix="train", epoch=epoch)
            model: Any = self.model
            model.stop_training |= self._training.should_stop  # a sweep's early stopping
            self._files.epoch_ended(self._place(), logs or {})

    def on_test_end(self, logs: Mapping[str, float] | None = None) -> None:
        if not self._fitting and logs:
            with self._training.guard("on_test_end"):
                self._training.log(logs, step=self._step(), prefix="test")

    def on_train_end(self, logs: Mapping[str, float] | None = None) -> None:
        self._fitting = False
        with self._training.guard("on_train_end"):
            self._unwatch()
            self._files.end(self._place())
            self._training.end()

    # -- private ------------------------------------------------------------------------------------------------------

    def _begin(self, epoch: int) -> None:
        resumed = self._files.attach(self.model)
        self._seen = int(cast("int", resumed.get("batch", self._seen)))
        self._told_at_once = getattr(self.model, "steps_per_execution", None) or 1
        self._training.begin(step=self._step(), resumed=resumed)
        for part, values in describe(self.model, self.params or {}):
            self._training.configure(part, values)
        if epoch > 0 and not resumed:
            self._files.link_back(epoch)

        if self._gradients and self._training.opened is not None:
            self._watch()

    def _watch(self) -> None:
        self._unwatch()
        optimizers = optimizers_of(self.model)
        self._norms = [
            GradientNorms(one, self.model, "" if name == "0" else name, histograms=self._gradients == "histograms")
            for name, one in optimizers.items()
        ]
        model: Any = self.model
        model.make_train_function(force=True)  # one that an earlier fit() compiled knows nothing of them

    def _unwatch(self) -> None:
        if self._norms:
            while self._norms:
                self._norms.pop().remove()
            model: Any = self.model
            model.train_function = None

    def _last_of_group(self, batch: int) -> int:
        """The last index of a group of batches; older releases (Keras 3.10) tell of its end by its first one, too."""
        if batch != self._batch_begun:
            self._told_at_once = 1
        return batch + self._told_at_once - 1

    def _log_batch(self, logs: Mapping[str, float]) -> None:
        step = self._step()
        if self._training.due(step):
            self._batches, self._is_first = 0, False
            row = {**logs, **self._since_the_last_row(logs), **_rates(self.model)}
            self._training.log(row, step=step, prefix="train", epoch=self._epoch, batch=self._seen)

    def _since_the_last_row(self, logs: Mapping[str, float]) -> dict[str, object]:
        """The mean loss of the batches since the last row, for Keras tells that of the epoch so far; the gradients."""
        row: dict[str, object] = {}
        (before, mean), batches = self._mean, self._batch + 1
        # The last batch may be smaller than the others, and so count for less in the mean.
        if "loss" in logs and batches > before and batches != self._steps:
            row["batch_loss"] = (logs["loss"] * batches - mean * before) / (batches - before)
            self._mean = (batches, logs["loss"])
        return row | self._gradients_of_the_last_update()

    def _gradients_of_the_last_update(self) -> dict[str, object]:
        return {name: value for norms in self._norms for name, value in norms.read().items()}

    def _step(self) -> int:
        """Optimizer updates done. Read through the model: on JAX that brings its variables up to date."""
        compiled: Any = getattr(self.model, "optimizer", None)
        if compiled is not None:  # the usual case
            return int(compiled.iterations)
        counts = [int(one.iterations) for one in optimizers_of(self.model).values()]
        return max(counts, default=self._training.step + self._batches)

    def _place(self) -> Place:
        return Place(self._step(), self._epoch, self._seen)


def _rates(model: Any) -> dict[str, object]:
    rates = {name: float(one.learning_rate) for name, one in optimizers_of(model).items()}
    return learning_rates(rates) | loss_scale(model)
