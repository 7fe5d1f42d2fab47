"""Stable-Baselines3: what its callback records, beside what every callback does."""

from __future__ import annotations

import csv
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

stable_baselines3 = pytest.importorskip("stable_baselines3")

import gymnasium
import torch
from cartpoles import SMALL, cartpole
from readings import OneRun, Runs
from stable_baselines3 import A2C, DQN, PPO, SAC
from stable_baselines3.common.callbacks import (
    ConvertCallback,
)
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv, VecNormalize

import treering
from treering.api import ApiRun
from treering.callbacks.sb3 import TreeringCallback
from treering.errors import TreeringWarning


class Counting(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Counts (return, length, truncated) of its episodes."""

    def __init__(self, env: gymnasium.Env[Any, Any], episodes: list[tuple[float, int, bool]]) -> None:
        super().__init__(env)
        self.episodes, self.total, self.length = episodes, 0.0, 0

    def reset(self, **options: Any) -> Any:
        self.total, self.length = 0.0, 0
        return self.env.reset(**options)

    def step(self, action: Any) -> Any:
        observation, reward, terminated, truncated, info = self.env.step(action)
        self.total, self.length = self.total + float(reward), self.length + 1
        if terminated or truncated:
            self.episodes.append((self.total, self.length, truncated and not terminated))
        return observation, reward, terminated, truncated, {**info, "is_success": self.length > 15}


def episodes_of(run: ApiRun) -> list[tuple[float, int, bool]]:
    columns = [run.history(f"episode/{name}").values.tolist() for name in ("return", "length", "truncated")]
    return list(zip(*columns, strict=True))


# -- episodes ---------------------------------------------------------------------------------------------------------


def test_every_update_of_an_on_policy_algorithm_is_there(only_run: OneRun) -> None:
    """SB3 dumps before it trains: the losses of the last update are only in its logger."""
    model = PPO("MlpPolicy", cartpole(), **SMALL)
    losses: list[float] = []
    train = model.train

    def watched() -> None:
        train()
        losses.append(model.logger.name_to_value["train/loss"])

    setattr(model, "train", watched)  # noqa: B010  # on the object, as SB3 calls it
    model.learn(96, callback=TreeringCallback())
    assert len(losses) == 3
    series = only_run().history("train/loss")
    assert series.x.tolist() == [64, 96, 96]
    assert np.allclose(series.values, losses)


def test_off_policy_losses_are_there_though_nothing_is_ever_dumped(only_run: OneRun) -> None:
    episodes: list[tuple[float, int, bool]] = []
    model = DQN("MlpPolicy", Counting(cartpole(), episodes), learning_starts=20, train_freq=10, seed=0, device="cpu")
    model.learn(120, callback=TreeringCallback(log_every_s=0), log_interval=None)  # type: ignore[arg-type]  # SB3 takes it
    run = only_run()
    assert episodes_of(run) == episodes
    losses = run.history("train/loss")
    # Trained after 30, 40 ... 120 steps; seen at the next step, the last at the end.
    assert losses.x.tolist() == [*range(31, 112, 10), 120]
    assert run.history("train/n_updates").values.tolist() == list(range(1, 11))


def monitored(folder: Path) -> list[list[tuple[float, int]]]:
    """(return, length) of the episodes of each environment, as Monitor wrote them."""
    found = []
    for path in sorted(folder.glob("*monitor.csv")):
        with path.open() as file:
            next(file)
            found.append([(float(row["r"]), int(row["l"])) for row in csv.DictReader(file)])
    return found


def seconds_of(path: Path) -> float:
    """When the last episode ended, since Monitor was made."""
    return float(path.read_text().splitlines()[-1].split(",")[2])


def test_every_episode_of_monitor_and_both_updates_are_there(tmp_path: Path, only_run: OneRun) -> None:
    env = Monitor(cartpole(15), str(tmp_path / "only"))
    PPO("MlpPolicy", env, **SMALL).learn(64, callback=TreeringCallback())
    env.close()
    (expected,) = monitored(tmp_path)
    run = only_run()
    assert len(expected) > 1
    assert [one[:2] for one in episodes_of(run)] == expected
    times = run.history("episode/time").values
    assert len(times) == len(expected)
    assert 0 < sum(times) <= seconds_of(tmp_path / "only.monitor.csv"), "of each episode, not since Monitor was made"
    assert run.history("train/loss").x.tolist() == [64, 64]
    assert run.history("train/n_updates").values.tolist() == [1, 2]


@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")  # of Python 3.12 on
@pytest.mark.parametrize("kind", [DummyVecEnv, SubprocVecEnv])
def test_four_environments_have_their_index(kind: type[Any], tmp_path: Path, only_run: OneRun) -> None:
    options = {"start_method": "fork"} if kind is SubprocVecEnv else {}  # its environments live in processes of theirs
    env = make_vec_env(
        "CartPole-v1", n_envs=4, seed=0, monitor_dir=str(tmp_path), vec_env_cls=kind, vec_env_kwargs=options
    )
    PPO("MlpPolicy", env, **SMALL).learn(256, callback=TreeringCallback())
    env.close()
    run, expected = only_run(), monitored(tmp_path)
    where, steps = run.history("episode/env").values, run.history("episode/return").x
    found = episodes_of(run)
    for index, episodes in enumerate(expected):
        mine = np.flatnonzero(where == index)
        assert [found[at][:2] for at in mine] == episodes
        assert steps[mine].tolist() == [4 * total for total in np.cumsum([length for _, length in episodes])]


def test_rewards_that_are_no_numbers(only_run: OneRun) -> None:
    env = gymnasium.wrappers.TransformReward(cartpole(5), lambda _reward: float("nan"))
    PPO("MlpPolicy", env, **SMALL).learn(32, callback=TreeringCallback())
    run = only_run()
    assert np.isnan(run.history("episode/return").values).all()
    assert "episode/return" in {event.fields.get("series") for event in run.events() if event.kind == "non_finite"}


def test_environments_without_a_monitor_are_counted(only_run: OneRun) -> None:
    episodes: list[list[tuple[float, int, bool]]] = [[], [], []]
    env = DummyVecEnv([partial(Counting, cartpole(20), kept) for kept in episodes])
    with pytest.warns(TreeringWarning, match="no Monitor") as warned:
        PPO("MlpPolicy", env, **SMALL).learn(384, callback=TreeringCallback())
    assert len(warned) == 1
    run = only_run()
    where = run.history("episode/env").values
    for index, expected in enumerate(episodes):
        assert [one for one, at in zip(episodes_of(run), where, strict=True) if at == index] == expected
    assert {truncated for _, _, truncated in episodes_of(run)} == {True, False}
    assert all(seconds > 0 for seconds in run.history("episode/time").values)
    successes = run.history("episode/is_success").values.tolist()
    assert successes == [length > 15 for _, length, _ in episodes_of(run)]


class Lives(gymnasium.Wrapper[Any, Any, Any, Any]):
    """An episode of five steps for the agent, as long as the game goes on behind it (Atari: each life)."""

    def __init__(self, env: gymnasium.Env[Any, Any]) -> None:
        super().__init__(env)
        self._steps, self._over, self._seen = 0, True, None

    def reset(self, **options: Any) -> Any:
        if not self._over:
            return self._seen, {}
        self._over = False
        return self.env.reset(**options)

    def step(self, action: Any) -> Any:
        self._seen, reward, terminated, truncated, info = self.env.step(action)
        self._steps += 1
        self._over = bool(terminated or truncated)
        return self._seen, reward, terminated or self._steps % 5 == 0, truncated, info


def test_lives_within_an_episode_of_monitor_are_no_episodes(tmp_path: Path, only_run: OneRun) -> None:
    env = Lives(Monitor(cartpole(20), str(tmp_path / "only")))
    PPO("MlpPolicy", env, **SMALL).learn(96, callback=TreeringCallback())
    env.close()
    (expected,) = monitored(tmp_path)
    assert len(expected) > 1
    assert [one[:2] for one in episodes_of(only_run())] == expected


def test_returns_are_those_before_normalization(only_run: OneRun) -> None:
    episodes: list[tuple[float, int, bool]] = []
    env = VecNormalize(DummyVecEnv([lambda: Counting(cartpole(), episodes)]))
    with pytest.warns(TreeringWarning, match="no Monitor"):
        PPO("MlpPolicy", env, **SMALL).learn(128, callback=TreeringCallback())
    assert episodes_of(only_run()) == episodes


def test_the_mean_is_over_a_hundred_episodes(only_run: OneRun) -> None:
    env = gymnasium.wrappers.TransformReward(
        cartpole(4), lambda reward: float(reward) * np.random.default_rng().random()
    )
    A2C("MlpPolicy", env, device="cpu").learn(600, callback=TreeringCallback())
    run = only_run()
    returns = run.history("episode/return").values
    assert len(returns) > 120
    assert run.history("episode/return_mean").values[-1] == pytest.approx(returns[-100:].mean())
    assert run.history("episode").values.tolist() == list(range(1, len(returns) + 1))


@pytest.mark.parametrize("algorithm", [PPO, A2C, DQN, SAC], ids=lambda found: found.__name__)
def test_algorithms(algorithm: Any, only_run: OneRun) -> None:
    env = gymnasium.make("Pendulum-v1" if algorithm is SAC else "CartPole-v1")
    options = {"n_steps": 32, "batch_size": 32} if algorithm is PPO else {}
    options |= {"learning_starts": 50} if algorithm in {DQN, SAC} else {}
    algorithm("MlpPolicy", env, device="cpu", **options).learn(256, callback=TreeringCallback())
    run = only_run()
    assert run.state == "finished"
    assert any(name.startswith("train/") and name.endswith("loss") for name in run.metrics)
    settings = run.config["sb3"]
    assert settings["algorithm"]["algorithm"] == algorithm.__name__
    assert settings["algorithm"]["gamma"] == 0.99
    assert settings["env"]["id"] == ("Pendulum-v1" if algorithm is SAC else "CartPole-v1")
    assert settings["env"]["wrappers"][:2] == ["DummyVecEnv", "Monitor"]
    assert settings["policy"]["parameters"] > 100


# -- the axis and the run ---------------------------------------------------------------------------------------------


def test_learning_twice_counts_on(only_run: OneRun) -> None:
    model, callback = PPO("MlpPolicy", cartpole(), **SMALL), TreeringCallback()
    for reset in (True, True, False):
        model.learn(64, callback=callback, reset_num_timesteps=reset)
    run = only_run()
    assert run.history("time/total_timesteps").x.tolist() == [32, 64, 96, 128, 160, 192]
    assert run.history("train/loss").x.tolist()[-1] == 192
    assert (run.attempt, run.state) == (1, "finished")


def test_a_new_callback_on_a_model_that_counts_on_goes_on_in_its_run(only_run: OneRun) -> None:
    model = PPO("MlpPolicy", cartpole(), **SMALL)
    model.learn(64, callback=TreeringCallback())
    model.learn(64, callback=TreeringCallback(), reset_num_timesteps=False)
    assert only_run().history("time/total_timesteps").x.tolist() == [32, 64, 96, 128]


def test_a_new_callback_on_a_model_that_starts_over_gets_a_run(recorded: Runs) -> None:
    model = PPO("MlpPolicy", cartpole(), **SMALL)
    for _ in range(2):
        model.learn(32, callback=TreeringCallback())
    assert [run.history("time/total_timesteps").x.tolist() for run in recorded()] == [[32], [32]]


def test_a_loaded_model_resumes_on_request_though_it_starts_over(tmp_path: Path, only_run: OneRun) -> None:
    model = PPO("MlpPolicy", cartpole(), **SMALL)
    model.learn(64, callback=TreeringCallback())
    model.save(tmp_path / "model.zip")
    treering.finish()
    PPO.load(tmp_path / "model.zip", cartpole()).learn(32, callback=TreeringCallback(resume="allow"))
    run = only_run()
    assert run.attempt == 2
    assert run.history("time/total_timesteps").x.tolist() == [32, 64, 96]


def test_episodes_count_on_with_the_model(tmp_path: Path, only_run: OneRun) -> None:
    model = PPO("MlpPolicy", cartpole(10), **SMALL)
    model.learn(64, callback=TreeringCallback())
    model.save(tmp_path / "model.zip")
    treering.finish()
    model = PPO.load(tmp_path / "model.zip", cartpole(10))
    model.learn(64, callback=TreeringCallback(), reset_num_timesteps=False)
    numbers = only_run().history("episode").values.tolist()
    assert numbers == list(range(1, len(numbers) + 1))


def test_an_exception_fails_the_run_at_its_step(recorded: Runs) -> None:
    def fail(local: dict[str, Any], _: Any) -> bool:
        if local["self"].num_timesteps == 21:
            raise ValueError("broken")
        return True

    with pytest.raises(ValueError, match="broken"), treering.init():
        PPO("MlpPolicy", cartpole(5), **SMALL).learn(64, callback=[TreeringCallback(), ConvertCallback(fail)])
    (run,) = recorded()
    assert run.state == "failed"
    assert run.failure is not None
    assert (run.failure["type"], run.failure["message"], run.failure["step"]) == ("ValueError", "broken", 20)


def test_stopped_early(only_run: OneRun) -> None:
    callbacks = [TreeringCallback(), ConvertCallback(lambda local, _: local["self"].num_timesteps < 40)]
    PPO("MlpPolicy", cartpole(), **SMALL).learn(320, callback=callbacks)
    run = only_run()
    assert run.state == "finished"
    assert run.history("train/loss").x.tolist() == [40]
    assert [event.fields["wanted"] for event in run.events() if event.kind == "stopped_early"] == [320]


def test_ended_twice(only_run: OneRun) -> None:
    """RL-Zoo calls the end of the first callback once more."""
    callback = TreeringCallback()
    PPO("MlpPolicy", cartpole(), **SMALL).learn(32, callback=callback)
    callback.on_training_end()
    run = only_run()
    assert run.state == "finished"
    assert run.history("train/loss").rows == 1


def test_gradients_are_watched_at_each_update(only_run: OneRun) -> None:
    model = PPO("MlpPolicy", cartpole(), **SMALL)
    norms: list[float] = []

    def add_up(*_: Any) -> None:
        gradients = [parameter.grad for parameter in model.policy.parameters() if parameter.grad is not None]
        norms.append(float(torch.cat([gradient.flatten() for gradient in gradients]).norm()))

    model.policy.optimizer.register_step_pre_hook(add_up)
    model.learn(64, callback=TreeringCallback(watch={"every": 1}))
    series = only_run().history("grad/norm")
    assert np.allclose(series.values, norms, rtol=1e-4)
    assert set(series.x.tolist()) == {32, 64}
