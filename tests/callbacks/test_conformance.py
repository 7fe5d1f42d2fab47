"""What every callback does alike, proved with a real training of each framework."""

from __future__ import annotations

import pickle
import random
import signal
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from nursery import Nursery, open_nursery
from toys import TOYS, BoomError, Toy

import treering
from treering.api import Api, ApiRun
from treering.errors import TreeringWarning
from treering.training import Training

AXES = {"epoch", "batch", "batch_step", "episode", "tokens", "update"}

Runs = Callable[[], list[ApiRun]]
OneRun = Callable[[], ApiRun]


@pytest.fixture(scope="session", params=TOYS, ids=lambda toy: toy.framework)
def toy(request: pytest.FixtureRequest) -> Toy:
    found: Toy = request.param
    pytest.importorskip(found.imports)
    found.load()
    return found


@pytest.fixture(scope="session")
def nursery(toy: Toy) -> Iterator[Nursery]:
    with open_nursery(toy.framework) as opened:
        yield opened


def fail_at(step: int) -> Callable[[int], None]:
    def on_step(now: int) -> None:
        if now == step:
            raise BoomError(f"boom at {now}")

    return on_step


# -- run life ---------------------------------------------------------------------------------------------------------


def test_building_a_callback_opens_nothing(toy: Toy, store_dir: Path) -> None:
    toy.plug(project="p", name="n")
    assert treering.run is None
    assert not store_dir.exists()


def test_a_training_is_recorded_and_finished(toy: Toy, tmp_path: Path, only_run: OneRun) -> None:
    toy.train(toy.plug(project="toys", name=toy.framework, tags=["a"], config={"seed": 0}), tmp_path)
    assert treering.run is not None
    assert treering.run.state == "finished"
    run = only_run()
    assert (run.project, run.name, run.state, list(run.tags)) == ("toys", toy.framework, "finished", ["a"])
    assert run.config["seed"] == 0
    assert run.config[toy.framework]["version"]


def test_series_have_sections_and_end_on_the_true_step(toy: Toy, tmp_path: Path, only_run: OneRun) -> None:
    toy.train(toy.plug(), tmp_path)
    run = only_run()
    assert {key for key in run.metrics if "/" not in key} <= AXES
    for key, last in toy.series.items():
        series = run.history(key)
        assert series.x[-1] == last, key
        assert min(series.x) >= 0
        assert list(series.x) == sorted(series.x)


def test_the_options_that_shape_what_is_recorded(toy: Toy, tmp_path: Path, only_run: OneRun) -> None:
    options = {"prefix": "fold1", "log_every_ms": 1e7, "config_prefixes": {"version": "versions"}}
    toy.train(toy.plug(**options), tmp_path)
    run = only_run()
    assert {key for key in run.metrics if not key.startswith(("fold1/", "treering/"))} <= AXES
    assert {f"fold1/{key}" for key in toy.series} <= set(run.metrics)
    for key, last in toy.series.items():
        assert run.history(f"fold1/{key}").x[-1] == last, "the last row comes in any case"
    rows = {tuple(run.history(key).x) for key in run.metrics if "/train/" in key and "epoch" not in key}
    assert any(len(steps) < toy.steps for steps in rows), "others are left out"
    assert run.config["versions"]
    assert "version" not in run.config[toy.framework]


def test_the_users_run_is_joined_and_left_open(toy: Toy, tmp_path: Path, only_run: OneRun) -> None:
    with treering.init(project="mine", name="by hand") as run:
        toy.train(toy.plug(config={"from": "the callback"}), tmp_path)
        assert run.state == "running"
        run.log({"after": 1.0})
    read = only_run()
    assert (read.name, read.state, read.config["from"]) == ("by hand", "finished", "the callback")
    assert set(toy.series) <= set(read.metrics)


def test_a_run_can_be_given(toy: Toy, tmp_path: Path, recorded: Runs) -> None:
    given, active = treering.init(name="given"), treering.init(name="active")
    toy.train(toy.plug(given), tmp_path)
    runs = {run.name: run for run in recorded()}
    assert set(toy.series) <= set(runs[given.name].metrics)
    assert not runs[active.name].metrics


def test_the_next_training_does_not_join_what_a_callback_opened(toy: Toy, tmp_path: Path, recorded: Runs) -> None:
    for name in ("first", "second"):
        toy.train(toy.plug(name=name), tmp_path / name)
    runs = recorded()
    assert [run.name for run in runs] == ["first", "second"]
    assert [run.state for run in runs] == ["finished", "finished"]


def test_one_callback_for_two_trainings(toy: Toy, tmp_path: Path, recorded: Runs) -> None:
    plugged = toy.plug()
    for name in ("first", "second"):
        toy.train(plugged, tmp_path / name)
    runs = recorded()
    assert len(runs) == (1 if toy.one_run else 2)
    assert {run.state for run in runs} == {"finished"}
    assert {run.attempt for run in runs} == {1}


def test_pickled_before_and_after(toy: Toy, tmp_path: Path, recorded: Runs) -> None:
    plugged = pickle.loads(pickle.dumps(toy.plug(name="from a copy")))
    toy.train(plugged, tmp_path / "first")
    (run,) = recorded()
    assert run.name == "from a copy"


