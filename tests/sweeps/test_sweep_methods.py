"""Each method gives points of the space, learns from values, and needs nothing but the trials."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from treering.errors import TreeringWarning
from treering.store.database import Sqlite
from treering.sweeps import believing, samplers
from treering.sweeps.config import METHODS, config_of
from treering.sweeps.engines import make_engine
from treering.sweeps.records import Agent, Prediction, Result, Trial
from treering.sweeps.store import StoredSweeps
from treering.sweeps.warping import warped

LOSS = {"name": "loss", "goal": "minimize"}
SMOOTH = {"x": {"min": -1.0, "max": 1.0}, "y": {"min": -1.0, "max": 1.0}}
MIXED: dict[str, Any] = {
    "lr": {"distribution": "log_uniform_values", "min": 1e-4, "max": 1.0},
    "units": {"min": 1, "max": 9},
    "q": {"distribution": "q_uniform", "min": 0.0, "max": 1.0, "q": 0.25},
    "noise": {"distribution": "normal", "mu": 0, "sigma": 1},
    "kind": {"values": ["a", "b", "c"]},
    "depth": {"min": 1, "max": 3, "when": {"kind": "a"}},
}
SAMPLED = [method for method in METHODS if method not in {"grid", "random", "custom", "auto"}]


@pytest.fixture
def sweeps(tmp_path: Path) -> Iterator[StoredSweeps]:
    """Sweeps of an embedded store."""
    database = Sqlite(tmp_path / "treering.db", create=True)
    yield StoredSweeps(database)
    database.close()


def trial(number: int, point: dict[str, Any], value: float | None, **more: Any) -> Trial:
    state = "finished" if value is not None else "running"
    fields = {"state": state, "values": None if value is None else [value], **more}
    return Trial("s", number, fields.pop("state"), point, {}, "x", 1, "r", 0, **fields)


def bowl(point: dict[str, Any]) -> float:
    return (point["x"] - 0.3) ** 2 + (point["y"] + 0.4) ** 2


def searched(method: str, count: int, **more: Any) -> list[Trial]:
    """Trials of a search for the bottom of a bowl."""
    config = config_of({"method": method, "metric": LOSS, "seed": 1, "parameters": SMOOTH} | more)
    engine = make_engine("s", config, [])
    found: list[Trial] = []
    for number in range(count):
        suggestion = engine.suggest(number, found)
        assert suggestion is not None
        found.append(trial(number, suggestion.point, bowl(suggestion.point), memory=suggestion.memory))
    return found


@pytest.mark.parametrize("method", ["bayes", "tpe", "cmaes"])
def test_a_method_that_learns_beats_chance(method: str) -> None:
    # Several searches together: one alone may go another way where a processor rounds otherwise.
    count, last, seeds = (13, 3, [1]) if method == "bayes" else (40, 15, [2, 3, 4])
    late = {
        name: np.median([bowl(one.point) for seed in seeds for one in searched(name, count, seed=seed)[-last:]])
        for name in (method, "random")
    }
    assert late[method] < 0.75 * late["random"]


@pytest.mark.parametrize("method", ["tpe", "qmc", "nsga2", "cmaes"])
def test_whoever_asks_gets_the_same_point(method: str) -> None:
    """An engine that has seen nothing gives what one that has made all the trials would give."""
    trials = searched(method, 8)
    for number in (0, 3, 7):
        fresh = make_engine("s", config_of({"method": method, "metric": LOSS, "seed": 1, "parameters": SMOOTH}), [])
        suggestion = fresh.suggest(number, trials[:number])
        assert suggestion is not None
        assert suggestion.point == trials[number].point


@pytest.mark.parametrize("method", SAMPLED)
def test_points_lie_in_a_space_of_all_kinds(method: str, sweeps: StoredSweeps) -> None:
    if method == "cmaes":
        with pytest.warns(TreeringWarning, match="cannot search among"):
            samplers._method(config_of({"method": method, "metric": LOSS, "parameters": MIXED}))
    sweep = sweeps.create({"method": method, "metric": LOSS, "parameters": MIXED, "run_cap": 12, "seed": 3})
    space = config_of(sweep.config).space
    generator = np.random.default_rng(0)
    depths = set()
    while (offer := sweeps.lease(sweep.id, Agent("a"))).trial is not None:
        one = offer.trial
        assert space.point_of(one.params) == one.point
        assert one.params["q"] in {0.0, 0.25, 0.5, 0.75, 1.0}
        depths.add(("depth" in one.params, one.params["kind"] == "a"))
        sweeps.finish(one.key, Result("finished", {"loss": float(generator.normal())}))
    assert depths <= {(True, True), (False, False)}
    assert len({str(one.point) for one in sweeps.trials(sweep.id)}) == 12


def test_eight_at_once_come_near_the_best() -> None:
    """What running trials may come to is believed, not drawn: the search of a bowl ends forty times nearer."""
    config = config_of({"method": "gp", "metric": LOSS, "seed": 1, "parameters": SMOOTH})
    engine = make_engine("s", config, [])
    found: list[Trial] = []
    for number in range(36):
        if number >= 8:
            ready = found[number - 8].point
            found[number - 8] = trial(number - 8, ready, bowl(ready), memory=found[number - 8].memory)
        suggestion = engine.suggest(number, found)
        assert suggestion is not None
        found.append(trial(number, suggestion.point, None, memory=suggestion.memory))
    assert min(bowl(one.point) for one in found) < 2e-6


def test_bumps_are_not_taken_for_noise() -> None:
    """A wave on a slope: fitted from where Optuna begins, it is a slope with noise; a likelier model sees the wave."""
    from optuna._gp import gp, prior

    x = np.linspace(0, 1, 30)[:, None]
    y = 2 * x[:, 0] + np.sin(20 * x[:, 0])
    y = (y - y.mean()) / y.std()
    fitted = gp.fit_kernel_params(x, y, np.array([False]), prior.default_log_prior, 1e-9, False)
    assert float(fitted.noise_var) > 0.1
    sampler = believing.make_gp(1)
    found = believing._fitted_well(sampler, fitted)
    assert float(found.noise_var) < 1e-3
    assert believing._fitted_well(sampler, found).noise_var <= found.noise_var
    # What is noise stays noise.
    noisy = np.random.default_rng(1).normal(size=30)
    fitted = gp.fit_kernel_params(x, noisy, np.array([False]), prior.default_log_prior, 1e-9, False)
    assert float(believing._fitted_well(sampler, fitted).noise_var) > 0.1
    assert believing._fitted_well(sampler, fitted) is fitted  # not asked again for so few more trials


def test_eight_at_once_never_try_a_point_twice(sweeps: StoredSweeps) -> None:
    config = {
        "method": "bayes",
        "metric": LOSS,
        "parameters": {"a": {"min": 1, "max": 5}, "b": {"values": [0, 1, 2, 3]}},
    }
    sweep = sweeps.create({**config, "seed": 1})
    held = []
    seen = []
    while (offer := sweeps.lease(sweep.id, Agent("a"))).trial is not None:
        held.append(offer.trial)
        seen.append((offer.trial.params["a"], offer.trial.params["b"]))
        if len(held) == 8:
            one = held.pop(0)
            sweeps.finish(one.key, Result("finished", {"loss": float(one.params["a"] + one.params["b"])}))
    assert len(seen) == len(set(seen)) == 20
    assert offer.reason.startswith("every point has been tried")


def test_several_metrics_and_a_constraint(sweeps: StoredSweeps) -> None:
    metrics = [{"name": "loss", "goal": "minimize"}, {"name": "speed", "goal": "maximize"}]
    for method in ("bayes", "nsga2"):
        sweep = sweeps.create(
            {"method": method, "metrics": metrics, "parameters": SMOOTH, "run_cap": 10, "seed": 1}
            | ({"constraints": [{"metric": "ms", "max": 1.0}]} if method == "bayes" else {})
        )
        while (offer := sweeps.lease(sweep.id, Agent("a"))).trial is not None:
            summary = {
                "loss": bowl(offer.trial.point),
                "speed": offer.trial.point["x"],
                "ms": offer.trial.point["y"] + 1,
            }
            sweeps.finish(offer.trial.key, Result("finished", summary))
        assert [one.state for one in sweeps.trials(sweep.id)] == ["finished"] * 10
        assert all(len(one.values or ()) == 2 for one in sweeps.trials(sweep.id))


@pytest.mark.parametrize("method", ["bayes", "tpe", "nsga2", "cmaes"])
def test_a_constraint_is_kept_where_trials_fail_or_do_not_tell(method: str) -> None:
    """The bowl's bottom lies beyond the constraint; one trial has failed, and another has not logged its metric."""
    config = config_of(
        {
            "method": method,
            "metric": LOSS,
            "constraints": [{"metric": "ms", "max": 0}],
            "parameters": SMOOTH,
            "seed": 3,
            "run_cap": 30,
        }
    )
    chooser = make_engine("s", config, [({"x": 0.5, "y": 0.5}, [0.9])])
    found: list[Trial] = []
    for number in range(13 if method == "bayes" else 48):
        suggestion = chooser.suggest(number, found)
        assert suggestion is not None
        point = suggestion.point
        one = trial(number, point, bowl(point), memory=suggestion.memory, constraints=[point["x"]])
        if number == 3:
            one.state, one.values, one.constraints = "failed", None, [float("nan")]
        elif number == 5:
            one.constraints = [float("nan")]
        found.append(one)
    late = found[-3:] if method == "bayes" else found[-24:]
    assert np.mean([one.point["x"] <= 0.02 for one in late]) > 0.6  # less than 0.3 where nothing is constrained


