"""Keras: the files that other callbacks save, those that ours saves, and models that go on in their run."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

keras = pytest.importorskip("keras")

from keras_models import INPUTS, TARGETS, build, fit
from overwriting import check_one_path
from readings import OneRun, Runs, findings

import treering
from treering.api import ApiRun
from treering.callbacks.keras import TreeringCallback
from treering.errors import UsageError
from treering.integrations.keras import load_model

# -- checkpoints ------------------------------------------------------------------------------------------------------


def contents(run: ApiRun) -> dict[str, bytes]:
    return {alias: version.read() for version in run.versions() for alias in version.aliases}


class Copies(keras.callbacks.Callback):  # type: ignore[misc, name-defined]
    """Keeps what a path held whenever an epoch began and at the end."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path, self.seen = path, list[bytes]()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        if self.path.exists():
            self.seen.append(self.path.read_bytes())

    def on_train_end(self, logs: Any = None) -> None:
        self.on_epoch_begin(0)


@pytest.mark.parametrize("ours_first", [True, False])
@pytest.mark.parametrize("name", ["model.keras", "model.weights.h5", "{epoch:02d}-{loss:.4f}.keras", "[a]*/{epoch}.h5"])
@pytest.mark.filterwarnings("ignore:.*HDF5:UserWarning")
def test_files_are_taken_wherever_the_callback_stands(
    name: str, ours_first: bool, tmp_path: Path, only_run: OneRun
) -> None:
    path = tmp_path / "saved" / name
    saver = keras.callbacks.ModelCheckpoint(path, monitor="loss", save_weights_only="weights" in name)
    copies = Copies(path)
    callbacks = [TreeringCallback(), saver, copies] if ours_first else [saver, copies, TreeringCallback()]
    fit(build(), *callbacks, epochs=3)
    kept = contents(only_run())
    if "{" in name:
        saved = [path for path in (tmp_path / "saved").rglob("*") if path.is_file()]
        saved.sort(key=lambda path: path.stat().st_mtime_ns)
        assert [kept[f"step-{step}"] for step in (4, 8, 12)] == [path.read_bytes() for path in saved]
    else:
        assert [kept[f"step-{step}"] for step in (4, 8, 12)] == copies.seen
        assert len(set(copies.seen)) == 3
    assert kept["last"] == kept["step-12"] == kept["best:train/loss"]


def test_nothing_saved_when_nothing_is_better(tmp_path: Path, only_run: OneRun) -> None:
    saver = keras.callbacks.ModelCheckpoint(tmp_path / "best.keras", save_best_only=True)
    model = build(keras.optimizers.SGD(0.0))
    fit(model, saver, TreeringCallback(), epochs=3, validation_data=(INPUTS, TARGETS))
    (version,) = only_run().versions()
    assert {"step-4", "best", "best:val/loss", "last"} <= set(version.aliases)
    assert (version.metadata["score"], version.metadata["epoch"]) == (pytest.approx(saver.best), 0)


def test_best_is_by_score_where_every_epoch_is_saved(tmp_path: Path, only_run: OneRun) -> None:
    class Worse(keras.callbacks.Callback):  # type: ignore[misc, name-defined]
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            self.model.optimizer.learning_rate = [0.1, 0.1, 3.0][epoch]

    saver = keras.callbacks.ModelCheckpoint(tmp_path / "{epoch}.keras")
    history = fit(build(), Worse(), saver, TreeringCallback(), epochs=3, validation_data=(INPUTS, TARGETS)).history
    assert np.argmin(history["val_loss"]) == 1
    kept = contents(only_run())
    assert kept["best"] == (tmp_path / "2.keras").read_bytes()
    assert kept["last"] == (tmp_path / "3.keras").read_bytes()


