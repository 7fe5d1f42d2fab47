"""Optuna: a study and each of its trials is a run, however the trials end and whatever runs beside them."""

from __future__ import annotations

import contextvars
import math
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

optuna = pytest.importorskip("optuna")

import treering
from treering.api import ApiRun
from treering.errors import TreeringWarning, UsageError
from treering.integrations.optuna import StudyCallback, track
from treering.training import Training

Runs = Callable[[], list[ApiRun]]

optuna.logging.set_verbosity(optuna.logging.ERROR)


def new_study(**options: Any) -> Any:
    return optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0), **options)


def square(trial: Any) -> float:
    x: float = trial.suggest_float("x", -1, 1)
    depth = trial.suggest_int("depth", 1, 3)
    trial.suggest_categorical("kind", ["a", None, 3])
    for step in range(depth):
        trial.report(x * x + step, step)
    return x * x


def split(runs: list[ApiRun]) -> tuple[ApiRun, list[ApiRun]]:
    """The study's run, and those of its trials in order."""
    (study,) = [run for run in runs if run.job_type != "trial"]
    trials = [run for run in runs if run.job_type == "trial"]
    return study, sorted(trials, key=lambda run: run.config["optuna"]["trial"])


def test_a_complete_trial(recorded: Runs) -> None:
    study = new_study(study_name="squares")
    study.optimize(track(square, project="search", tags=["t"]), n_trials=3)
    parent, trials = split(recorded())
    assert (parent.project, parent.name, parent.job_type, parent.state) == ("search", "squares", "study", "finished")
    assert parent.config["optuna"]["directions"] == ["minimize"]
    for number, (run, trial) in enumerate(zip(trials, study.trials, strict=True)):
        assert (run.project, run.group, run.name, run.state) == ("search", "squares", f"squares-{number}", "finished")
        assert {name: run.config[name] for name in trial.params} == trial.params
        assert run.config["optuna"] == {"study": "squares", "study_run": parent.id, "trial": number}
        reports = run.history("objective/intermediate")
        assert dict(zip(reports.x.tolist(), reports.values.tolist(), strict=True)) == trial.intermediate_values
        assert (run.summary["objective/value"], run.summary["trial/state"]) == (trial.value, "complete")
        assert trial.user_attrs["treering_run"] == run.id
    values = [trial.value for trial in study.trials]
    assert parent.history("objective/value").values.tolist() == values
    assert parent.history("objective/value").x.tolist() == [0, 1, 2]
    assert parent.history("objective/best").values.tolist() == [min(values[: number + 1]) for number in range(3)]
    assert parent.history("params/x").values.tolist() == [trial.params["x"] for trial in study.trials]
    assert parent.history("trial/run").values.tolist() == [run.id for run in trials]
    assert parent.summary["objective/best"] == study.best_value


def test_a_pruned_trial(recorded: Runs) -> None:
    def prune(trial: Any) -> float:
        trial.report(0.25, 7)
        raise optuna.TrialPruned

    study = new_study()
    study.optimize(track(prune), n_trials=1)
    assert study.trials[0].state.name == "PRUNED"
    parent, (run,) = split(recorded())
    assert (run.state, run.summary["trial/state"]) == ("finished", "pruned")
    assert "objective/value" not in run.summary
    (event,) = [event for event in run.events() if event.kind == "pruned"]
    assert (event.fields["step"], event.fields["value"]) == (7, 0.25)
    assert parent.history("trial/state").values.tolist() == ["pruned"]
    assert "objective/best" not in parent.metrics


@pytest.mark.parametrize("caught", [True, False])
def test_a_failed_trial(caught: bool, recorded: Runs) -> None:
    def fail(trial: Any) -> float:
        if trial.number:
            trial.suggest_float("x", 0, 1)
            raise ValueError("broken")
        return 1.0

    study = new_study()
    if caught:
        study.optimize(track(fail), n_trials=3, catch=(ValueError,))
    else:
        with pytest.raises(ValueError, match="broken"):
            study.optimize(track(fail), n_trials=3)
    parent, trials = split(recorded())
    states = ["complete", *["failed"] * (2 if caught else 1)]
    assert [run.summary["trial/state"] for run in trials] == states
    assert [run.state for run in trials] == ["finished", *["failed"] * (len(states) - 1)]
    failure = trials[1].failure
    assert failure is not None
    assert (failure["type"], failure["message"]) == ("ValueError", "broken")
    assert "in fail" in failure["traceback"]
    assert 0 <= trials[1].config["x"] <= 1
    assert parent.history("trial/state").values.tolist() == states
    assert parent.state == "finished"


