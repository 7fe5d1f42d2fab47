"""What all callbacks share: rows, configuration, checkpoints, ends and errors, without a framework."""

from __future__ import annotations

import math
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from overwriting import check_one_path
from readings import OneRun

import treering
from treering.api import ApiRun
from treering.artifacts.collecting import collect
from treering.artifacts.depot import Depot
from treering.errors import TreeringWarning, UsageError
from treering.store import Store
from treering.training import Score, Training

# -- what is recorded -------------------------------------------------------------------------------------------------


def test_axes_are_columns_of_the_row(only_run: OneRun) -> None:
    training = Training("toy")
    training.log({"loss": 0.5, "val_loss": np.float32(0.25)}, step=7, prefix="train", epoch=2, batch=None, tokens=99)
    run = only_run()
    assert {key: list(run.history(key)) for key in run.metrics} == {
        "train/loss": [(7, 0.5)],
        "val/loss": [(7, 0.25)],
        "epoch": [(7, 2)],
        "tokens": [(7, 99)],
    }


def test_the_first_value_that_is_not_finite_is_an_event(only_run: OneRun) -> None:
    training = Training("toy")
    for step, loss in enumerate([1.0, math.nan, math.nan, math.inf], start=1):
        training.log({"loss": loss, "other": -loss}, step=step, prefix="train")
    run = only_run()
    events = [(event.fields["series"], event.fields["step"]) for event in run.events() if event.kind == "non_finite"]
    assert events == [("train/loss", 2), ("train/other", 2)]
    assert np.array_equal(run.history("train/loss").values, [1.0, math.nan, math.nan, math.inf], equal_nan=True)


def test_one_value_that_cannot_be_stored_does_not_cost_the_row(
    monkeypatch: pytest.MonkeyPatch, only_run: OneRun
) -> None:
    monkeypatch.delenv("TREERING_DEBUG")
    training = Training("toy")
    with pytest.warns(TreeringWarning, match="odd"), training.guard("log"):
        training.log({"loss": 1.0, "odd": object()}, step=1)
    with training.guard("log"):
        training.log({"loss": 2.0, "odd": object()}, step=2)
    training.end()
    run = only_run()
    assert list(run.history("loss")) == [(1, 1.0), (2, 2.0)]
    assert run.history("treering/errors").values[-1] == 2


def test_due_follows_steps_that_jump(store_dir: Path) -> None:
    training = Training("toy", log_every=10)
    logged = []
    for step in [3, 6, 9, 12, 15, 18, 40, 41]:
        if training.due(step):
            logged.append(step)
            training.log({"loss": 1.0}, step=step)
    assert logged == [3, 15, 40]


def test_config_lies_under_the_frameworks_name(only_run: OneRun) -> None:
    training = Training("toy", config={"lr": 0.5})
    training.configure("model", {"layers": 3})
    training.configure("optimizer", {"lr": 0.1})
    training.hyperparameters({"lr": 0.1, "depth": 2})
    config = only_run().config
    assert config["toy"] == {"model": {"layers": 3}, "optimizer": {"lr": 0.1}}
    assert (config["lr"], config["depth"]) == (0.5, 2)


def test_summaries(only_run: OneRun) -> None:
    training = Training("toy")
    training.summarize({"train_runtime": np.float64(1.5)})
    assert only_run().summary["train/runtime"] == 1.5


# -- checkpoints ------------------------------------------------------------------------------------------------------


def saved(folder: Path, text: str, name: str = "model.bin") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def aliases(run: ApiRun) -> dict[str, set[str]]:
    """Content by its aliases."""
    return {version.read().decode(): set(version.aliases) - {"latest"} for version in run.versions()}


def test_aliases_follow_scores_that_are_compared_here(tmp_path: Path, only_run: OneRun) -> None:
    training = Training("toy")
    for step, loss in enumerate([3.0, 1.0, 2.0, math.nan], start=1):
        training.checkpoint(saved(tmp_path, str(step)), step=step, score=Score("val/loss", loss))
    assert aliases(only_run()) == {
        "1": {"step-1"},
        "2": {"step-2", "best", "best:val/loss"},
        "3": {"step-3"},
        "4": {"step-4", "last"},
    }


def test_the_frameworks_word_on_the_best_is_taken(tmp_path: Path, only_run: OneRun) -> None:
    training = Training("toy")
    training.checkpoint(saved(tmp_path, "a"), step=1, score=Score("val/loss", 3.0, best=True))
    training.checkpoint(saved(tmp_path, "b"), step=2, score=Score("val/loss", 1.0, best=False))
    assert aliases(only_run()) == {"a": {"step-1", "best", "best:val/loss"}, "b": {"step-2", "last"}}