def engine(**metric: Any) -> Any:
    config = config_of({"method": "tpe", "metric": {**LOSS, **metric}, "seed": 1, "parameters": SMOOTH})
    return samplers.Sampled(config, 1, [], make_engine("s", config, []))


@pytest.mark.parametrize(("impute", "value"), [("worst", 9.0), ("best", 2.0), ("latest", 3.0)])
def test_a_failed_trial_counts_as_impute_says(impute: str, value: float) -> None:
    curve = [(1, 4.0), (2, 2.0), (3, 3.0)]
    point = {"x": 0.0, "y": 0.0}
    trials = [trial(0, point, 9.0), trial(1, point, 1.0), trial(2, point, None, state="failed", curve=curve)]
    assert engine(impute=impute)._told(trials)[2][2] == [value]


def test_a_running_trial_is_left_to_the_method_unless_said() -> None:
    point = {"x": 0.0, "y": 0.0}
    trials = [trial(0, point, 9.0), trial(1, point, None, curve=[(1, 4.0)])]
    assert engine()._told(trials)[1][2] is None
    assert engine(impute_while_running="latest")._told(trials)[1][2] == [4.0]


def test_nan_counts_as_the_worst_and_a_stopped_trial_as_its_prediction() -> None:
    point = {"x": 0.0, "y": 0.0}
    told = Prediction(5.0, None, None, 1, "why")
    trials = [
        trial(0, point, 9.0),
        trial(1, point, float("nan")),
        trial(2, point, 7.0, state="stopped", prediction=told),
        trial(3, point, 1.0, state="cancelled"),
    ]
    assert [values for _, _, values in engine()._told(trials)] == [[9.0], [9.0], [5.0]]