@pytest.mark.parametrize("value", [math.nan, None, "no number", (1.0, 2.0)])
def test_what_optuna_will_not_take_is_a_failure(value: Any, recorded: Runs) -> None:
    study = new_study()
    study.optimize(track(lambda _trial: value), n_trials=1)
    assert study.trials[0].state.name == "FAIL"
    parent, (run,) = split(recorded())
    assert (run.state, run.summary["trial/state"]) == ("failed", "failed")
    assert run.failure is not None
    assert repr(value) in run.failure["message"]
    assert parent.history("trial/state").values.tolist() == ["failed"]


def test_values_that_are_no_numbers(recorded: Runs) -> None:
    def objective(trial: Any) -> float:
        trial.report(math.nan, 0)
        trial.report(math.inf, 1)
        return math.inf

    study = new_study(direction="maximize")
    study.optimize(track(objective), n_trials=1)
    assert study.trials[0].state.name == "COMPLETE"
    parent, (run,) = split(recorded())
    reports = run.history("objective/intermediate").values
    assert math.isnan(reports[0])
    assert reports[1] == math.inf
    assert [event.kind for event in run.events()].count("non_finite") == 1
    assert parent.history("objective/value").values.tolist() == [math.inf]


def test_stopped_by_ctrl_c(recorded: Runs) -> None:
    def stop(trial: Any) -> float:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        new_study().optimize(track(stop), n_trials=1)
    _, (run,) = split(recorded())
    assert (run.state, run.summary["trial/state"]) == ("interrupted", "failed")


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_several_objectives(recorded: Runs) -> None:
    study = new_study(directions=["minimize", "maximize"])
    study.set_metric_names(["loss", "speed"])
    study.optimize(track(lambda trial: (trial.suggest_float("x", 0, 1), 2.0)), n_trials=2)
    parent, (first, _) = split(recorded())
    assert first.summary["objective/loss"] == study.trials[0].values[0]
    assert parent.history("objective/speed").values.tolist() == [2.0, 2.0]
    assert "objective/best" not in parent.metrics


def test_two_jobs_do_not_mix(recorded: Runs) -> None:
    both = threading.Barrier(2, timeout=60)

    def objective(trial: Any) -> float:
        both.wait()
        for step in range(20):
            treering.log({"own": trial.number}, step=step)
            trial.report(trial.number, step)
            both.wait()
        return float(trial.number)

    study = new_study()
    study.optimize(track(objective), n_trials=4, n_jobs=2)
    parent, trials = split(recorded())
    for number, run in enumerate(trials):
        assert run.history("own").values.tolist() == [number] * 20
        assert run.history("objective/intermediate").values.tolist() == [number] * 20
        assert run.state == "finished"
    assert sorted(parent.history("objective/value").values.tolist()) == [0, 1, 2, 3]
    assert parent.state == "finished"


def test_callbacks_inside_the_objective_join_the_trial(recorded: Runs) -> None:
    def objective(trial: Any) -> float:
        training = Training("keras")
        training.begin()
        training.log({"loss": 0.5}, step=3, prefix="train")
        training.end()
        assert treering.run is training.run
        return 1.0

    new_study().optimize(track(objective), n_trials=2)
    assert treering.run is not None
    assert treering.run.config.get("optuna", {}).get("trial") is None, "a trial's run is active after its end"
    _, trials = split(recorded())
    assert [run.history("train/loss").x.tolist() for run in trials] == [[3], [3]]


def test_a_study_reopened_from_its_storage_keeps_its_run(tmp_path: Path, recorded: Runs) -> None:
    storage = f"sqlite:///{tmp_path / 'study.db'}"
    for _ in range(2):
        study = new_study(storage=storage, study_name="kept", load_if_exists=True)
        study.optimize(track(square, project="search"), n_trials=2)
        treering.finish()
    parent, trials = split(recorded())
    assert (parent.attempt, parent.name, parent.project, parent.state) == (2, "kept", "search", "finished")
    assert parent.history("objective/value").x.tolist() == [0, 1, 2, 3]
    assert parent.history("objective/best").values[-1] == study.best_value
    assert {run.config["optuna"]["study_run"] for run in trials} == {parent.id}
    assert len(trials) == 4