def test_a_larger_accuracy_is_better(tmp_path: Path, only_run: OneRun) -> None:
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, activation="softmax")])
    model.compile(keras.optimizers.SGD(0.5), "sparse_categorical_crossentropy", metrics=["accuracy"])
    saver = keras.callbacks.ModelCheckpoint(tmp_path / "{epoch}.keras", monitor="accuracy")
    labels = (TARGETS > 2).astype("int32")
    history = model.fit(INPUTS, labels, 8, 6, verbose=0, callbacks=[TreeringCallback(), saver]).history
    run = only_run()
    (best,) = [version for version in run.versions() if "best:train/accuracy" in version.aliases]
    assert best.metadata["mode"] == "max"
    assert best.metadata["score"] == pytest.approx(max(history["accuracy"]))
    assert best.metadata["epoch"] == int(np.argmax(history["accuracy"]))


def test_saved_every_few_batches(tmp_path: Path, only_run: OneRun) -> None:
    path = tmp_path / "{epoch}-{batch}.weights.h5"
    saver = keras.callbacks.ModelCheckpoint(path, save_freq=3, save_weights_only=True)
    fit(build(), TreeringCallback(), saver, batches=8, epochs=2)
    files = {f"step-{(int(p.name[0]) - 1) * 8 + int(p.name[2])}": p.read_bytes() for p in tmp_path.glob("*.h5")}
    assert set(files) == {"step-3", "step-6", "step-9", "step-12", "step-15"}
    kept = contents(only_run())
    assert {alias: kept[alias] for alias in files} == files


def test_files_of_an_earlier_training_are_left_alone(tmp_path: Path, recorded: Runs) -> None:
    saver = keras.callbacks.ModelCheckpoint(tmp_path / "{epoch}.keras")
    model = build()
    fit(model, saver, TreeringCallback(name="first"), epochs=2)
    fit(model, TreeringCallback(name="second"), epochs=2)
    assert {run.name: len(run.versions()) for run in recorded()} == {"first": 2, "second": 0}


def test_the_folder_of_checkpoints_is_as_without_us(tmp_path: Path) -> None:
    for name, ours in (("with", [TreeringCallback()]), ("without", [])):
        keras.utils.set_random_seed(0)
        saver = keras.callbacks.ModelCheckpoint(tmp_path / name / "{epoch}.weights.h5", save_weights_only=True)
        fit(build(), saver, *ours, epochs=2)
    assert sorted(os.listdir(tmp_path / "with")) == sorted(os.listdir(tmp_path / "without"))


@pytest.mark.parametrize("name", ["model.keras", "model.weights.h5"])
def test_five_files_at_one_path_are_five_versions(name: str, tmp_path: Path, only_run: OneRun) -> None:
    model, path = build(), tmp_path / name

    def save(number: int) -> Path:
        model.set_weights([np.full(one.shape, number, "float32") for one in model.get_weights()])
        model.save(path) if path.suffix == ".keras" else model.save_weights(path)
        return path

    check_one_path(save, only_run)


def test_checkpoints_of_our_own(tmp_path: Path, only_run: OneRun) -> None:
    model = build()
    fit(model, TreeringCallback(save_every=2, checkpoints="all"), epochs=5, validation_data=(INPUTS, TARGETS))
    run = only_run()
    versions = {version.metadata["epoch"]: version for version in run.versions()}
    assert [(epoch, one.metadata["step"], one.metadata["batch"]) for epoch, one in versions.items()] == [
        *((1, 8, 8), (3, 16, 16), (4, 20, 20)),
    ]
    losses = dict(run.history("val/loss"))
    assert versions[3].metadata["score"] == pytest.approx(losses[16])
    versions[4].download(tmp_path)
    again = keras.saving.load_model(tmp_path / "model.keras")
    for one, other in zip(again.get_weights(), model.get_weights(), strict=True):
        assert np.array_equal(one, other)
    with pytest.raises(UsageError, match="save_every=0; use a number of epochs"):
        TreeringCallback(save_every=0)


