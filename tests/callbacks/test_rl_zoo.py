"""RL-Zoo: its own training program, with our callback named in its file of hyperparameters."""

from __future__ import annotations

import atexit
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("rl_zoo3")

import yaml
from rl_zoo3.train import train
from stable_baselines3 import PPO

import treering
from treering.api import ApiRun

Runs = Callable[[], list[ApiRun]]

NAME = "treering.callbacks.sb3.TreeringCallback"
SMALL = {"n_timesteps": 64, "n_steps": 32, "batch_size": 32, "n_epochs": 1, "policy": "MlpPolicy"}

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning:rl_zoo3")


def run_zoo(folder: Path, callback: object, *arguments: str, **settings: Any) -> None:
    """Call the program as a user would, with CartPole and 64 steps."""
    (folder / "zoo.yml").write_text(yaml.safe_dump({"CartPole-v1": {**SMALL, "callback": callback, **settings}}))
    program = sys.argv
    sys.argv = ["train.py", "--algo", "ppo", "--env", "CartPole-v1", "--conf", str(folder / "zoo.yml")]
    sys.argv += ["-f", str(folder / "logs"), "--verbose", "0", "--device", "cpu", "--seed", "0", *arguments]
    try:
        train()
    finally:
        sys.argv = program


@pytest.mark.parametrize("callback", [NAME, {NAME: {"project": "zoo"}}, [NAME]], ids=["string", "dict", "list"])
def test_the_callback_is_named_in_yaml(callback: object, tmp_path: Path, recorded: Runs) -> None:
    run_zoo(tmp_path, callback, "--eval-freq", "-1")
    (run,) = recorded()
    assert run.project == ("zoo" if isinstance(callback, dict) else "uncategorized")
    assert run.state == "finished"
    assert run.history("train/loss").x.tolist() == [64, 64]
    assert run.config["sb3"]["env"]["id"] == "CartPole-v1"


def test_what_zoo_saves_after_the_training_is_taken_at_exit(tmp_path: Path, recorded: Runs) -> None:
    child = os.fork()
    if not child:
        code = 1
        try:
            atexit._clear()  # pytest's own
            run_zoo(
                tmp_path, [{NAME: {"take_final": True}}], "--eval-freq", "32", "--eval-episodes", "1", normalize=True
            )
            atexit._run_exitfuncs()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    (run,) = recorded()
    assert run.state == "finished"
    versions = {alias: version for version in run.versions() for alias in version.aliases}
    last = versions["last"]
    assert last.metadata["final"] is True
    assert sorted(one.path for one in last.files()) == ["CartPole-v1.zip", "vecnormalize.pkl"]
    last.download(tmp_path / "again")
    assert PPO.load(tmp_path / "again" / "CartPole-v1.zip").num_timesteps == 64
    assert {one.path for one in versions["best"].files()} == {"best_model.zip", "vecnormalize.pkl"}


# What the sampler draws decides whether SB3 says this; as an error it would end the trial before its training begins.
@pytest.mark.filterwarnings("ignore:You have specified a mini-batch size:UserWarning")
def test_each_trial_of_a_search_is_a_run(tmp_path: Path, recorded: Runs) -> None:
    search = ["-optimize", "--n-trials", "2", "--n-jobs", "2", "--sampler", "random", "--pruner", "none"]
    run_zoo(tmp_path, NAME, *search, "--n-evaluations", "1", "--eval-episodes", "1", "--no-optim-plots")
    runs = recorded()
    assert len(runs) == 2
    assert {run.state for run in runs} == {"finished"}
    assert all(run.history("train/loss").rows for run in runs)
    assert treering.run is None
