"""Lightning: axes, names, checkpoints, ends and resumption, on real Trainers."""

from __future__ import annotations

import argparse
import csv
import math
import time
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("lightning.pytorch")

import torch
from lightning.pytorch.callbacks import LearningRateMonitor, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger
from lightning_models import Module, batches, trainer
from readings import OneRun, by_alias, points

from treering.callbacks.lightning import TreeringCallback, TreeringLogger

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


def test_times_of_steps_and_of_waiting_for_data(tmp_path: Path, only_run: OneRun) -> None:
    class Slow(Module):
        def training_step(self, batch: list[torch.Tensor], batch_idx: int) -> torch.Tensor:
            time.sleep(0.02)
            return super().training_step(batch, batch_idx)

        def validation_step(self, batch: list[torch.Tensor], batch_idx: int, dataloader_idx: int = 0) -> None:
            time.sleep(1.0)

    class Slowly(torch.utils.data.Dataset[Any]):
        def __len__(self) -> int:
            return 8

        def __getitem__(self, index: int) -> torch.Tensor:
            time.sleep(0.01)
            return torch.ones(1)

    options = {"accumulate_grad_batches": 2, "val_check_interval": 2, "num_sanity_val_steps": 0}
    fit = trainer(tmp_path, TreeringLogger(), max_epochs=1, **options)
    fit.fit(Slow(), torch.utils.data.DataLoader(Slowly(), 2), batches(1))
    run = only_run()
    steps, waits, speeds = (run.history(f"time/{name}") for name in ("step_ms", "data_wait_ms", "samples_per_s"))
    assert steps.x.tolist() == [1, 2]
    assert min(steps.values) >= 2 * 20, "of both batches"
    assert waits.values[-1] >= 2 * 2 * 10 * 0.9, "two samples for each of two batches, one of them fetched ahead"
    assert waits.values[-1] < 1000, "validation is no waiting"
    assert all(speed <= 4 / (step / 1e3) for speed, step in zip(speeds.values, steps.values, strict=True))


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
