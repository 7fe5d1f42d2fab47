"""Lightning: axes, names, checkpoints, ends and resumption, on real Trainers."""

from __future__ import annotations

import argparse
import csv
import inspect
import math
import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("lightning.pytorch")

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import LearningRateMonitor, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger
from lightning.pytorch.plugins.io import AsyncCheckpointIO, TorchCheckpointIO
from lightning.pytorch.tuner.tuning import Tuner
from torch.utils.data import DataLoader, TensorDataset

import treering
from treering.api import Api, ApiRun
from treering.callbacks.lightning import TreeringCallback, TreeringLogger

OneRun = Callable[[], ApiRun]
Runs = Callable[[], list[ApiRun]]

QUIET: dict[str, Any] = {"accelerator": "cpu", "enable_progress_bar": False, "enable_model_summary": False}


class Module(pl.LightningModule):
    """y = w * x with w = 1 at first: the loss of a batch of ones is w squared, and each step makes w smaller."""

    def __init__(self, lr: float = 0.1, decay: float = 1.0, **odd: Any) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.lr, self.decay = lr, decay
        self.w = torch.nn.Parameter(torch.ones(1))
        self.scores: list[float] = []
        self.raise_at: tuple[int, BaseException] | None = None

    def training_step(self, batch: list[torch.Tensor], batch_idx: int) -> torch.Tensor:
        if self.raise_at is not None and self.global_step == self.raise_at[0]:
            raise self.raise_at[1]
        loss = (self.w * batch[0]).pow(2).mean()
        self.log("loss", loss)
        return loss

    def validation_step(self, batch: list[torch.Tensor], batch_idx: int, dataloader_idx: int = 0) -> None:
        score = self.scores[self.current_epoch] if self.scores else (self.w * batch[0]).pow(2).mean()
        self.log("val_loss", score)

    def test_step(self, batch: list[torch.Tensor], batch_idx: int) -> None:
        self.log("test_loss", (self.w * batch[0]).pow(2).mean())

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.SGD(self.parameters(), self.lr)
        schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, self.decay)
        return [optimizer], [{"scheduler": schedule, "interval": "step"}]


def batches(count: int) -> DataLoader[Any]:
    return DataLoader(TensorDataset(torch.ones(count, 1)), 1)


def trainer(folder: Path, logger: Any, **options: Any) -> Any:
    every: dict[str, Any] = {"log_every_n_steps": 1, **QUIET, **options}
    return pl.Trainer(logger=logger, default_root_dir=folder, **every)


def points(run: ApiRun, key: str, **options: Any) -> list[Any]:
    return list(run.history(key, **options))


def by_alias(run: ApiRun) -> dict[str, Any]:
    return {alias: version for version in run.versions() for alias in version.aliases}