def test_each_monitor_has_its_best_and_the_first_is_the_main_one(tmp_path: Path, only_run: OneRun) -> None:
    training = Training("toy")
    training.checkpoint(saved(tmp_path, "a"), step=1, score=Score("val/loss", 3.0))
    training.checkpoint(saved(tmp_path, "b"), step=1, score=Score("val/acc", 0.9, "max"))
    training.checkpoint(saved(tmp_path, "c"), step=2, score=Score("val/acc", 0.8, "max"))
    assert aliases(only_run()) == {
        "a": {"best", "best:val/loss"},
        "b": {"step-1", "best:val/acc"},
        "c": {"step-2", "last"},
    }


def test_best_is_remembered_over_a_resume(tmp_path: Path, only_run: OneRun) -> None:
    first = Training("toy")
    first.checkpoint(saved(tmp_path, "a"), step=1, score=Score("val/loss", 1.0))
    second = Training("toy")
    second.begin(step=1, resumed=first.state())
    second.checkpoint(saved(tmp_path, "b"), step=2, score=Score("val/loss", 2.0))
    assert aliases(only_run()) == {"a": {"step-1", "best", "best:val/loss"}, "b": {"step-2", "last"}}


@pytest.mark.parametrize(
    ("mode", "kept"), [("all", ["a", "b", "c"]), ("best+last", ["a", "b", "c"]), ("last", ["a", "c"]), (False, [])]
)
def test_which_checkpoints_are_kept(mode: Any, kept: list[str], tmp_path: Path, only_run: OneRun) -> None:
    training = Training("toy", checkpoints=mode)
    training.begin()
    training.checkpoint(saved(tmp_path, "a"), step=1, score=Score("val/loss", 2.0))
    training.checkpoint(saved(tmp_path, "b"), step=1, score=Score("val/loss", 1.0), is_last=False)
    training.checkpoint(saved(tmp_path, "c"), step=2)
    run = only_run()
    assert sorted(aliases(run)) == kept
    assert not any(alias.startswith("best") for found in aliases(run).values() for alias in found) or mode != "last"


def test_a_path_that_is_written_over_gives_intact_versions(tmp_path: Path, only_run: OneRun) -> None:
    training = Training("toy")
    for step in range(1, 6):
        path = saved(tmp_path, f"content {step}")
        training.checkpoint(path, step=step)
        path.write_text("rubbish")
    assert set(aliases(only_run())) == {f"content {step}" for step in range(1, 6)}


@pytest.mark.parametrize("writer", ["torch.save", "safetensors"])
def test_five_files_at_one_path_are_five_versions(writer: str, tmp_path: Path, only_run: OneRun) -> None:
    torch = pytest.importorskip("torch")
    safetensors = pytest.importorskip("safetensors.torch")
    path = tmp_path / "model"

    def save(number: int) -> Path:
        state = {"weight": torch.full((1000,), float(number))}
        if writer == "torch.save":
            torch.save(state, path)
        else:
            safetensors.save_file(state, path)
        return path

    check_one_path(save, only_run, linkable=writer == "safetensors")


def test_twenty_equal_checkpoints_take_the_room_of_one(tmp_path: Path, only_run: OneRun, store_dir: Path) -> None:
    training = Training("toy", checkpoints="all")
    content = np.random.default_rng(0).bytes(5_000_000)
    for step in range(20):
        path = tmp_path / f"{step}.bin"
        path.write_bytes(content)
        training.checkpoint(path, step=step)
    names = {alias for version in only_run().versions() for alias in version.aliases}
    assert {f"step-{step}" for step in range(20)} <= names
    assert sum(path.stat().st_size for path in store_dir.rglob("*") if path.is_file()) < 6_000_000


def test_a_folder_and_a_group_of_files(tmp_path: Path, only_run: OneRun) -> None:
    folder = tmp_path / "checkpoint-1"
    folder.mkdir()
    saved(folder, "weights", "a.bin")
    saved(folder, "state", "b.json")
    training = Training("toy")
    training.checkpoint(folder, step=1)
    training.checkpoint([saved(tmp_path, "x", "x.zip"), saved(tmp_path, "y", "y.pkl")], step=2)
    assert [[one.path for one in version.files()] for version in only_run().versions()] == [
        ["a.bin", "b.json"],
        ["x.zip", "y.pkl"],
    ]


def test_a_file_that_comes_late_is_taken_at_the_end(tmp_path: Path, only_run: OneRun) -> None:
    training = Training("toy")
    training.begin()
    training.checkpoint(tmp_path / "late.bin", step=3)
    saved(tmp_path, "late", "late.bin")
    training.checkpoint(tmp_path / "never.bin", step=4)
    with pytest.warns(TreeringWarning, match="never.bin was announced at step 4 and never written"):
        training.end()
    assert aliases(only_run()) == {"late": {"step-3", "last"}}


