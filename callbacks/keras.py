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

import json
import os
import time
from typing import TYPE_CHECKING, Any, Literal

from treering._framework import framework
from treering.integrations.keras import (
    GradientNorms,
    Signature,
    describe,
    loss_scale,
    optimizers_of,
    siblings,
    written,
)
from treering.resuming import newest_checkpoint
from treering.training import Options, Score, Training, learning_rates, metric_name

with framework("keras", extra="keras"):
    import keras

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from typing_extensions import Unpack

    from treering import Run

__all__ = ["TreeringCallback"]

SIDECAR = "treering.json"


class TreeringCallback(keras.callbacks.Callback):  # type: ignore[misc]  # keras ships no types
    """Records what `fit` and `evaluate` do.

    The place in the list does not matter. One object can be passed to `fit()` again, and to a later `evaluate()`: the
    run goes on. A training that `BackupAndRestore` brings back after a crash goes on in its run.

    Args:
        run: a run from `treering.init`; without it the active run is used, or one is opened when training starts.
        log_every: optimizer updates between two rows within an epoch. Each epoch has its row in any case.
        gradients: record the norms of gradients, `grad/norm` and `grad/layer/<variable>`, in the rows within epochs.
            What the optimizer takes is looked at within the compiled step, which costs a pass over the gradients.
        **options: see `treering.training.Options`.
    """

    def __init__(
        self, run: Run | None = None, *, log_every: int = 10, gradients: bool = False, **options: Unpack[Options]
    ) -> None:
        super().__init__()
        self._training = Training("keras", run, log_every=log_every, **options)
        self._fitting = False
        self._begun = False
        self._epoch = 0
        self._epoch_started_s = 0.0
        self._epoch_logs: Mapping[str, float] = {}
        self._batch = -1
        self._batches = 0  # since the last row
        self._mean = (0, 0.0)  # batches of this epoch at the last row, and their mean loss
        self._gradients = gradients
        self._norms: list[GradientNorms] = []
        self._savers: dict[Any, dict[str, Signature]] = {}
        self._backups: list[str] = []

    @property
    def run(self) -> Run | None:
        """The run that is written to, opened if nothing was recorded before; None on ranks other than zero."""
        return self._training.run

    @property
    def checkpoint(self) -> Path | None:
        """With `resume="auto"`, the file to go on from, as `ModelCheckpoint` saved it; None where there is nothing."""
        found = newest_checkpoint(self._training)
        self._epoch = 0 if found is None else found.metadata.get("epoch", -1) + 1
        return None if found is None else found.path

    @property
    def initial_epoch(self) -> int:
        """What `fit(initial_epoch=...)` takes behind `checkpoint`: the first epoch that it does not hold."""
        return self._epoch

    def set_params(self, params: Mapping[str, Any] | None) -> None:
        super().set_params(params)
        self._fitting = False  # each fit() and evaluate() begins here; within fit() the validation does not

    def on_train_begin(self, logs: Mapping[str, float] | None = None) -> None:
        self._fitting, self._begun = True, False

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        with self._training.guard("on_epoch_begin"):
            if not self._begun:
                # Only now every callback has had its on_train_begin, the one that restores a backup among them.
                self._begun = True
                self._begin()
            self._look_for_files()
            self._leave_sidecars()
        self._epoch, self._batch, self._epoch_started_s, self._mean = epoch, -1, time.monotonic(), (0, 0.0)

    def on_train_batch_begin(self, batch: int, logs: Mapping[str, float] | None = None) -> None:
        if any(saver.save_freq != "epoch" for saver in self._savers):
            with self._training.guard("on_train_batch_begin"):
                self._look_for_files()

    def on_train_batch_end(self, batch: int, logs: Mapping[str, float] | None = None) -> None:
        with self._training.guard("on_train_batch_end"):
            # With several steps to an execution only the last index of each group is told, and it may overshoot.
            self._batches += batch - self._batch if batch > self._batch else batch + 1
            self._batch = batch
            if self._batches >= self._training.log_every or self._training.due(self._training.step):
                step = self._step()
                if self._training.due(step):
                    self._batches = 0
                    row = {**(logs or {}), **self._since_the_last_row(logs or {}), **_rates(self.model)}
                    self._training.log(row, step=step, prefix="train", epoch=self._epoch, batch=batch)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        with self._training.guard("on_epoch_end"):
            self._epoch_logs = dict(logs or {})
            took_s = time.monotonic() - self._epoch_started_s
            row = {**self._epoch_logs, **_rates(self.model), "time/epoch_s": took_s}
            self._training.log(row, step=self._step(), prefix="train", epoch=epoch)
            self.model.stop_training |= self._training.should_stop  # a sweep's early stopping

    def on_test_end(self, logs: Mapping[str, float] | None = None) -> None:
        if not self._fitting and logs:
            with self._training.guard("on_test_end"):
                self._training.log(logs, step=self._step(), prefix="test")

    def on_train_end(self, logs: Mapping[str, float] | None = None) -> None:
        self._fitting = False
        with self._training.guard("on_train_end"):
            self._unwatch()
            self._look_for_files()
            self._training.end()

    # -- private ------------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        savers, backups = siblings(self._model)
        self._savers = {saver: dict(written(saver.filepath)) for saver in savers}
        self._backups = [os.fspath(backup.backup_dir) for backup in backups]
        self._training.begin(step=self._step(), resumed=next(_read_sidecars(self._backups), None))
        for part, values in describe(self.model, self.params or {}):
            self._training.configure(part, values)

        if self._gradients and self._training.opened is not None:
            self._watch()

    def _watch(self) -> None:
        self._unwatch()
        optimizers = optimizers_of(self.model)
        self._norms = [GradientNorms(one, self.model, "" if name == "0" else name) for name, one in optimizers.items()]
        model: Any = self.model
        model.make_train_function(force=True)  # one that an earlier fit() compiled knows nothing of them

    def _unwatch(self) -> None:
        if self._norms:
            while self._norms:
                self._norms.pop().remove()
            model: Any = self.model
            model.train_function = None

    def _since_the_last_row(self, logs: Mapping[str, float]) -> dict[str, object]:
        """The mean loss of the batches since the last row, for Keras tells that of the epoch so far; the gradients."""
        row: dict[str, object] = {}
        (before, mean), batches = self._mean, self._batch + 1
        # The last batch may be smaller than the others, and so count for less in the mean.
        if "loss" in logs and batches > before and batches != (self.params or {}).get("steps"):
            row["batch_loss"] = (logs["loss"] * batches - mean * before) / (batches - before)
            self._mean = (batches, logs["loss"])
        for norms in self._norms:
            row |= norms.read()
        return row

    def _step(self) -> int:
        """Optimizer updates done. Read through the model: on JAX that brings its variables up to date."""
        counts = [int(one.iterations) for one in optimizers_of(self.model).values()]
        return max(counts, default=self._training.step + self._batches)

    def _look_for_files(self) -> None:
        for saver, seen in self._savers.items():
            now = dict(written(saver.filepath))
            changed = [path for path, signature in now.items() if seen.get(path) != signature]
            self._savers[saver] = now
            for path in sorted(changed, key=lambda path: now[path]):
                self._training.checkpoint(
                    path, step=self._step(), score=self._score(saver), metadata={"epoch": self._epoch}
                )

    def _score(self, saver: Any) -> Score | None:
        if saver.monitor_op is None or saver.monitor not in self._epoch_logs:
            return None
        best = float(saver.best) if saver.save_best_only else float(self._epoch_logs[saver.monitor])
        mode: Literal["min", "max"] = "min" if saver.monitor_op is keras.ops.less else "max"
        # With save_best_only a file is written only for a new best; else every epoch, and the scores decide.
        return Score(metric_name(saver.monitor, "train"), best, mode, best=True if saver.save_best_only else None)

    def _leave_sidecars(self) -> None:
        for folder in self._backups:
            if self._training.opened is not None and os.path.isdir(folder):
                with open(os.path.join(folder, SIDECAR), "w", encoding="utf-8") as file:
                    json.dump(self._training.state(), file)


def _read_sidecars(folders: list[str]) -> Iterator[dict[str, object]]:
    for folder in folders:
        path = os.path.join(folder, SIDECAR)
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                yield json.load(file)


def _rates(model: Any) -> dict[str, object]:
    rates = {name: float(one.learning_rate) for name, one in optimizers_of(model).items()}
    return learning_rates(rates) | loss_scale(model)
