"""The examples of Gymnasium and Optuna are run, and their records compared with what they return."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from treering import lifecycle
from treering.api import Api, ApiRun

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def own_bugs_are_raised(isolation: None, store_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TREERING_DEBUG", "1")
    monkeypatch.setenv("TREERING_QUIET", "1")
    monkeypatch.syspath_prepend(str(ROOT))


@pytest.fixture
def recorded(store_dir: Path) -> Callable[[], list[ApiRun]]:
    def read() -> list[ApiRun]:
        for run in lifecycle.live_runs():
            run.finish()
        return list(Api(store_dir).runs(order="created"))

    return read


def test_gymnasium_records_every_episode(recorded: Callable[[], list[ApiRun]]) -> None:
    pytest.importorskip("gymnasium")
    from examples import gymnasium_cartpole

    mean = gymnasium_cartpole.train(generations=3)
    (run,) = recorded()
    assert run.history("score/mean").values[-1] == mean
    lengths, ids = run.history("episode/length").values, run.history("episode/id").values
    where, ends = run.history("episode/env").values, run.history("episode/return").x
    best = run.history("score/best").values
    # The episode that lasts longest in each generation is the one that ends it.
    assert [max(lengths[(ends > low) & (ends <= high)]) for low, high in generations(run)] == best.tolist()
    assert run.history("episode/return").values.tolist() == lengths.tolist()
    for env in range(8):
        assert np.all(np.diff(ids[where == env]) > 0)


def generations(run: ApiRun) -> list[tuple[int, int]]:
    ends = run.history("score/mean").x.tolist()
    return list(zip([-1, *ends[:-1]], ends, strict=True))


def test_optuna_records_the_study_and_its_trials(recorded: Callable[[], list[ApiRun]]) -> None:
    optuna = pytest.importorskip("optuna")
    pytest.importorskip("sklearn")
    from examples import optuna_digits

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna_digits.search(trials=6)
    runs = {run.name: run for run in recorded()}
    assert runs["digits"].history("objective/best").values[-1] == study.best_value
    for trial in study.trials:
        run = runs[f"digits-{trial.number}"]
        losses = run.history("val/loss")
        assert losses.values.tolist() == list(trial.intermediate_values.values())
        assert run.config["learning_rate"] == trial.params["learning_rate"]
        assert run.summary["trial/state"] == trial.state.name.lower()
