"""Sweeps over HTTP, as the pages of the dashboard ask for them."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from treering.server.sweep_rows import axis_rows
from treering.store.database import Sqlite
from treering.sweeps.config import config_of_text
from treering.sweeps.findings import SweepError
from treering.sweeps.records import Agent, Result
from treering.sweeps.shared import SharedSweeps
from treering.sweeps.store import StoredSweeps

YAML = """\
method: random
name: <b>first</b>
project: digits
seed: 1
metric: {name: loss, goal: minimize}
run_cap: 12
parameters:
  lr: {distribution: log_uniform_values, min: 0.001, max: 1.0}
  opt: {values: [adam, sgd, {name: x}]}
  deep:
    parameters:
      layers: {min: 1, max: 4}
  fixed: {value: 3}
early_terminate: {type: hyperband, min_iter: 2, audit: 0.5}
"""
TWO = """\
method: random
metrics: [{name: loss, goal: minimize}, {name: speed, goal: maximize}]
parameters: {x: {min: 0.0, max: 1.0}}
constraints: [{metric: size, max: 1}]
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with nothing in it but sweeps."""
    return tmp_path_factory.mktemp("sweeping") / "store"


@pytest.fixture(scope="module")
def client(folder: Path, serve_all: Callable[..., Any]) -> Iterator[httpx.Client]:
    folder.mkdir()
    Sqlite(folder / "treering.db", create=True).close()
    with serve_all(folder) as served, served.client() as found:
        found.timeout = httpx.Timeout(120)  # the first importance loads scikit-learn
        yield found


@pytest.fixture
def sweeps(folder: Path, client: httpx.Client) -> Iterator[StoredSweeps]:
    """The same sweeps, as agents on this machine reach them."""
    database = Sqlite(folder / "treering.db", create=True)
    yield StoredSweeps(database)
    database.close()


def made(client: httpx.Client, source: str = YAML, **more: Any) -> dict[str, Any]:
    answer = client.post("/api/v1/sweeps", json={"source": source, **more})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_a_sweep_from_its_text_to_its_end(client: httpx.Client, sweeps: StoredSweeps) -> None:
    sweep = made(client)
    path = f"/api/v1/sweeps/{sweep['id']}"
    assert (sweep["name"], sweep["project"], sweep["source"]) == ("<b>first</b>", "digits", YAML)
    assert (sweep["state"], sweep["states"], sweep["best"]) == ("running", {}, None)
    assert sweep["actions"] == ["pause", "stop", "cancel"]
    assert sweep["config"]["parameters"]["deep"] == {"parameters": {"layers": {"min": 1, "max": 4}}}
    assert [(axis["name"], axis["kind"], axis["log"], axis["low"], axis["high"]) for axis in sweep["axes"]] == [
        ("lr", "float", True, 0.001, 1.0),
        ("opt", "choice", False, None, None),
        ("deep/layers", "int", False, 1.0, 4.0),
    ]
    who = Agent("a", host="h", pid=0)
    values = []
    for _ in range(11):
        trial = sweeps.lease(sweep["id"], who).trial
        assert trial is not None
        values.append(math.log10(trial.point["lr"]) + 3 + (trial.point["opt"] == "sgd"))
        sweeps.report(trial.key, [(1, values[-1])])
        assert sweeps.finish(trial.key, Result("finished", {"loss": values[-1]}))
    running = sweeps.lease(sweep["id"], who).trial
    assert running is not None
    sweeps.report(running.key, [(1, math.nan)])

    found = client.get(path).json()
    best = min(range(11), key=values.__getitem__)
    assert (found["trials"], found["states"]) == (12, {"finished": 11, "running": 1})
    assert (found["best_trial"], found["best"]) == (best, values[best])
    (agent,) = found["agents"]
    assert (agent["id"], agent["host"], agent["trials"], agent["trial"], agent["alive"]) == ("a", "h", 12, 11, True)
    page = client.get(f"{path}/trials", params={"curve": True}).json()
    assert [trial["number"] for trial in page["trials"]] == list(range(12))
    assert page["front"] == [best]
    first, last = page["trials"][0], page["trials"][11]
    assert set(first["point"]) == {"lr", "opt", "deep/layers"}
    assert first["params"]["fixed"] == 3
    assert first["values"] == [values[0]]
    assert first["curve"] == [[1, values[0]]]
    assert last["last"] == {"$number": "NaN"}
    assert client.get(f"{path}/trials", params={"after": page["revision"]}).json()["trials"] == []
    sweeps.finish(running.key, Result("failed", failure="boom"))
    (changed,) = client.get(f"{path}/trials", params={"after": page["revision"]}).json()["trials"]
    assert (changed["number"], changed["state"], changed["failure"]) == (11, "failed", "boom")
    assert client.get(path).json()["state"] == "finished"


@pytest.mark.parametrize("evaluator", ["fanova", "ped_anova"])
def test_what_matters(evaluator: str, client: httpx.Client, sweeps: StoredSweeps) -> None:
    sweep = made(client, YAML.replace("run_cap: 12", "run_cap: 60"))
    path = f"/api/v1/sweeps/{sweep['id']}/importance"
    early = client.get(path, params={"evaluator": evaluator}).json()
    assert (early["importances"], early["reason"][:8]) == ([], "0 trials")
    while (trial := sweeps.lease(sweep["id"], Agent("a")).trial) is not None:
        loss = math.log10(trial.point["lr"]) + 1.0 * (trial.point["opt"] == "sgd")
        sweeps.finish(trial.key, Result("finished", {"loss": loss}))
    told = client.get(path, params={"evaluator": evaluator, "metric": "loss"}).json()
    assert (told["trials"], told["reason"]) == (60, "")
    shares = {one["parameter"]: one["importance"] for one in told["importances"]}
    assert next(iter(shares)) == "lr"
    assert shares["lr"] > 0.5
    assert sum(shares.values()) == pytest.approx(1.0)
    spearman = {(one["parameter"], str(one["value"])): one["spearman"] for one in told["correlations"]}
    assert spearman["lr", "None"] > 0.6
    assert spearman["opt", "sgd"] > 0.1
    assert ("opt", "{'name': 'x'}") in spearman
    assert client.get(path, params={"metric": "nothing"}).status_code == 400
    assert client.get(path, params={"evaluator": "guess"}).status_code == 422


def test_the_front_of_two_metrics(client: httpx.Client, sweeps: StoredSweeps) -> None:
    sweep = made(client, TWO, project="two")
    rows = [(1, 1, 0), (2, 2, 0), (2, 1, 0), (0, 9, 5), (1, 1, 0), (math.nan, 99, 0), (3, 3, 1)]
    for loss, speed, size in rows:
        trial = sweeps.lease(sweep["id"], Agent("a")).trial
        assert trial is not None
        sweeps.finish(trial.key, Result("finished", {"loss": loss, "speed": speed, "size": size}))
    page = client.get(f"/api/v1/sweeps/{sweep['id']}/trials").json()
    assert page["front"] == [0, 1, 4, 6]
    assert page["trials"][5]["values"] == [{"$number": "NaN"}, 99.0]
    assert client.get("/api/v1/sweeps", params={"project": "two"}).json()["sweeps"][0]["best"] is None


def test_what_is_wrong_is_told_line_by_line(client: httpx.Client) -> None:
    wrong = "method: bayes\nmetric: {name: loss, goal: minimise}\nparameters:\n  lr: {min: 1, max: 0}\n"
    checked = client.post("/api/v1/sweeps/check", json={"source": wrong}).json()
    told = [(one["line"], one["column"], one["path"], one["message"], one["fix"]) for one in checked["errors"]]
    assert told == [
        (2, 22, "metric.goal", "got 'minimise'", "Did you mean 'minimize'?"),
        (4, 8, "parameters.lr.min", "1 is more than max, 0", "swap them, or give one `value`"),
    ]
    assert checked["config"] is None
    refused = client.post("/api/v1/sweeps", json={"source": wrong})
    assert (refused.status_code, refused.json()["findings"]) == (422, checked["errors"])
    assert refused.json()["error"]["code"] == "wrong_sweep"
    assert client.post("/api/v1/sweeps", json={"source": 3}).status_code == 422
    trap = "method: grid\nmetric: {name: a, goal: maximize}\nparameters: {b: {values: [1, 2]}, c: {min: 0, max: 4}}"
    fine = client.post("/api/v1/sweeps/check", json={"source": trap}).json()
    assert (fine["errors"], fine["points"]) == ([], 10)
    odd = client.post("/api/v1/sweeps/check", json={"source": trap.replace(", goal: maximize", "")}).json()
    assert [(one["line"], one["fix"]) for one in odd["warnings"]] == [(2, "write it down")]


def test_steering(client: httpx.Client) -> None:
    path = f"/api/v1/sweeps/{made(client)['id']}"
    states = [
        client.post(f"{path}/state", json={"action": action}).json()["state"]
        for action in ("pause", "resume", "stop", "cancel")
    ]
    assert states == ["paused", "running", "stopped", "cancelled"]
    refused = client.post(f"{path}/state", json={"action": "resume"})
    assert (refused.status_code, "takes one that is paused or stopped" in refused.text) == (400, True)
    assert client.post(f"{path}/state", json={"action": "burn"}).status_code == 422
    assert client.get("/api/v1/sweeps/none").status_code == 404
    assert client.post("/api/v1/sweeps/none/state", json={"action": "stop"}).status_code == 404


def test_a_sweep_in_a_shared_folder_is_there_too(client: httpx.Client, folder: Path) -> None:
    shared = SharedSweeps(folder)
    sweep = shared.create({"method": "grid", "parameters": {"a": {"values": [1, 2]}}}, project="shared")
    offer = shared.lease(sweep.id, Agent("a"))
    assert offer.trial is not None
    path = f"/api/v1/sweeps/{sweep.id}"
    assert "a:\n" in client.get(path).json()["source"]
    assert [one["id"] for one in client.get("/api/v1/sweeps", params={"project": "shared"}).json()["sweeps"]] == [
        sweep.id
    ]
    assert client.get(f"{path}/trials").json()["trials"][0]["point"] == {"a": 1}
    assert client.post(f"{path}/state", json={"action": "cancel"}).json()["state"] == "cancelled"
    assert shared.trials(sweep.id)[0].order == "cancel"


def test_no_store_has_no_sweeps(tmp_path: Path, serve: Callable[..., Any]) -> None:
    with serve(tmp_path / "none") as served, served.client() as client:
        assert client.get("/api/v1/sweeps").json() == {"sweeps": [], "total": 0}
        assert made(client)["project"] == "digits"
        assert client.get("/api/v1/sweeps").json()["total"] == 1


_NUMBERS = st.one_of(
    st.integers(), st.floats(), st.sampled_from([10**400, 2**63, -(2**63), 1e308, -1e308, 5e-324, 0.1, 1, 0])
)
_KEYS = st.dictionaries(
    st.sampled_from(["min", "max", "q", "mu", "sigma", "a", "b", "value", "values", "distribution", "probabilities"]),
    st.one_of(_NUMBERS, st.sampled_from(["q_uniform", "int_uniform", "q_log_uniform_values", "q_log_uniform", "beta"])),
    max_size=5,
)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(method=st.sampled_from(["grid", "random", "bayes"]), keys=_KEYS)
@example("grid", {"min": 0, "max": 1e300, "q": 1e-300, "distribution": "q_uniform"})
@example("grid", {"min": 0, "max": 10**12, "q": 1, "distribution": "q_uniform"})
@example("random", {"min": -1e308, "max": 1e308})
@example("random", {"min": 1, "max": 10**400})
def test_no_text_breaks_the_check(method: str, keys: dict[str, Any]) -> None:
    text = json.dumps({"method": method, "metric": {"name": "m", "goal": "minimize"}, "parameters": {"p": keys}})
    try:
        config = config_of_text(text)
    except SweepError:
        return
    axis_rows(config.space)
    assert config.space.size > 0
    config.space.sample(np.random.default_rng(0))
