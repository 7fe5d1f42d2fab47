"""Lightning: each file and folder that a ModelCheckpoint writes, whatever writes it."""

from __future__ import annotations

import io
import time
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("lightning.pytorch")

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.plugins.io import AsyncCheckpointIO, TorchCheckpointIO
from lightning_models import Module, batches, trainer
from readings import OneRun, by_alias

from treering.callbacks.lightning import TreeringLogger

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


def test_a_writer_in_the_background_that_writes_over_its_file(tmp_path: Path, only_run: OneRun) -> None:
    """What lies there when Lightning tells of a checkpoint is the one before: it must not be taken for the new one."""
    saver = ModelCheckpoint(tmp_path, every_n_train_steps=1, save_top_k=0, save_last=True)
    fit = trainer(
        tmp_path,
        TreeringLogger(checkpoints="all"),
        max_epochs=3,
        callbacks=[saver],
        plugins=[AsyncCheckpointIO(SlowIO())],
    )
    fit.fit(Module(), batches(1))
    steps = {
        version.metadata["step"]: torch.load(io.BytesIO(version.read("last.ckpt")), weights_only=False)["global_step"]
        for version in only_run().versions()
    }
    assert steps[3] == 3
    assert all(step == inside for step, inside in steps.items())