def test_a_model_sees_the_best_and_some_of_the_others() -> None:
    config = config_of({"method": "gp", "metric": LOSS, "parameters": SMOOTH})
    one = samplers.Sampled(config, 1, [], make_engine("s", config, []))
    rows = one._rows([trial(number, {"x": 0.0, "y": 0.0}, float(number)) for number in range(1000)])
    chosen = one._chosen(rows)
    assert len(chosen) == samplers._MOST_FOR_GP
    assert chosen[: samplers._BEST_FOR_GP] == rows[: samplers._BEST_FOR_GP]
    assert chosen[-1].params == rows[-1].params


def test_warping_keeps_the_order_and_draws_outliers_in() -> None:
    values = [0.0, 1.0, 2.0, 3.0, 4.0, 1e6]
    found = warped(values)
    assert found == sorted(found)
    assert found[:4] == values[:4]
    assert found[-1] < 100


def test_without_its_libraries_bayes_says_what_it_does(monkeypatch: pytest.MonkeyPatch) -> None:
    config = config_of({"method": "bayes", "metric": LOSS, "parameters": SMOOTH})
    assert samplers._method(config) == "gp"
    monkeypatch.setattr(samplers, "_has", lambda *names: False)
    monkeypatch.setattr("treering._notice._warned", set())
    with pytest.warns(TreeringWarning, match=r"pip install 'treering\[sweeps\]'"):
        assert samplers._method(config) == "tpe"
