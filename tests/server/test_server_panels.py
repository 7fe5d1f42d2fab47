"""What panels are drawn from: columns, importance, returns over seeds; against definitions, not against themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from scipy.stats import trim_mean
from store_builder import StoreBuilder

from treering.server.returns import aligned, iqm, over_seeds
from treering.sweeps.importance_of_runs import importances


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("panels") / "store"
    builder = StoreBuilder(folder)
    random = np.random.default_rng(1)
    for number in range(24):
        lr, seed = float(10 ** random.uniform(-4, -1)), number % 4
        algo, env = ["ppo", "dqn"][number % 2], f"env{number // 2 % 2}"
        score = -abs(np.log10(lr) + 2.5) + 0.001 * seed
        run = builder.run(
            f"run{number:02d}",
            project="p",
            config={
                "lr": lr,
                "seed": seed,
                "algo": algo,
                "env": env,
                "same": 1,
            },
            summary={"score": score, **({"rare": 1.0} if number < 3 else {})},
            tags=["a"],
        )
        if number < 8:
            run.log([(step, {"episode/return": step / 10 + number, "loss": 10.0 - step}) for step in range(0, 100, 5)])
    builder.database.close()
    return folder


@pytest.fixture(scope="module")
def client(filled: Path, serve: Callable[..., Any]) -> Iterator[httpx.Client]:
    with serve(filled) as served, served.client() as found:
        yield found


def test_columns_over_runs(client: httpx.Client) -> None:
    fields = ["config.lr", "summary.rare", "min.loss", "max.loss", "mean.loss", "name", "tag", "duration"]
    got = client.get("/api/v1/values", params={"project": "p", "field": fields, "order": "id"}).json()
    assert got["total"] == 24
    assert got["ids"] == [f"run{number:02d}" for number in range(24)]
    assert set(map(len, got["columns"].values())) == {24}
    assert got["columns"]["summary.rare"][:4] == [1.0, 1.0, 1.0, None]
    assert (got["columns"]["min.loss"][0], got["columns"]["max.loss"][0]) == (-85.0, 10.0)
    assert got["columns"]["mean.loss"][0] == pytest.approx(10 - 47.5)
    assert got["columns"]["min.loss"][20] is None
    some = client.get("/api/v1/values", params={"project": "p", "field": ["name"], "filter": "config.seed = 1"}).json()
    assert some["total"] == 6
    assert client.get("/api/v1/values", params={"project": "p", "field": ["nonsense"]}).status_code == 400


def test_what_matters_is_told_first(client: httpx.Client) -> None:
    got = client.get("/api/v1/importance", params={"project": "p", "target": "summary.score", "goal": "max"}).json()
    assert got["runs"] == 24
    assert got["note"] is None
    assert got["rows"][0]["key"] == "lr"
    assert sum(row["importance"] for row in got["rows"]) == pytest.approx(1)
    assert "same" not in {row["key"] for row in got["rows"]}  # it never varies
    assert {row["key"]: row["correlation"] is None for row in got["rows"]}["algo"]  # a category
    few = client.get("/api/v1/importance", params={"project": "p", "target": "summary.rare"}).json()
    assert few["rows"] == []
    assert "3 runs" in few["note"]


def test_importance_has_a_direction() -> None:
    x = np.linspace(0, 1, 60)
    found = importances({"x": list(x), "y": [0, 1] * 30}, list(x), maximize=True)
    assert [one.key for one in found] == ["x", "y"]
    assert found[0].correlation == pytest.approx(1)
    assert importances({"x": [1, 1, 1, 1]}, [1.0, 2.0, 3.0, 4.0], maximize=True) == []


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 8, 30])
def test_the_middle_half_is_that_of_scipy(count: int) -> None:
    runs = np.random.default_rng(count).normal(size=(count, 7))
    np.testing.assert_allclose(iqm(runs), trim_mean(runs, 0.25, axis=0))
    holes = np.concatenate([runs, np.full((3, 7), np.nan)])  # runs that ended before
    np.testing.assert_allclose(iqm(holes), iqm(runs))


def test_a_run_is_the_mean_of_its_last_episodes() -> None:
    x, values = np.array([30.0, 10.0, 20.0]), np.array([3.0, 1.0, 2.0])
    got = aligned(x, values, np.array([0.0, 10.0, 20.0, 30.0, 35.0, 50.0]), 10.0)
    np.testing.assert_array_equal(got, [np.nan, 1.0, 2.0, 3.0, 3.0, np.nan])
    np.testing.assert_array_equal(aligned(x, values, np.array([30.0]), 25.0), [2.0])
    sparse = aligned(np.array([0.0, 100.0]), np.array([1.0, 5.0]), np.array([50.0]), 10.0)
    np.testing.assert_array_equal(sparse, [1.0])  # long episodes: the last one stands


def test_intervals_resample_within_tasks() -> None:
    runs = np.array([[0.0], [0.0], [100.0], [100.0]])
    stratified = over_seeds(runs, ["easy", "easy", "hard", "hard"])
    assert (stratified.low[0], stratified.values[0], stratified.high[0]) == (50.0, 50.0, 50.0)  # seeds never differ
    mixed = over_seeds(runs, ["one"] * 4)
    assert mixed.low[0] < 50 < mixed.high[0]
    alone = over_seeds(np.array([[1.0, 2.0]]), ["one"])
    assert alone.draws == 0
    np.testing.assert_array_equal(alone.low, [1.0, 2.0])


def test_an_interval_holds_the_mean_as_often_as_it_says() -> None:
    random = np.random.default_rng(5)
    held = 0
    for _ in range(60):
        middle = over_seeds(random.normal(0, 1, (20, 1)), ["one"] * 20)
        held += middle.low[0] <= 0 <= middle.high[0]
    assert held >= 50  # 95 % of 60 is 57


def test_returns_over_seeds(client: httpx.Client) -> None:
    query = {"project": "p", "by": ["config.algo"], "task": "config.env", "places": 20}
    got = client.get("/api/v1/returns", params=query).json()
    assert [(line["name"], line["runs"], line["tasks"]) for line in got["lines"]] == [
        ("algo = dqn", 4, 2),
        ("algo = ppo", 4, 2),
    ]
    assert got["without"] == 16
    assert (got["x"][0], got["x"][-1]) == (0, 95)
    for line in got["lines"]:
        assert all(a <= b <= c for a, b, c in zip(line["low"], line["values"], line["high"], strict=True))
    ppo = got["lines"][1]
    assert ppo["values"][-1] == pytest.approx(np.mean([2, 4]) + 9.5)  # of 0, 2, 4, 6 the middle two, at step 95
    assert client.get("/api/v1/returns", params={"project": "none"}).json()["lines"] == []


def test_a_series_with_nan_is_no_fault(tmp_path: Path, serve: Callable[..., Any]) -> None:
    builder = StoreBuilder(tmp_path / "store")
    run = builder.run("run", project="p", config={"a": float("nan")}, summary={"s": float("inf")})
    run.log([(0, {"episode/return": float("nan")}), (1, {"episode/return": 1e308}), (2, {"episode/return": 2.0})])
    builder.database.close()
    with serve(tmp_path / "store") as served, served.client() as client:
        line = client.get("/api/v1/returns", params={"project": "p"}).json()["lines"][0]
        assert line["episodes"] == 1
        answer = client.get("/api/v1/values", params={"project": "p", "field": ["config.a", "summary.s"]}).json()
        assert answer["columns"]["config.a"] == [{"$number": "NaN"}]
        assert client.get("/api/v1/importance", params={"project": "p", "target": "summary.s"}).json()["runs"] == 0
