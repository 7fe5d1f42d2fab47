"""RLlib: every episode and every result, in one run through checkpoints."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

os.environ.setdefault("RAY_raylet_start_wait_time_s", "180")
ray = pytest.importorskip("ray")

import gymnasium
from ray.rllib.algorithms.algorithm import Algorithm
from ray.rllib.algorithms.ppo import PPOConfig

import treering
from treering.api import ApiRun
from treering.callbacks.rllib import TreeringCallback
from treering.errors import TreeringWarning, UsageError
from treering.training import Training

OneRun = Callable[[], ApiRun]

pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::ray.util.annotations.RayDeprecationWarning", "ignore::RuntimeWarning"),
]


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    quiet: dict[str, Any] = {"include_dashboard": False, "log_to_driver": False, "logging_level": "ERROR"}
    ray.init("local", num_cpus=2, **quiet)
    yield
    ray.shutdown()


class Walk(gymnasium.Env[Any, Any]):
    """Ends after 7, 30 and 3 steps in turn, every second time on its own, and writes down each episode."""

    def __init__(self, config: dict[str, Any]) -> None:
        self.observation_space = gymnasium.spaces.Box(-1, 1, (2,), np.float32)
        self.action_space = gymnasium.spaces.Discrete(2)
        self.file, self.number = Path(config["file"]), 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        self.at, self.total, self.number = 0, 0.0, self.number + 1
        return np.zeros(2, np.float32), {}

    def step(self, action: Any) -> Any:
        self.at += 1
        self.total += self.at
        over = self.at == [7, 30, 3][self.number % 3]
        truncated = over and self.number % 2 == 1
        if over:
            with self.file.open("a") as file:
                file.write(f"{self.total} {self.at} {int(truncated)}\n")
        return np.zeros(2, np.float32), float(self.at), over and not truncated, truncated, {}


def config(file: Path, callback: Any, runners: int = 0) -> PPOConfig:
    return (
        PPOConfig()
        .environment(Walk, env_config={"file": str(file)})
        .env_runners(num_env_runners=runners, num_envs_per_env_runner=1)
        .training(train_batch_size=32, minibatch_size=16, num_epochs=1)
        .learners(num_learners=0)
        .callbacks(callback)
    )


def seen(file: Path) -> list[tuple[float, int, bool]]:
    rows = [line.split() for line in file.read_text().splitlines()]
    return [(float(total), int(length), truncated == "1") for total, length, truncated in rows]


def episodes_of(run: ApiRun, section: str = "") -> list[tuple[float, int, bool]]:
    columns = [run.history(f"{section}episode/{name}").values.tolist() for name in ("return", "length", "truncated")]
    return list(zip(*columns, strict=True))


def test_episodes_and_results_through_checkpoints(tmp_path: Path, only_run: OneRun) -> None:
    """Fragments of 32 steps cut through episodes of 30: each is one row, whole."""
    file, checkpoint = tmp_path / "episodes", str(tmp_path / "checkpoint")
    options: dict[str, Any] = {"project": "walks", "tags": ["t"]}
    algorithm = config(file, partial(TreeringCallback, **options)).build_algo()
    assert treering.run is None
    results = [algorithm.train() for _ in range(3)]
    assert not any("treering" in key for result in results for key in (*result, *result["env_runners"]))
    whole = seen(file)
    algorithm.save_to_path(checkpoint)
    steps = [int(result["num_env_steps_sampled_lifetime"]) for result in results]

    algorithm.train()  # superseded by what is trained from the checkpoint
    after_four = seen(file)
    algorithm.restore_from_path(checkpoint)
    file.write_text("")
    results.append(algorithm.train())
    resumed = seen(file)
    assert len(after_four) > len(whole) > 3
    algorithm.stop()
    treering.finish()

    again = Algorithm.from_checkpoint(checkpoint)
    file.write_text("")
    last = again.train()
    again.stop()
    run = only_run()
    assert (run.project, run.state) == ("walks", "finished")
    assert run.config["rllib"]["algorithm"] == "PPO"
    assert run.config["rllib"]["settings"]["train_batch_size"] == 32
    series = run.history("env_runners/episode_return_mean")
    assert series.x.tolist() == [*steps, int(last["num_env_steps_sampled_lifetime"])]
    assert series.values[:3].tolist() == [result["env_runners"]["episode_return_mean"] for result in results[:3]]
    assert episodes_of(run) == whole + seen(file)
    assert run.history("episode").values.tolist() == list(range(1, len(whole + seen(file)) + 1))
    assert run.history("learners/default_policy/total_loss").rows == 4
    assert resumed
    assert run.attempt >= 2


def test_environments_in_other_processes_and_evaluation(tmp_path: Path, only_run: OneRun) -> None:
    file = tmp_path / "episodes"
    algorithm = (
        config(file, TreeringCallback, runners=1)
        .evaluation(
            evaluation_interval=1,
            evaluation_duration=2,
            evaluation_config={"env_config": {"file": str(tmp_path / "evaluated")}},
        )
        .build_algo()
    )
    results = [algorithm.train() for _ in range(2)]
    algorithm.stop()
    run = only_run()
    found = episodes_of(run)
    assert len(found) > 1
    assert found == seen(file)[: len(found)]  # the process may have gone on sampling
    assert set(run.history("episode/worker").values.tolist()) == {1}
    steps = [int(result["num_env_steps_sampled_lifetime"]) for result in results]
    means = run.history("evaluation/env_runners/episode_return_mean")
    assert means.x.tolist() == steps
    assert means.values.tolist() == [result["evaluation"]["env_runners"]["episode_return_mean"] for result in results]
    assert episodes_of(run, "evaluation/") == seen(tmp_path / "evaluated")[: len(episodes_of(run, "evaluation/"))]
    assert run.history("evaluation/episode/return").rows >= 4
    assert not any("treering" in key for result in results for key in result["evaluation"]["env_runners"])


def test_a_hook_that_fails_never_stops_the_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, only_run: OneRun
) -> None:
    monkeypatch.delenv("TREERING_DEBUG")

    def broken(*_arguments: object, **_options: object) -> None:
        raise RuntimeError("a bug of ours")

    monkeypatch.setattr(Training, "log", broken)
    algorithm = config(tmp_path / "episodes", [TreeringCallback]).build_algo()
    with pytest.warns(TreeringWarning, match="a bug of ours"):
        algorithm.train()
    algorithm.stop()
    assert only_run().state == "finished"


def test_options_are_checked_at_once() -> None:
    with pytest.raises(UsageError, match="unknown option"):
        TreeringCallback(colour="red")  # type: ignore[call-arg]  # the misuse that is tested