def test_a_slow_writers_file_is_taken_when_it_has_stopped_growing(tmp_path: Path, only_run: OneRun) -> None:
    training = Training("toy", checkpoints="all")
    late = tmp_path / "late.bin"
    training.checkpoint(late, step=1)
    late.write_text("half")
    training.checkpoint(saved(tmp_path, "2"), step=2)
    late.write_text("the whole")
    training.checkpoint(saved(tmp_path, "3"), step=3)
    training.checkpoint(saved(tmp_path, "4"), step=4)
    late.unlink()  # as a framework does that keeps a few; what is never ended (a kill) has it all the same
    assert aliases(only_run()) == {"the whole": {"step-1"}, "2": {"step-2"}, "3": {"step-3"}, "4": {"step-4", "last"}}


def test_a_rule_says_how_many_stay(tmp_path: Path, only_run: OneRun, store_dir: Path) -> None:
    training = Training("toy", keep={"best": 2, "last": 1})
    for step, loss in enumerate([3.0, 1.0, 2.0, 5.0, 4.0], 1):
        training.checkpoint(saved(tmp_path, str(step)), step=step, score=Score("val/loss", loss))
    run = only_run()
    assert len(run.versions()) == 5, "nothing goes before a collection"
    with Store.open(store_dir) as store:
        collect(Depot(store.database, store_dir), grace_s=0)
    assert aliases(run) == {"2": {"step-2", "best", "best:val/loss"}, "3": {"step-3"}, "5": {"step-5", "last"}}
    for wrong in ({"beast": 1}, {"best": 0}, {}):
        with pytest.raises(UsageError, match="keep got"):
            Training("toy", keep=wrong)


def test_time_spent_in_hooks_is_told(only_run: OneRun) -> None:
    training = Training("toy")
    with training.guard("begin"):
        training.begin()
        time.sleep(0.02)
    with training.guard("end"):
        time.sleep(0.01)
        training.end()
    assert only_run().history("treering/overhead_ms").values[0] >= 20


# -- ends and errors --------------------------------------------------------------------------------------------------


class SIGTERMException(SystemExit):
    """As Lightning names its own."""


@pytest.mark.parametrize(
    ("error", "state"),
    [(ValueError("bad"), "failed"), (KeyboardInterrupt(), "interrupted"), (SIGTERMException(), "preempted")],
)
def test_how_an_exception_is_recorded(error: BaseException, state: str, only_run: OneRun) -> None:
    training = Training("toy")
    training.begin()
    training.log({"loss": 1.0}, step=12)
    training.fail(error)
    run = only_run()
    assert run.state == state
    assert run.failure is not None
    assert (run.failure["type"], run.failure["step"]) == (type(error).__name__, 12)


def test_a_later_success_makes_it_finished_again(only_run: OneRun) -> None:
    training = Training("toy")
    training.begin()
    training.fail(ValueError())
    training.begin()
    assert training.run is not None
    assert training.run.state == "running"
    training.end()
    assert only_run().state == "finished"


def test_a_late_row_is_no_new_start(only_run: OneRun) -> None:
    training = Training("toy")
    training.begin()
    training.log({"loss": 1.0}, step=1)
    training.end()
    training.log({"loss": 0.5}, step=1, prefix="test")
    run = only_run()
    assert run.state == "finished"
    assert list(run.history("test/loss")) == [(1, 0.5)]


def test_a_guard_warns_once_for_each_kind(monkeypatch: pytest.MonkeyPatch, store_dir: Path) -> None:
    monkeypatch.delenv("TREERING_DEBUG")
    training = Training("toy")
    training.begin()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(3):
            with training.guard("on_step"):
                raise ValueError("bad")
            with training.guard("on_step"):
                raise KeyError("bad")
    assert [str(warning.message) for warning in caught] == [
        "treering (toy): on_step: ValueError: bad; the training goes on",
        "treering (toy): on_step: KeyError: 'bad'; the training goes on",
    ]
    assert training.errors == 6


def test_a_guard_lets_an_interrupt_through(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TREERING_DEBUG")
    with pytest.raises(KeyboardInterrupt), Training("toy").guard("on_step"):
        raise KeyboardInterrupt


def test_a_store_that_fails_costs_one_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TREERING_DEBUG")
    tries = []

    def broken(*_arguments: object, **_options: object) -> None:
        tries.append(1)
        raise OSError("no space")

    monkeypatch.setattr(treering, "init", broken)
    training = Training("toy")
    with pytest.warns(TreeringWarning, match="no space; nothing of this training is recorded"), training.guard("begin"):
        training.begin()
    for step in range(1, 10):
        with training.guard("on_step"):
            training.log({"loss": 1.0}, step=step)
    assert len(tries) == 1
