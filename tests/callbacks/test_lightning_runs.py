"""Lightning: which run a fit is recorded in, how it ends, and how it goes on after a crash."""

from __future__ import annotations

import inspect
import os
import signal
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("lightning.pytorch")

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.tuner.tuning import Tuner
from lightning_models import Module, batches, trainer
from readings import OneRun, Runs, by_alias, points

import treering
from treering.api import Api
from treering.callbacks.lightning import TreeringCallback, TreeringLogger


@pytest.fixture
def unseen(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Options of a Trainer that does not show itself to its loggers."""
    if "enable_autolog_hparams" in inspect.signature(pl.Trainer).parameters:
        return {"enable_autolog_hparams": False}
    for name in ("log_graph", "log_hyperparams"):  # older ones always do
        monkeypatch.setattr(TreeringLogger, name, lambda *_: None)
    return {}


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
    for fold in range(3):
        trainer(tmp_path, TreeringLogger(name=f"fold {fold}"), max_epochs=1).fit(Module(), batches(2))
    logger = TreeringLogger(name="thrice")
    for _ in range(3):
        trainer(tmp_path, logger, max_epochs=1).fit(Module(), batches(2))
    runs = recorded()
    assert [run.name for run in runs] == ["fold 0", "fold 1", "fold 2", "thrice"]
    assert runs[3].history("train/loss").x.tolist() == [1, 2] * 3
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