def test_a_loaded_model_goes_on_in_the_run_that_wrote_its_file(tmp_path: Path, recorded: Runs) -> None:
    saver = keras.callbacks.ModelCheckpoint(tmp_path / "{epoch}.keras")
    fit(build(), TreeringCallback(name="first", log_every=1), saver, epochs=3)
    treering.finish()
    moved = tmp_path / "elsewhere.keras"
    shutil.copy(tmp_path / "2.keras", moved)
    model = load_model(moved)
    callback = TreeringCallback(log_every=1)
    fit(model, callback, epochs=4, initial_epoch=2)
    fit(model, callback, epochs=5, initial_epoch=4)
    treering.finish()
    unknown = tmp_path / "unknown.keras"
    build().save(unknown)
    fit(load_model(unknown), TreeringCallback(name="second"))
    first, second = recorded()
    assert (first.name, first.attempt, second.name, second.attempt) == ("first", 2, "second", 1)
    assert first.history("batch").x.tolist() == list(range(1, 21)), "what was behind the checkpoint is superseded"
    assert first.history("batch").values.tolist() == list(range(1, 21))
    assert len(first.history("batch", superseded=True)) == 24
    assert first.history("epoch").values[-1] == 4


def test_a_later_epoch_without_an_id_is_a_new_run_with_a_link_to_the_last_one_of_its_folder(
    tmp_path: Path, recorded: Runs
) -> None:
    def save(folder: str) -> Any:
        return keras.callbacks.ModelCheckpoint(tmp_path / folder / "{epoch}.keras")

    fit(build(), TreeringCallback(name="first"), save("a"), epochs=2)
    fit(build(), TreeringCallback(name="other"), save("b"), epochs=1)
    model = keras.saving.load_model(tmp_path / "a" / "2.keras")
    callback = TreeringCallback(name="later", log_every=1)
    fit(model, callback, save("a"), epochs=3, initial_epoch=2)
    fit(model, callback, save("a"), epochs=4, initial_epoch=3)
    fit(build(), TreeringCallback(name="elsewhere"), save("c"), epochs=5, initial_epoch=4)
    fit(build(), TreeringCallback(name="afresh"), save("a"), epochs=1)
    runs = {run.name: run for run in recorded()}
    first, later = runs["first"], runs["later"]
    assert (first.attempt, later.attempt) == (1, 1)
    assert later.config["keras"]["continues"] == {
        "run": first.id,
        "step": 8,
        "path": os.path.relpath(tmp_path / "a" / "2.keras"),
    }
    assert findings(later, "continues") == [later.config["keras"]["continues"]]
    assert later.history("batch").x.tolist() == list(range(9, 17))
    assert [name for name, run in runs.items() if "continues" in run.config["keras"]] == ["later"]


if hasattr(keras.callbacks, "OrbaxCheckpoint"):  # newer releases have it

    def test_folders_of_orbax(tmp_path: Path, only_run: OneRun) -> None:
        pytest.importorskip("orbax.checkpoint")
        saver = keras.callbacks.OrbaxCheckpoint(tmp_path / "orbax", monitor="loss", max_to_keep=None)
        fit(build(), TreeringCallback(checkpoints="all"), saver, epochs=3)
        run = only_run()
        versions = {version.metadata["step"]: version for version in run.versions()}
        assert versions.keys() == {4, 8, 12}
        assert {"last", "best", "best:train/loss"} <= set(versions[12].aliases)
        losses = dict(run.history("train/loss"))
        for epoch, (step, version) in enumerate(versions.items()):
            folder = tmp_path / "orbax" / str(epoch)
            assert version.metadata["epoch"] == epoch
            assert version.metadata["score"] == pytest.approx(losses[step])
            on_disk = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
            assert {one.path for one in version.files()} == on_disk.keys() != set()
            assert all(version.read(name) == path.read_bytes() for name, path in on_disk.items())