def test_the_users_run_is_the_study(recorded: Runs) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with treering.init("mine", "by hand") as run:
            study = new_study(study_name="s")
            study.optimize(track(square), n_trials=1)
            assert treering.run is run
            assert run.state == "running"
    parent, (trial,) = split(recorded())
    assert (parent.name, trial.group, trial.project) == ("by hand", "by hand", "mine")
    assert parent.history("objective/value").rows == 1


def test_the_active_run_is_the_same_after_a_trial(recorded: Runs) -> None:
    with treering.init(name="mine") as mine:
        contextvars.copy_context().run(treering.init, name="opened later, active elsewhere")
        new_study().optimize(track(square), n_trials=1)
        assert treering.run is mine


def test_one_objective_for_two_studies(recorded: Runs) -> None:
    tracked = track(square)
    for name in ("first", "second"):
        new_study(study_name=name).optimize(tracked, n_trials=1)
    names = {run.name for run in recorded()}
    assert names == {"first", "first-0", "second", "second-0"}


@pytest.mark.parametrize("end", ["complete", "pruned", "caught"])
def test_the_callback_alone(end: str, recorded: Runs) -> None:
    def objective(trial: Any) -> float:
        x = square(trial)
        if end == "pruned":
            raise optuna.TrialPruned
        if end == "caught":
            raise ValueError("broken")
        return x

    study = new_study()
    study.optimize(objective, n_trials=2, catch=(ValueError,), callbacks=[StudyCallback(project="search")])
    parent, trials = split(recorded())
    assert [run.summary["trial/state"] for run in trials] == [{"caught": "failed"}.get(end, end)] * 2
    assert [("objective/value" in run.summary) for run in trials] == [end == "complete"] * 2
    assert trials[1].history("objective/intermediate").rows == study.trials[1].params["depth"]
    assert trials[1].config["x"] == study.trials[1].params["x"]
    assert parent.history("trial/state").rows == 2


def test_the_callback_beside_the_objective_records_nothing_twice(recorded: Runs) -> None:
    new_study().optimize(track(square), n_trials=2, callbacks=[StudyCallback()])
    parent, trials = split(recorded())
    assert len(trials) == 2
    assert parent.history("objective/value").rows == 2


def test_another_process_that_works_on_the_study(tmp_path: Path, recorded: Runs) -> None:
    """Its run is being written there: trials are recorded here, in its group, and it is not."""
    storage = f"sqlite:///{tmp_path / 'study.db'}"
    study = new_study(storage=storage, study_name="shared")
    elsewhere = treering.init("search", "shared")
    study.set_user_attr("treering_run", elsewhere.id)
    treering.init("other", "another")  # the active one is no way in
    again = optuna.load_study(study_name="shared", storage=storage)
    again.optimize(track(square, project="search"), n_trials=1)
    runs = {run.name: run for run in recorded()}
    assert set(runs) == {"shared", "another", "shared-0"}
    assert (runs["shared-0"].group, runs["shared-0"].project) == ("shared", "search")
    assert runs["shared-0"].config["optuna"]["study_run"] == elsewhere.id
    assert not runs["shared"].metrics


def test_a_hook_that_fails_never_stops_the_study(monkeypatch: pytest.MonkeyPatch, recorded: Runs) -> None:
    monkeypatch.delenv("TREERING_DEBUG")

    def broken(*_arguments: object, **_options: object) -> None:
        raise RuntimeError("a bug of ours")

    monkeypatch.setattr(Training, "log", broken)
    study = new_study()
    with pytest.warns(TreeringWarning, match="a bug of ours"):
        study.optimize(track(square), n_trials=2)
    assert [trial.state.name for trial in study.trials] == ["COMPLETE", "COMPLETE"]
    parent, trials = split(recorded())
    assert [run.state for run in (parent, *trials)] == ["finished"] * 3


def test_recording_can_be_switched_off(store_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TREERING_MODE", "disabled")
    study = new_study()
    study.optimize(track(square), n_trials=2)
    assert len(study.trials) == 2
    assert not store_dir.exists()


def test_an_objective_is_tried_without_a_study(store_dir: Path) -> None:
    tracked = track(square)
    assert tracked(optuna.trial.FixedTrial({"x": 0.5, "depth": 1, "kind": "a"})) == 0.25
    assert tracked.__name__ == "square"
    assert not store_dir.exists()
    with pytest.raises(UsageError, match="unknown option"):
        track(square, colour="red")  # type: ignore[call-arg]  # the misuse that is tested