@pytest.fixture
def unseen(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Options of a Trainer that does not show itself to its loggers."""
    if "enable_autolog_hparams" in inspect.signature(pl.Trainer).parameters:
        return {"enable_autolog_hparams": False}
    for name in ("log_graph", "log_hyperparams"):  # older ones always do
        monkeypatch.setattr(TreeringLogger, name, lambda *_: None)
    return {}


# -- axes and names ---------------------------------------------------------------------------------------------------


def test_steps_are_optimizer_updates(tmp_path: Path, only_run: OneRun) -> None:
    fit = trainer(tmp_path, TreeringLogger(), accumulate_grad_batches=2, max_epochs=1)
    module = Module()
    fit.fit(module, batches(4), batches(1))
    fit.test(module, batches(1), verbose=False)
    run = only_run()
    assert run.history("train/loss").x.tolist() == [1, 2]
    assert run.history("val/loss").x.tolist() == [2]
    assert run.history("test/loss").x.tolist() == [2]
    assert "step-2" in by_alias(run)
    assert run.history("train/loss", x="batch_step").x.tolist() == [0, 1]
    assert (run.state, run.attempt) == ("finished", 1)


def test_values_and_learning_rates_are_those_of_their_step(tmp_path: Path, only_run: OneRun) -> None:
    trainer(tmp_path, TreeringLogger(), max_epochs=1).fit(Module(decay=0.5), batches(3))
    w, losses = 1.0, []
    for rate in (0.1, 0.05, 0.025):
        losses.append(w * w)
        w -= rate * 2 * w
    run = only_run()
    assert points(run, "train/loss") == [(step, pytest.approx(loss)) for step, loss in enumerate(losses, 1)]
    assert points(run, "lr/0") == [(1, 0.1), (2, 0.05), (3, 0.025)]


def test_first_step_and_each_epochs_last_are_logged(tmp_path: Path, only_run: OneRun) -> None:
    trainer(tmp_path, TreeringLogger(), max_epochs=3, log_every_n_steps=4).fit(Module(), batches(3))
    run = only_run()
    assert run.history("train/loss").x.tolist() == [1, 3, 4, 6, 8, 9]
    assert run.history("train/loss", x="epoch").x.tolist() == [0, 0, 1, 1, 2, 2]
    assert run.history("lr/0").x.tolist() == [1, 3, 4, 6, 8, 9]


def test_what_lightning_logs_elsewhere_does_not_change(tmp_path: Path, only_run: OneRun) -> None:
    for name, callbacks in (("alone", []), ("beside", [TreeringCallback(project="p")])):
        fit = trainer(
            tmp_path / name, CSVLogger(tmp_path / name), max_epochs=3, log_every_n_steps=4, callbacks=callbacks
        )
        torch.manual_seed(0)
        fit.fit(Module(), batches(3), batches(1))
    written = {name: sorted(tmp_path.joinpath(name).rglob("*")) for name in ("alone", "beside")}
    assert [path.relative_to(tmp_path / "alone") for path in written["alone"]] == [
        path.relative_to(tmp_path / "beside") for path in written["beside"]
    ]
    rows = [next(path for path in paths if path.suffix == ".csv").read_text() for paths in written.values()]
    assert rows[0] == rows[1]
    assert len(list(csv.DictReader(rows[0].splitlines()))) > 3
    run = only_run()
    assert run.project == "p"
    assert run.history("val/loss").x.tolist() == [3, 6, 9]
    assert {"last", "step-9"} <= by_alias(run).keys()


class Elaborate(Module):
    """Logs a step of its own, per batch of validation, and to two DataLoaders."""

    def training_step(self, batch: list[torch.Tensor], batch_idx: int) -> torch.Tensor:
        self.log("tokens_seen/all", 10.0 * self.global_step)
        logger: Any = self.logger
        logger.log_metrics({"by_hand": 1.0, "val_by_hand": 2.0}, step=77)
        logger.experiment.log({"direct": 3.0}, step=self.global_step)
        return super().training_step(batch, batch_idx)

    def validation_step(self, batch: list[torch.Tensor], batch_idx: int, dataloader_idx: int = 0) -> None:
        self.log("accuracy", 0.5)
        self.log("val_each", float(batch_idx), on_step=True, on_epoch=True)


def test_names_get_the_section_they_are_logged_in(tmp_path: Path, only_run: OneRun) -> None:
    fit = trainer(tmp_path, TreeringLogger(), max_epochs=1, callbacks=[LearningRateMonitor()])
    fit.fit(Elaborate(), batches(2), [batches(2), batches(2)])
    run = only_run()
    assert {
        *("train/loss", "tokens_seen/all", "by_hand", "val/by_hand", "direct", "lr-SGD"),
        *("val/accuracy/dataloader_idx_0", "val/accuracy/dataloader_idx_1", "val/each_epoch/dataloader_idx_1"),
    } <= set(run.metrics)
    assert run.history("by_hand", x="step").x.tolist() == [77, 77]
    assert run.history("val/each_step/dataloader_idx_0").x.tolist() == [2, 2]
    assert points(run, "val/each_step/dataloader_idx_0", x="batch") == [(0, 0), (1, 1)]


class OwnStep(Module):
    def validation_step(self, batch: list[torch.Tensor], batch_idx: int, dataloader_idx: int = 0) -> None:
        self.log("val_loss", 0.5)
        self.log("step", float(self.current_epoch + 100))


def test_a_metric_called_step_is_an_axis_of_its_own(tmp_path: Path, only_run: OneRun) -> None:
    trainer(tmp_path, TreeringLogger(), max_epochs=2).fit(OwnStep(), batches(2), batches(1))
    run = only_run()
    assert run.history("val/loss").x.tolist() == [2, 4]
    assert run.history("val/loss", x="step").x.tolist() == [100, 101]


class TwoOptimizers(Module):
    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False

    def training_step(self, batch: list[torch.Tensor], batch_idx: int) -> None:  # type: ignore[override]  # manual
        loss = (self.w * batch[0]).pow(2).mean()
        optimizers: Any = self.optimizers()
        for optimizer in optimizers:
            loss = (self.w * batch[0]).pow(2).mean()
            optimizer.zero_grad()
            self.manual_backward(loss)
            optimizer.step()
        self.log("loss", loss)

    def configure_optimizers(self) -> Any:
        named = [{"params": [self.w], "name": "weights"}]
        return [torch.optim.SGD(named, 0.1), torch.optim.Adam([self.w], 0.2)]


def test_two_optimizers(tmp_path: Path, only_run: OneRun) -> None:
    trainer(tmp_path, TreeringLogger(), max_epochs=1).fit(TwoOptimizers(), batches(2))
    run = only_run()
    assert points(run, "lr/0/weights") == [(2, 0.1), (4, 0.1)]
    assert points(run, "lr/1/0") == [(2, 0.2), (4, 0.2)]
    assert [one["class"] for one in run.config["lightning"]["optimizers"]] == ["SGD", "Adam"]


def test_a_tested_checkpoint_is_at_its_own_step(tmp_path: Path, only_run: OneRun) -> None:
    saver = ModelCheckpoint(tmp_path, "{step}", every_n_train_steps=2, save_top_k=-1)
    module, fit = Module(), trainer(tmp_path, TreeringLogger(), max_epochs=1, callbacks=[saver])
    fit.fit(module, batches(4))
    fit.test(module, batches(1), verbose=False)
    fit.test(module, batches(1), ckpt_path=tmp_path / "step=2.ckpt", verbose=False)
    assert points(only_run(), "test/loss") == [(4, pytest.approx(0.8**8)), (2, pytest.approx(0.8**4))]


def test_nan_is_kept_and_told(tmp_path: Path, only_run: OneRun) -> None:
    trainer(tmp_path, TreeringLogger(), max_epochs=1).fit(Module(lr=math.inf), batches(3))
    run = only_run()
    assert math.isnan(run.history("train/loss").values[-1])
    told = {event.fields["series"]: event.fields["step"] for event in run.events() if event.kind == "non_finite"}
    assert told["train/loss"] == 2


# -- config -----------------------------------------------------------------------------------------------------------


def test_config(tmp_path: Path, only_run: OneRun) -> None:
    logger = TreeringLogger(config={"lr": "mine"})
    logger.log_hyperparams(argparse.Namespace(by_hand=1))
    trainer(tmp_path, logger, max_epochs=1, accumulate_grad_batches=2).fit(Module(lr=0.3), batches(2))
    config = only_run().config
    assert (config["lr"], config["decay"], config["by_hand"]) == ("mine", 1.0, 1)
    assert config["lightning"]["trainer"]["accumulate_grad_batches"] == 2
    assert config["lightning"]["model"] == {"class": "Module", "parameters": 1, "trainable_parameters": 1}
    assert config["lightning"]["optimizers"][0]["lr"] == 0.3


def test_odd_hyperparameters(tmp_path: Path, only_run: OneRun) -> None:
    odd: dict[str, Any] = {"call": lambda x: x, "tensor": torch.zeros(3), "api_key": "abc", "itself": None}
    odd["nested"] = odd
    logger = TreeringLogger()
    logger.log_hyperparams(odd)
    trainer(tmp_path, logger, max_epochs=1).fit(Module(), batches(1))
    config = only_run().config
    assert "abc" not in str(config)
    assert "lambda" in config["call"]
    assert (config["tensor"]["shape"], config["lr"]) == ([3], 0.1)


# -- checkpoints ------------------------------------------------------------------------------------------------------


def test_best_follows_the_monitor_and_last_the_time(tmp_path: Path, only_run: OneRun) -> None:
    saver = ModelCheckpoint(tmp_path, "{step}", monitor="val_loss", save_top_k=2, save_last=True)
    module = Module()
    module.scores = [3, 3, 1, 2, 0.5]
    trainer(tmp_path, TreeringLogger(), max_epochs=5, callbacks=[saver]).fit(module, batches(1), batches(1))
    run = only_run()
    aliases = by_alias(run)
    assert aliases["best"].metadata["score"] == 0.5
    assert aliases["best"].id == aliases["best:val/loss"].id
    assert aliases["best"].metadata["step"] == aliases["last"].metadata["step"] == 5
    assert aliases["best"].metadata["epoch"] == 4
    assert {version.metadata["score"] for version in run.versions()} == {3, 1, 2, 0.5}
    (file,) = aliases["last"].files()
    assert aliases["last"].read(file.path) == (tmp_path / "last.ckpt").read_bytes()


def test_best_stays_when_a_worse_file_is_saved(tmp_path: Path, only_run: OneRun) -> None:
    saver = ModelCheckpoint(tmp_path, "{step}", monitor="val_loss", save_top_k=-1)
    module = Module()
    module.scores = [1, 3, 2]
    trainer(tmp_path, TreeringLogger(), max_epochs=3, callbacks=[saver]).fit(module, batches(1), batches(1))
    aliases = by_alias(only_run())
    assert aliases["best"].metadata["step"] == 1
    assert aliases["last"].metadata["step"] == 3


def test_a_best_for_each_monitor(tmp_path: Path, only_run: OneRun) -> None:
    class Two(Module):
        def validation_step(self, batch: list[torch.Tensor], batch_idx: int, dataloader_idx: int = 0) -> None:
            super().validation_step(batch, batch_idx)
            self.log("accuracy", [0.9, 0.1][self.current_epoch])

    savers = [
        ModelCheckpoint(tmp_path / "loss", "{step}", monitor="val_loss"),
        ModelCheckpoint(tmp_path / "accuracy", "{step}", monitor="accuracy", mode="max"),
    ]
    module = Two()
    module.scores = [3, 1]
    trainer(tmp_path, TreeringLogger(), max_epochs=2, callbacks=savers).fit(module, batches(1), batches(1))
    aliases = by_alias(only_run())
    assert aliases["best:val/loss"].metadata["step"] == aliases["best"].metadata["step"] == 2
    assert aliases["best:val/accuracy"].metadata["step"] == 1
    assert aliases["best:val/accuracy"].digest != aliases["best"].digest


class InPlaceIO(TorchCheckpointIO):
    def save_checkpoint(self, checkpoint: Any, path: Any, storage_options: Any = None) -> None:
        torch.save(checkpoint, path)


@pytest.mark.parametrize("writer", [TorchCheckpointIO, InPlaceIO])
def test_a_file_that_is_overwritten_gives_intact_versions(tmp_path: Path, only_run: OneRun, writer: type[Any]) -> None:
    seen: list[bytes] = []

    class Keep(pl.Callback):
        def on_train_batch_start(self, trainer: Any, *args: Any, **kwargs: Any) -> None:
            if trainer.global_step > 0:
                seen.append((tmp_path / "one.ckpt").read_bytes())

    saver = ModelCheckpoint(tmp_path, "one", every_n_train_steps=1, enable_version_counter=False, save_top_k=1)
    options = {"callbacks": [saver, Keep()], "plugins": [writer()]}
    trainer(tmp_path, TreeringLogger(checkpoints="all"), max_epochs=4, **options).fit(Module(), batches(1))
    kept = [version.read(version.files()[0].path) for version in only_run().versions()]
    assert kept[:3] == seen
    assert len(set(kept)) == 4


class FolderIO(TorchCheckpointIO):
    def save_checkpoint(self, checkpoint: Any, path: Any, storage_options: Any = None) -> None:
        for shard in ("a", "b/c"):
            super().save_checkpoint({**checkpoint, "shard": shard}, Path(path, shard))


def test_a_folder_is_kept_whole(tmp_path: Path, only_run: OneRun) -> None:
    fit = trainer(tmp_path, TreeringLogger(), max_epochs=1, plugins=[FolderIO()])
    fit.fit(Module(), batches(1))
    (version,) = only_run().versions()
    assert {one.path for one in version.files()} == {"a", "b/c"}


class SlowIO(TorchCheckpointIO):
    def save_checkpoint(self, *arguments: Any, **options: Any) -> None:
        time.sleep(0.3)
        super().save_checkpoint(*arguments, **options)


def test_a_writer_in_the_background_is_waited_for(tmp_path: Path, only_run: OneRun) -> None:
    saver = ModelCheckpoint(tmp_path, "{step}", every_n_train_steps=1, save_top_k=-1)
    fit = trainer(tmp_path, TreeringLogger(), max_epochs=3, callbacks=[saver], plugins=[AsyncCheckpointIO(SlowIO())])
    fit.fit(Module(), batches(1))
    read = {version.metadata["step"]: version.read(version.files()[0].path) for version in only_run().versions()}
    assert read == {step: (tmp_path / f"step={step}.ckpt").read_bytes() for step in (1, 2, 3)}


# -- run life ---------------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:.*`Trainer.barebones=True.` is configured:UserWarning")
def test_nothing_is_opened_where_nothing_is_logged(tmp_path: Path, store_dir: Path) -> None:
    logger = TreeringLogger()
    assert logger.experiment is not None
    assert logger.version == logger.version
    trainer(tmp_path, logger, fast_dev_run=True, callbacks=[TreeringCallback()]).fit(Module(), batches(2), batches(1))
    bare = pl.Trainer(barebones=True, accelerator="cpu", max_epochs=1, callbacks=[TreeringCallback()])
    bare.fit(Module(), batches(2), batches(1))
    tuned = trainer(tmp_path, logger, max_epochs=1)
    Tuner(tuned).lr_find(Module(), batches(200), num_training=5)
    assert treering.run is None
    assert not store_dir.exists()


def test_a_logger_is_a_run(tmp_path: Path, recorded: Runs) -> None:
    for fold in range(2):
        trainer(tmp_path, TreeringLogger(name=f"fold {fold}"), max_epochs=1).fit(Module(), batches(2))
    logger = TreeringLogger(name="thrice")
    for _ in range(3):
        trainer(tmp_path, logger, max_epochs=1).fit(Module(), batches(2))
    runs = recorded()
    assert [run.name for run in runs] == ["fold 0", "fold 1", "thrice"]
    assert runs[2].history("train/loss").x.tolist() == [1, 2] * 3
    assert {run.state for run in runs} == {"finished"}


def test_default_folder_is_called_after_the_run(tmp_path: Path, only_run: OneRun) -> None:
    fit = trainer(tmp_path, TreeringLogger(project="digits"), max_epochs=1)
    fit.fit(Module(), batches(1))
    run = only_run()
    assert Path(fit.checkpoint_callback.best_model_path).parent == tmp_path / "digits" / run.id / "checkpoints"


def test_without_log_graph(tmp_path: Path, only_run: OneRun, unseen: dict[str, Any]) -> None:
    fit = trainer(tmp_path, TreeringLogger(), max_epochs=1, **unseen)
    fit.fit(Module(), batches(2), batches(1))
    run = only_run()
    assert run.history("loss").x.tolist() == [1, 2]
    assert run.history("val/loss").x.tolist() == [2]
    assert run.state == "finished"
    assert "step-2" in by_alias(run)


def test_without_log_graph_but_with_the_callback(tmp_path: Path, only_run: OneRun, unseen: dict[str, Any]) -> None:
    logger = TreeringLogger()
    saver = ModelCheckpoint(tmp_path, "{step}", every_n_train_steps=1)
    options = {"callbacks": [TreeringCallback(logger=logger), saver], **unseen}
    trainer(tmp_path, logger, max_epochs=1, **options).fit(Module(decay=0.5), batches(2), batches(1))
    trainer(tmp_path, logger, max_epochs=2, **options).fit(Module(), batches(2), ckpt_path=tmp_path / "step=2.ckpt")
    run = only_run()
    assert run.history("train/loss").x.tolist() == [1, 2, 3, 4]
    assert points(run, "lr/0")[:2] == [(1, 0.1), (2, 0.05)]
    assert run.history("val/loss").x.tolist() == [2]


@pytest.mark.parametrize("shown", [True, False])
def test_an_exception_fails_the_run(tmp_path: Path, only_run: OneRun, shown: bool, request: Any) -> None:
    options = {} if shown else request.getfixturevalue("unseen")
    module = Module()
    module.raise_at = (2, RuntimeError("no more"))
    saver = ModelCheckpoint(tmp_path, "{step}", every_n_train_steps=1)
    fit = trainer(tmp_path, TreeringLogger(), max_epochs=4, callbacks=[saver], **options)
    with pytest.raises(RuntimeError, match="no more"):
        fit.fit(module, batches(1))
    run = only_run()
    assert run.state == "failed"
    assert run.failure is not None
    assert (run.failure["type"], run.failure["message"], run.failure["step"]) == ("RuntimeError", "no more", 2)
    assert "in training_step" in run.failure["traceback"]
    assert "step-2" in by_alias(run)


def test_the_step_of_a_failure_is_exact(tmp_path: Path, only_run: OneRun) -> None:
    module = Module()
    module.raise_at = (4, RuntimeError("no more"))
    with pytest.raises(RuntimeError, match="no more"), treering.init():
        trainer(tmp_path, TreeringLogger(), max_epochs=1, log_every_n_steps=50).fit(module, batches(9))
    run = only_run()
    assert run.history("train/loss").x.tolist() == [1]
    assert run.failure is not None
    assert run.failure["step"] == 4


def test_a_failing_sanity_check_fails_the_run(tmp_path: Path, only_run: OneRun) -> None:
    class Broken(Module):
        def validation_step(self, batch: list[torch.Tensor], batch_idx: int, dataloader_idx: int = 0) -> None:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        trainer(tmp_path, TreeringLogger(), max_epochs=1).fit(Broken(lr=0.7), batches(1), batches(1))
    run = only_run()
    assert (run.state, run.config["lr"], run.keys()) == ("failed", 0.7, [])


def test_ctrl_c_interrupts_the_run(tmp_path: Path, only_run: OneRun) -> None:
    module = Module()
    module.raise_at = (2, KeyboardInterrupt())
    with pytest.raises(SystemExit):
        trainer(tmp_path, TreeringLogger(), max_epochs=4).fit(module, batches(1))
    run = only_run()
    assert (run.state, run.history("train/loss").x.tolist()) == ("interrupted", [1, 2])


def test_a_later_success_is_a_success(tmp_path: Path, only_run: OneRun) -> None:
    module, logger = Module(), TreeringLogger()
    module.raise_at = (1, RuntimeError("once"))
    with pytest.raises(RuntimeError):
        trainer(tmp_path, logger, max_epochs=2).fit(module, batches(1))
    module.raise_at = None
    trainer(tmp_path, logger, max_epochs=2).fit(module, batches(1))
    assert only_run().state == "finished"


# -- resumption -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("explicit", [True, False], ids=["own folder", "default folder"])
@pytest.mark.filterwarnings("ignore:The dirpath has changed:UserWarning")  # said before the logger can know
def test_resuming_keeps_run_folder_and_best_files(tmp_path: Path, only_run: OneRun, explicit: bool) -> None:
    def saver() -> ModelCheckpoint:
        folder = tmp_path / "kept" if explicit else None
        return ModelCheckpoint(folder, "{step}", monitor="val_loss", save_top_k=2, every_n_epochs=1)

    module = Module()
    module.scores = [3, 1, 2, 9, 9, 9]
    module.raise_at = (5, RuntimeError("power cut"))
    first = saver()
    fit = trainer(tmp_path, TreeringLogger(project="p"), max_epochs=6, callbacks=[first])
    with pytest.raises(RuntimeError, match="power cut"):
        fit.fit(module, batches(1), batches(1))
    newest = Path(str(first.dirpath), "step=3.ckpt")

    module.scores, module.raise_at = [0, 0, 0, 8, 8, 0.5], None
    second = saver()
    fit = trainer(tmp_path, TreeringLogger(project="p"), max_epochs=6, callbacks=[second])
    fit.fit(module, batches(1), batches(1), ckpt_path=newest)
    run = only_run()
    assert (run.state, run.attempt, [one.state for one in run.attempts]) == ("finished", 2, ["failed", "finished"])
    assert run.history("train/loss").x.tolist() == [1, 2, 3, 4, 5, 6]
    assert points(run, "val/loss") == [(1, 3), (2, 1), (3, 2), (4, 8), (5, 8), (6, 0.5)]
    assert len(run.history("val/loss", superseded=True)) == 8
    assert second.dirpath == first.dirpath
    assert {Path(path).name for path in second.best_k_models} == {"step=2.ckpt", "step=6.ckpt"}
    assert by_alias(run)["best"].metadata["step"] == 6


def test_the_users_id_wins_over_the_checkpoints(tmp_path: Path, recorded: Runs) -> None:
    saver = ModelCheckpoint(tmp_path, "{step}", every_n_train_steps=1)
    for logger, epochs, path in ((TreeringLogger(), 1, None), (TreeringLogger(id="mine"), 2, tmp_path / "step=1.ckpt")):
        trainer(tmp_path, logger, max_epochs=epochs, callbacks=[saver]).fit(Module(), batches(1), ckpt_path=path)
    other, mine = recorded()
    assert (mine.id, min(mine.history("train/loss").x)) == ("mine", 2)
    assert other.history("train/loss").x.tolist() == [1]


def killed(train: Callable[[], None]) -> None:
    """Run in a process of its own that kills itself."""
    pid = os.fork()
    if not pid:
        try:
            train()
        except BaseException:
            traceback.print_exc()
        os._exit(99)  # it was to be killed before
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL


class Mortal(Module):
    """Kills its process in the step after `dies_at`."""

    dies_at = 10**9

    def training_step(self, batch: list[torch.Tensor], batch_idx: int) -> torch.Tensor:
        if self.global_step == self.dies_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().training_step(batch, batch_idx)


@pytest.mark.filterwarnings("ignore:The dirpath has changed:UserWarning")  # said before the logger can know
@pytest.mark.filterwarnings("ignore:You're resuming from a checkpoint that ended before:UserWarning")
def test_5_killed_at_step_6_with_a_checkpoint_at_4(tmp_path: Path, only_run: OneRun, store_dir: Path) -> None:
    def saver() -> ModelCheckpoint:
        return ModelCheckpoint(tmp_path, "{step}", monitor="loss", save_top_k=2, every_n_train_steps=4)

    module = Mortal()
    module.dies_at = 6
    killed(lambda: trainer(tmp_path, TreeringLogger(), max_epochs=1, callbacks=[saver()]).fit(module, batches(8)))
    (before,) = Api(store_dir).runs()
    assert (before.state, before.history("train/loss").x.tolist()) == ("lost", [1, 2, 3, 4, 5, 6])
    second = saver()
    fit = trainer(tmp_path, TreeringLogger(), max_epochs=1, callbacks=[second])
    fit.fit(Mortal(), batches(8), ckpt_path=tmp_path / "step=4.ckpt")
    run = only_run()
    assert (run.id, run.attempt, run.state) == (before.id, 2, "finished")
    assert run.history("train/loss").x.tolist() == list(range(1, 9))
    assert len(run.history("train/loss", superseded=True)) == 10
    assert {Path(path).name for path in second.best_k_models} == {"step=4.ckpt", "step=8.ckpt"}
    assert [attempt.state for attempt in run.attempts] == ["lost", "finished"]


@pytest.mark.filterwarnings("ignore:.*there is no last checkpoint available:UserWarning")  # at the first start
@pytest.mark.filterwarnings("ignore:The dirpath has changed:UserWarning")
@pytest.mark.filterwarnings("ignore:You're resuming from a checkpoint that ended before:UserWarning")
def test_started_again_as_it_was_it_goes_on(tmp_path: Path, only_run: OneRun, store_dir: Path) -> None:
    """The same lines, run again after a kill: one run, one axis, the newest checkpoint."""

    def program(dies_at: int) -> None:
        module = Mortal()
        module.dies_at = dies_at
        saver = ModelCheckpoint(filename="{step}", every_n_train_steps=2, save_last=True)
        fit = trainer(tmp_path, TreeringLogger(resume="auto"), max_epochs=1, callbacks=[saver])
        fit.fit(module, batches(12), ckpt_path="last")

    for dies_at in (1, 5, 8):
        killed(lambda dies_at=dies_at: program(dies_at))  # type: ignore[misc]  # bound now
    program(10**9)
    run = only_run()
    assert run.state == "finished"
    assert run.history("train/loss").x.tolist() == list(range(1, 13))
    assert points(run, "train/loss")[-1] == (12, pytest.approx(0.8**22)), "its weights are those of the checkpoint"
    assert by_alias(run)["last"].metadata["step"] == 12


# -- gradients --------------------------------------------------------------------------------------------------------


class Wide(Module):
    """Gradients of known size: those of the batch's mean, for weights that start at one."""

    def __init__(self) -> None:
        super().__init__()
        self.norms: list[float] = []
        self.clipped: list[float] = []

    def on_before_optimizer_step(self, optimizer: Any) -> None:
        self.norms.append(float(self.w.grad.norm()))

    def configure_gradient_clipping(self, optimizer: Any, *arguments: Any, **options: Any) -> None:
        super().configure_gradient_clipping(optimizer, *arguments, **options)
        self.clipped.append(float(self.w.grad.norm()))


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_watched_gradients_are_the_true_ones(tmp_path: Path, only_run: OneRun, precision: str) -> None:
    module = Wide()
    options = {"accumulate_grad_batches": 2, "gradient_clip_val": 1.5, "precision": precision}
    fit = trainer(tmp_path, TreeringLogger(watch={"every": 1}), max_epochs=1, **options)
    fit.fit(module, batches(6), batches(1))
    run = only_run()
    assert points(run, "grad/norm") == [(at, pytest.approx(one)) for at, one in enumerate(module.clipped, 1)]
    assert points(run, "grad/norm_preclip") == [(at, pytest.approx(one)) for at, one in enumerate(module.norms, 1)]
    assert run.history("grad/layer/w").x.tolist() == run.history("train/loss").x.tolist() == [1, 2, 3]
    assert max(module.clipped) < max(module.norms)
    optimizer = fit.optimizers[0]
    assert not optimizer._optimizer_step_pre_hooks


def test_two_optimizers_are_watched_apart(tmp_path: Path, only_run: OneRun) -> None:
    trainer(tmp_path, TreeringLogger(watch={"every": 1}), max_epochs=1).fit(TwoOptimizers(), batches(2))
    run = only_run()
    assert run.history("grad/0/norm").x.tolist() == [1, 3]
    assert run.history("grad/1/norm").x.tolist() == [2, 4]


def test_gradients_are_not_watched_unasked(tmp_path: Path, only_run: OneRun) -> None:
    trainer(tmp_path, TreeringLogger(), max_epochs=1).fit(Module(), batches(2))
    assert not any(key.startswith(("grad/", "update")) for key in only_run().metrics)


@pytest.mark.filterwarnings("ignore:torch.distributed is disabled:UserWarning")  # one process stands for all
def test_a_sharded_checkpoint_is_kept_whole(tmp_path: Path, only_run: OneRun) -> None:
    """The writer that sharded strategies share: a folder, with a file for each rank and one that describes them."""
    import torch.distributed.checkpoint as sharded

    class ShardedIO(TorchCheckpointIO):
        def save_checkpoint(self, checkpoint: Any, path: Any, storage_options: Any = None) -> None:
            sharded.save({"state_dict": checkpoint["state_dict"]}, checkpoint_id=path, no_dist=True)
            torch.save({key: value for key, value in checkpoint.items() if key != "state_dict"}, Path(path, "meta.pt"))

    saver = ModelCheckpoint(tmp_path, "{step}", every_n_train_steps=1, save_top_k=-1)
    fit = trainer(tmp_path, TreeringLogger(checkpoints="all"), max_epochs=2, callbacks=[saver], plugins=[ShardedIO()])
    fit.fit(Module(), batches(1))
    versions = {version.metadata["step"]: version for version in only_run().versions()}
    assert versions.keys() == {1, 2}
    for step, version in versions.items():
        folder = tmp_path / f"step={step}.ckpt"
        there = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*")}
        assert {one.path for one in version.files()} == there.keys() >= {".metadata", "meta.pt"}
        assert all(version.read(name) == path.read_bytes() for name, path in there.items())


# -- real processes ---------------------------------------------------------------------------------------------------

POLITELY_KILLED = """
import os, signal, sys, warnings
warnings.simplefilter("ignore")
import lightning.pytorch as pl, torch, treering
from treering.callbacks.lightning import TreeringLogger

class Module(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.w = torch.nn.Parameter(torch.ones(1))
    def training_step(self, batch):
        if self.global_step == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        self.log("loss", self.w.pow(2).mean())
        return self.w.pow(2).mean()
    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)

if sys.argv[1] == "theirs":
    treering.init()
loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.ones(9, 1)), 1)
try:
    pl.Trainer(max_epochs=1, logger=TreeringLogger(), accelerator="cpu", log_every_n_steps=1,
               enable_progress_bar=False, enable_checkpointing=False).fit(Module(), loader)
finally:
    print("left in order")
"""


@pytest.mark.parametrize("whose", ["ours", "theirs"])
def test_a_polite_kill_lets_the_batch_end(tmp_path: Path, store_dir: Path, whose: str) -> None:
    command = [sys.executable, "-c", POLITELY_KILLED, whose]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "left in order" in ended.stdout, ended.stderr
    (run,) = Api(store_dir).runs()
    assert (run.state, run.history("train/loss").x.tolist()) == ("preempted", [1, 2, 3])


TWO_RANKS = """
import warnings
warnings.simplefilter("ignore")
import lightning.pytorch as pl, torch
from treering.callbacks.lightning import TreeringLogger

class Module(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.w = torch.nn.Parameter(torch.ones(1))
    def training_step(self, batch):
        self.log("loss", self.w.pow(2).mean(), sync_dist=True)
        return (self.w * batch[0]).pow(2).mean()
    def validation_step(self, batch):
        self.log("val_loss", self.w.pow(2).mean(), sync_dist=True)
    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)

if __name__ == "__main__":
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.ones(8, 1)), 1)
    trainer = pl.Trainer(max_epochs=1, logger=TreeringLogger(), accelerator="cpu", devices=2, strategy="ddp",
                         log_every_n_steps=1, enable_progress_bar=False)
    trainer.fit(Module(), loader, loader)
    print(trainer.global_rank, trainer.checkpoint_callback.best_model_path)
"""


@pytest.mark.slow
@pytest.mark.timeout(300)  # three processes import the framework
def test_two_ranks_are_one_run(tmp_path: Path, store_dir: Path) -> None:
    (tmp_path / "program.py").write_text(TWO_RANKS)
    ended = subprocess.run([sys.executable, "program.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    (run,) = Api(store_dir).runs()
    assert run.state == "finished"
    assert run.history("train/loss").x.tolist() == [1, 2, 3, 4]
    assert run.history("val/loss").x.tolist() == [4]
    assert run.config["lightning"]["trainer"]["world_size"] == 2
    assert "step-4" in by_alias(run)
    saved = tmp_path / "treering" / run.id / "checkpoints" / "epoch=0-step=4.ckpt"
    assert {f"0 {saved}", f"1 {saved}"} <= set(ended.stdout.splitlines())


@pytest.mark.filterwarnings("ignore:It is recommended to use .self.log:UserWarning")  # the values are all the same
def test_two_forked_ranks_are_one_run(tmp_path: Path, only_run: OneRun) -> None:
    """`ddp_fork` copies the logger into processes that begin in the middle of this one and end without its exit."""
    fit = trainer(tmp_path, TreeringLogger(watch={"every": 1}), max_epochs=1, devices=2, strategy="ddp_fork")
    fit.fit(Module(), batches(8), batches(2))
    run = only_run()
    assert run.state == "finished"
    assert run.history("train/loss").x.tolist() == run.history("grad/norm").x.tolist() == [1, 2, 3, 4]
    assert run.history("val/loss").x.tolist() == [4]
    assert run.config["lightning"]["trainer"]["world_size"] == 2
    assert "step-4" in by_alias(run)


# -- the other tree ---------------------------------------------------------------------------------------------------

PROGRAM = """
import sys, warnings
warnings.simplefilter("ignore")
import pytorch_lightning as pl, torch
from treering.callbacks.lightning import TreeringCallback, TreeringLogger
assert issubclass(TreeringLogger, pl.loggers.logger.Logger) and issubclass(TreeringCallback, pl.Callback)
assert "lightning.pytorch" not in sys.modules
for name in ("keras", "tensorflow", "stable_baselines3"):
    assert name not in sys.modules, name

class Module(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.w = torch.nn.Parameter(torch.ones(1))
    def training_step(self, batch):
        self.log("loss", self.w.pow(2).mean())
        return self.w.pow(2).mean()
    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)

loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.ones(2, 1)), 1)
for epochs, path in ((1, None), (2, "last.ckpt")):
    saver = pl.callbacks.ModelCheckpoint(".", "last", every_n_train_steps=1, enable_version_counter=False)
    pl.Trainer(max_epochs=epochs, logger=TreeringLogger(), callbacks=[saver], accelerator="cpu", log_every_n_steps=1,
               enable_progress_bar=False).fit(Module(), loader, ckpt_path=path)
"""


def test_pytorch_lightning(tmp_path: Path, store_dir: Path) -> None:
    ended = subprocess.run([sys.executable, "-c", PROGRAM], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    (run,) = Api(store_dir).runs()
    assert run.state == "finished"
    assert run.history("train/loss").x.tolist() == [1, 2, 3, 4]
    assert {"last", "step-4"} <= by_alias(run).keys()