def test_other_ranks_record_nothing(toy: Toy, tmp_path: Path, store_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    toy.train(toy.plug(rank=1), tmp_path)
    assert treering.run is None
    assert not store_dir.exists()


def test_recording_can_be_switched_off(
    toy: Toy, tmp_path: Path, store_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TREERING_MODE", "disabled")
    toy.train(toy.plug(), tmp_path)
    assert not store_dir.exists()


# -- trouble ----------------------------------------------------------------------------------------------------------


def test_an_exception_marks_the_users_run_failed(toy: Toy, tmp_path: Path, only_run: OneRun) -> None:
    with pytest.raises(BoomError), treering.init():
        toy.train(toy.plug(), tmp_path, fail_at(toy.late))
    run = only_run()
    assert run.state == "failed"
    assert run.failure is not None
    assert (run.failure["type"], run.failure["message"]) == ("BoomError", f"boom at {toy.late}")
    assert "in fail_at" in run.failure["traceback"] or "on_step" in run.failure["traceback"]
    assert 0 < run.failure["step"] <= toy.late


def test_a_hook_that_fails_never_stops_the_training(
    toy: Toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, only_run: OneRun
) -> None:
    monkeypatch.delenv("TREERING_DEBUG")
    steps: list[int] = []

    def broken(*_arguments: object, **_options: object) -> None:
        raise RuntimeError("a bug of ours")

    for name in ("log", "put"):
        monkeypatch.setattr(Training, name, broken)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        toy.train(toy.plug(), tmp_path, steps.append)
    ours = [str(warning.message) for warning in caught if issubclass(warning.category, TreeringWarning)]
    assert steps[-1] == toy.steps
    assert ours
    assert all("a bug of ours" in text for text in ours)
    assert len(ours) == len(set(ours)), "each kind once"
    run = only_run()
    assert run.state == "finished"
    assert run.history("treering/errors").values[-1] >= len(ours)


# -- checkpoints ------------------------------------------------------------------------------------------------------


def test_checkpoints_become_versions(toy: Toy, tmp_path: Path, only_run: OneRun) -> None:
    toy.train(toy.plug(), tmp_path)
    run = only_run()
    versions = run.versions()
    assert len({version.name for version in versions}) == 1
    assert {version.type for version in versions} == {"model"}
    (last,) = [version for version in versions if "last" in version.aliases]
    assert f"step-{toy.steps}" in last.aliases
    assert last.metadata["framework"] == toy.framework
    on_disk = {path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert {last.read(one.path) for one in last.files()} <= on_disk


def test_no_checkpoints_when_they_are_not_wanted(toy: Toy, tmp_path: Path, only_run: OneRun) -> None:
    toy.train(toy.plug(checkpoints=False), tmp_path)
    assert only_run().versions() == []


# -- real ends of real processes --------------------------------------------------------------------------------------

ENDS = [
    ("raise", "failed", 1),
    ("handled", "failed", 0),
    ("exit", "failed", 3),
    ("SIGINT", "interrupted", None),
    ("SIGTERM", "preempted", None),
    ("SIGKILL", "lost", -signal.SIGKILL),
]


@pytest.mark.timeout(300)  # with the import of the framework in another process
@pytest.mark.parametrize(("what", "state", "code"), ENDS, ids=[what for what, _, _ in ENDS])
def test_how_a_process_ends(
    toy: Toy, nursery: Nursery, tmp_path: Path, store_dir: Path, what: str, state: str, code: int | None
) -> None:
    ended = nursery.train(tmp_path, store_dir, at=toy.late, do=what)
    if code is not None:
        assert ended.code == code, ended.output
    (run,) = Api(store_dir).runs()
    assert run.state == state, ended.output
    steps = {step for key in toy.series if key in run.metrics for step in run.history(key).x.tolist()}
    assert steps
    assert max(steps) <= toy.late
    if what == "raise":
        assert run.failure is not None
        assert run.failure["message"] == f"boom at {toy.late}"
        assert "BoomError" in run.failure["traceback"]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("what", ["SIGKILL", "raise"])
def test_resumed_from_a_checkpoint_goes_on_in_the_same_run(
    toy: Toy, nursery: Nursery, tmp_path: Path, store_dir: Path, what: str
) -> None:
    nursery.train(tmp_path, store_dir, at=toy.late, do=what)
    (before,) = Api(store_dir).runs()
    ended = nursery.train(tmp_path, store_dir, resume=True)
    assert ended.code == 0, ended.output
    (run,) = Api(store_dir).runs()
    assert (run.id, run.attempt, run.state) == (before.id, 2, "finished"), ended.output
    for key, last in toy.series.items():
        steps = run.history(key).x.tolist()
        assert steps == sorted(steps), key
        assert steps[-1] == last


@pytest.mark.timeout(300)
def test_one_flag_resumes_after_kills_at_random_steps(
    toy: Toy, nursery: Nursery, tmp_path: Path, store_dir: Path
) -> None:
    kills = sorted(random.sample(range(2, toy.steps), 3))
    auto: dict[str, Any] = {"resume": "auto", "options": {"resume": "auto"}}
    for step in kills:
        ended = nursery.train(tmp_path, store_dir, at=step, do="SIGKILL", **auto)
        assert ended.code == -signal.SIGKILL, ended.output
    ended = nursery.train(tmp_path, store_dir, **auto)
    assert ended.code == 0, ended.output
    whole = nursery.train(tmp_path / "whole", tmp_path / "other", **auto)
    assert whole.code == 0, whole.output
    (run,), (expected,) = Api(store_dir).runs(), Api(tmp_path / "other").runs()
    assert run.state == "finished", ended.output
    assert run.attempt == len(kills) + 1
    for key, last in toy.series.items():
        steps, values = run.history(key).x.tolist(), run.history(key).values.tolist()
        assert steps == sorted(steps), key
        assert steps[-1] == last
        if toy.repeats:
            assert steps == expected.history(key).x.tolist(), key
            assert values == pytest.approx(expected.history(key).values.tolist(), rel=1e-5), key
