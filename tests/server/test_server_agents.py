"""Agents that work through a server: one that is killed, and a network that loses, doubles and delays their calls."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from lossy_proxy import proxy_to
from ports import free_port
from programs import BARE
from server_yard import TOKEN, open_server_yard

import treering
from treering.cli._app import app
from treering.errors import NotFound, UsageError
from treering.online.client import RefusedKey
from treering.resuming import newest_checkpoint
from treering.store.database import Sqlite
from treering.sweeps import agents
from treering.sweeps.agents import run_agent
from treering.sweeps.opening import open_sweeps, place_of
from treering.sweeps.records import Agent, Key, Result
from treering.sweeps.store import StoredSweeps
from treering.training import Training

# Says that it ran, in one line that no other process tears; needs no treering.
NOTE = """
import os, sys, time
time.sleep(float(sys.argv[2]))
os.write(os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND), (sys.argv[3] + "\\n").encode())
"""
GRID = {"method": "grid", "parameters": {"a": {"values": [1, 2]}, "b": {"min": 1, "max": 3}}}


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, value in {**BARE, "TREERING_DIR": str(tmp_path / "own"), "TREERING_API_KEY": TOKEN}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(agents, "_FIRST_WAIT_S", 0.02)
    monkeypatch.setattr(agents, "_LONGEST_WAIT_S", 0.2)


@pytest.fixture
def url(serve: Callable[..., Any], tmp_path: Path) -> Iterator[str]:
    """A server of nothing yet."""
    with serve(tmp_path / "served") as served:
        yield served.url


def noting(tmp_path: Path, seconds: float, **more: Any) -> dict[str, Any]:
    """A sweep whose trials leave a line each."""
    program = tmp_path / "note.py"
    program.write_text(NOTE)
    words = [sys.executable, "-S", str(program), str(tmp_path / "log"), str(seconds), "${args_no_hyphens}"]
    return {"command": words, **more}


def assert_each_once(tmp_path: Path, sweeps: Any, sweep_id: str, count: int) -> None:
    trials = sweeps.trials(sweep_id)
    assert [(one.state, one.attempt, one.deaths) for one in trials] == [("finished", 1, 0)] * count
    lines = Counter((tmp_path / "log").read_text().split())
    assert lines == Counter(f"x={one.params['x']}" for one in trials)
    assert len(lines) == count
    assert sweeps.sweep(sweep_id).state == "finished"


def test_a_server_that_is_killed_while_agents_work(tmp_path: Path) -> None:
    """Three agents as people start them, and a server that dies under them again and again."""
    count, port = 18, free_port()
    with open_server_yard(tmp_path) as servers:
        servers.start(port, tmp_path / "served")
        address = f"http://127.0.0.1:{port}"
        config = noting(tmp_path, 0.1, method="random", run_cap=count, parameters={"x": {"min": 0.0, "max": 1.0}})
        (tmp_path / "sweep.yaml").write_text(yaml.safe_dump(config))
        told = CliRunner().invoke(app, ["sweep", str(tmp_path / "sweep.yaml"), "--url", address, "--json"])
        assert told.exit_code == 0, told.output
        words = json.loads(told.stdout)["agent"]
        sweep_id = words[2]
        assert words == ["treering", "agent", sweep_id, "--url", address]
        started = [
            subprocess.Popen([sys.executable, "-m", "treering.cli", *words[1:]], stderr=subprocess.DEVNULL)
            for _ in range(3)
        ]
        try:
            for killed in range(1, 5):
                deadline_s = time.monotonic() + 120
                while len(trials := (tmp_path / "log").read_text().split() if (tmp_path / "log").exists() else []) < (
                    killed * 3
                ):
                    assert time.monotonic() < deadline_s, trials
                    time.sleep(0.01)
                servers.kill(port)
                time.sleep(0.05 * killed)
                servers.start(port, tmp_path / "served")
            assert [one.wait(120) for one in started] == [0, 0, 0]
        finally:
            for one in started:
                one.kill()
                one.wait()
        with open_sweeps(address) as sweeps:
            assert_each_once(tmp_path, sweeps, sweep_id, count)
        servers.kill(port)


def test_a_network_that_loses_and_doubles_calls(serve: Callable[..., Any], tmp_path: Path) -> None:
    count = 20
    with serve(tmp_path / "served") as served, proxy_to(served.port) as proxy:
        proxy.chance, proxy.faults = random.Random(7), 0.5
        with open_sweeps(served.url) as sweeps:
            config = noting(tmp_path, 0.0, method="grid", parameters={"x": {"min": 1, "max": count}})
            sweep_id = sweeps.create(config, project="p").id
            working = [
                threading.Thread(target=run_agent, args=(sweep_id,), kwargs={"place": proxy.url}, daemon=True)
                for _ in range(3)
            ]
            for one in working:
                one.start()
            deadline_s = time.monotonic() + 120
            for one in working:
                one.join(deadline_s - time.monotonic())
                assert not one.is_alive()
            assert sum(proxy.seen.values()) - proxy.seen["pass"] > count
            assert_each_once(tmp_path, sweeps, sweep_id, count)
            # What was sent long ago and comes now changes nothing.
            before = sweeps.trials(sweep_id)
            for request in list(proxy.old):
                proxy.send(*request)
            assert sweeps.trials(sweep_id) == before


def test_calls_count_once(url: str) -> None:
    who, other = Agent("a"), Agent("b")
    with open_sweeps(url) as sweeps:
        sweep = sweeps.create(GRID, project="p", source="text")
        assert (sweep.project, sweep.source, sweeps.sweep(sweep.id)) == ("p", "text", sweep)
        offers = [sweeps.lease(sweep.id, who) for _ in range(3)]
        assert offers[0] == offers[1] == offers[2]
        first = offers[0].trial
        assert first is not None
        second = sweeps.lease(sweep.id, other).trial
        assert second is not None
        assert (first.number, second.number) == (0, 1)
        assert not sweeps.beat(first.key, who).lost
        assert [sweeps.finish(first.key, Result("finished", {"loss": 1.0})) for _ in range(2)] == [True, True]
        assert not sweeps.finish(first.key, Result("failed"))
        assert sweeps.give_back(second.key, "preempted")
        assert not sweeps.give_back(second.key, "preempted")
        assert sweeps.beat(second.key, other).lost
        again = sweeps.lease(sweep.id, who).trial
        assert again is not None
        assert (again.number, again.attempt, again.point) == (1, 2, second.point)
        assert [one.id for one in sweeps.sweeps("p")] == [sweep.id]
        assert sweeps.sweeps("q") == []
        assert sweeps.change(sweep.id, "cancel").state == "cancelled"
        assert sweeps.beat(again.key, who).order == "cancel"
        with pytest.raises(NotFound):
            sweeps.lease("none", who)
        with pytest.raises(UsageError):
            sweeps.change(sweep.id, "resume")


def test_what_no_agent_would_send_is_refused(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_sweeps(url) as sweeps:
        sweep_id = sweeps.create(GRID).id
        trial = sweeps.lease(sweep_id, Agent("a")).trial
        assert trial is not None
        with pytest.raises(UsageError, match="lease of 0"):
            sweeps.lease(sweep_id, Agent("b", lease_s=0.0))
        with pytest.raises(UsageError, match="names"):
            sweeps.lease(sweep_id, Agent("x" * 1000))
        sweeps.report(trial.key, [(5, 1.0), (-1, 1.0), (2, 2.0), (2**50 + 1, 3.0)])
        assert sweeps.trials(sweep_id)[0].curve == [(2, 2.0), (5, 1.0)]
        with pytest.raises(UsageError, match="whole numbers go to"):
            sweeps.create({"method": "grid", "parameters": {"a": {"min": 0, "max": 10**30}}})
        client: Any = sweeps
        for body in ([1], {"id": 3}, None, "x"):
            with pytest.raises(UsageError, match="not what this route takes"):
                client._client.exchange("POST", f"agent/sweeps/{sweep_id}/lease", body)
    monkeypatch.setenv("TREERING_API_KEY", "wrong")
    with open_sweeps(url) as sweeps, pytest.raises(RefusedKey):
        sweeps.sweep(sweep_id)


def test_no_lease_runs_out_while_the_server_was_away(tmp_path: Path) -> None:
    database = Sqlite(tmp_path / "treering.db", create=True)
    sweeps = StoredSweeps(database)
    sweep = sweeps.create({**GRID, "run_cap": 1})
    trial = sweeps.lease(sweep.id, Agent("a", lease_s=0.01)).trial
    assert trial is not None
    time.sleep(0.05)
    now_us = time.time_ns() // 1000
    assert StoredSweeps(database, since_us=now_us + 10_000_000).lease(sweep.id, Agent("b")).what == "wait"
    assert not StoredSweeps(database).beat(Key(sweep.id, 0, 1), Agent("a", lease_s=0.01)).lost
    time.sleep(0.05)
    assert StoredSweeps(database, since_us=now_us - 10_000_000).lease(sweep.id, Agent("b")).trial is not None
    database.close()


def test_its_runs_go_to_the_server(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TREERING_DIR")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TREERING_URL", url)
    assert place_of() == url  # said by the environment, where no folder is

    def train() -> None:
        run = treering.init()
        for step in range(3):
            run.log({"loss": run.config.x + step})

    config = {
        "method": "grid",
        "metric": {"name": "loss", "goal": "minimize"},
        "parameters": {"x": {"min": 1, "max": 2}},
    }
    monkeypatch.setenv("TREERING_DIR", str(tmp_path / "own"))
    sweep_id = treering.sweep(config, project="p", dir=url)
    assert treering.agent(sweep_id, train, dir=url) == 2
    with open_sweeps(url) as sweeps:
        trials = sweeps.trials(sweep_id)
    assert [(one.state, one.values) for one in trials] == [("finished", [3.0]), ("finished", [4.0])]
    for one in trials:
        run = treering.Api(tmp_path / "served").run(one.run_id)
        assert (run.project, run.state, run.config["x"], len(run.history("loss"))) == (
            "p",
            "finished",
            one.params["x"],
            3,
        )
    listed = CliRunner().invoke(app, ["sweep", "list", "--url", url]).stdout.splitlines()
    assert listed[1].split("\t")[:4] == [sweep_id, sweep_id, "p", "finished"]
    job = CliRunner().invoke(app, ["sweep", "k8s", sweep_id, "--url", url]).stdout
    assert f"value: {url}" in job
    assert TOKEN not in job


@pytest.mark.parametrize(
    ("upload", "moves", "step"),
    [(False, False, 2), (True, True, 2), (False, True, None)],
    ids=["it stayed on this machine", "it was uploaded", "it stayed on another machine"],
)
def test_a_trial_goes_on_where_its_checkpoint_can_be_had(
    upload: bool, moves: bool, step: int | None, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first agent is interrupted a step after its checkpoint; the next works on the same machine or on another.

    The step that is made again is counted once, wherever its rows are.
    """
    monkeypatch.chdir(tmp_path)
    began: list[tuple[int, int | None]] = []

    def train() -> None:
        training = Training("toy", resume="auto", upload=upload)
        found = newest_checkpoint(training)
        run = training.run
        assert run is not None
        began.append((run.attempt, None if found is None else found.step))
        training.begin(step=found.step if found else 0)
        for number in (1, 2, 3):
            run.log({"loss": 1.0 / number}, step=number + (found.step if found else 0))
            (tmp_path / "model.bin").write_text(f"step {number}")
            if number < 3:
                training.checkpoint(tmp_path / "model.bin", step=number)
        training.end()
        if len(began) == 1:
            run.finish("interrupted")
            raise KeyboardInterrupt

    metric = {"name": "loss", "goal": "minimize"}
    config = {"method": "grid", "metric": metric, "parameters": {"x": {"values": [1]}}}
    sweep_id = treering.sweep(config, project="p", dir=url)
    said: list[str] = []
    assert run_agent(sweep_id, train, place=url) == 0
    if moves:
        monkeypatch.setenv("TREERING_DIR", str(tmp_path / "another"))
    assert run_agent(sweep_id, train, place=url, say=said.append) == 1
    assert began == [(1, None), (1 if step is None else 2, step)]
    where = "from the beginning, as there is no checkpoint here or on the server"
    assert (where if step is None else "attempt 2 from its checkpoint") in said[0]
    with open_sweeps(url) as sweeps:
        (trial,) = sweeps.trials(sweep_id)
    assert (trial.state, trial.attempt) == ("finished", 2)
    assert step is None or [count for count, _ in trial.curve] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("variables", "place"),
    [
        ({"TREERING_URL": "http://a:1"}, "http://a:1"),
        ({"WANDB_BASE_URL": "http://b:1", "WANDB_API_KEY": "k"}, "http://b:1"),
        ({"TREERING_URL": "http://a:1", "TREERING_DIR": "here"}, "here"),
        ({"TREERING_URL": "http://a:1", "TREERING_DIR": "here", "TREERING_MODE": "online"}, "http://a:1"),
        ({"WANDB_BASE_URL": "https://api.wandb.ai", "WANDB_API_KEY": "k", "TREERING_DIR": "here"}, "here"),
        ({"WANDB_BASE_URL": "https://api.wandb.ai", "WANDB_API_KEY": "k", "TREERING_MODE": "online"}, None),
    ],
)
def test_the_names_that_launchers_set(
    variables: dict[str, str], place: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.delenv("TREERING_DIR")
    if "WANDB_API_KEY" in variables:
        monkeypatch.delenv("TREERING_API_KEY")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    if place is None:
        with pytest.raises(UsageError, match="no server is named"):
            place_of()
    else:
        assert place_of() == (place if "://" in place else str(tmp_path / place))
