"""Stable-Baselines3: what its callback records, beside what every callback does."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

stable_baselines3 = pytest.importorskip("stable_baselines3")

import gymnasium
import torch
from stable_baselines3 import A2C, DQN, PPO, SAC
from stable_baselines3.common import logger as sb3_logger
from stable_baselines3.common.callbacks import (
    CallbackList,
    CheckpointCallback,
    ConvertCallback,
    EvalCallback,
    EveryNTimesteps,
)
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize, VecVideoRecorder

import treering
from treering.api import ApiRun
from treering.callbacks.sb3 import TreeringCallback
from treering.errors import TreeringWarning, UsageError

OneRun = Callable[[], ApiRun]
Runs = Callable[[], list[ApiRun]]

SMALL: dict[str, Any] = {"n_steps": 32, "batch_size": 32, "n_epochs": 1, "seed": 0, "device": "cpu"}


def cartpole(steps: int | None = None) -> gymnasium.Env[Any, Any]:
    return gymnasium.make("CartPole-v1", max_episode_steps=steps)


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


def test_every_episode_of_monitor_and_both_updates_are_there(tmp_path: Path, only_run: OneRun) -> None:
    env = Monitor(cartpole(15), str(tmp_path / "only"))
    PPO("MlpPolicy", env, **SMALL).learn(64, callback=TreeringCallback())
    env.close()
    (expected,) = monitored(tmp_path)
    run = only_run()
    assert len(expected) > 1
    assert [one[:2] for one in episodes_of(run)] == expected
    assert run.history("episode/time").rows == len(expected)
    assert run.history("train/loss").x.tolist() == [64, 64]
    assert run.history("train/n_updates").values.tolist() == [1, 2]


def test_four_environments_have_their_index(tmp_path: Path, only_run: OneRun) -> None:
    env = make_vec_env("CartPole-v1", n_envs=4, seed=0, monitor_dir=str(tmp_path))
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
    assert "episode/time" not in run.metrics
    successes = run.history("episode/is_success").values.tolist()
    assert successes == [length > 15 for _, length, _ in episodes_of(run)]


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


# -- SB3's logger -----------------------------------------------------------------------------------------------------


def learn_with_csv(folder: Path, *callbacks: Any) -> tuple[list[dict[str, str]], str, Any]:
    stream = io.StringIO()
    csv_file = sb3_logger.CSVOutputFormat(str(folder / "progress.csv"))
    logger = sb3_logger.Logger(str(folder), [csv_file, sb3_logger.HumanOutputFormat(stream)])
    model = PPO("MlpPolicy", cartpole(), **SMALL)
    model.set_logger(logger)
    model.learn(96, callback=list(callbacks))
    csv_file.close()
    with (folder / "progress.csv").open() as file:
        rows = [
            {name: value for name, value in row.items() if name not in {"time/fps", "time/time_elapsed"}}
            for row in csv.DictReader(file)
        ]
    table = re.sub(r"(fps|time_elapsed) +\| \d+ *", r"\1", stream.getvalue())
    return rows, table, logger


def test_nothing_changes_for_the_other_outputs(tmp_path: Path) -> None:
    (tmp_path / "with").mkdir()
    (tmp_path / "without").mkdir()
    rows, table, logger = learn_with_csv(tmp_path / "with", TreeringCallback())
    expected_rows, expected_table, untouched = learn_with_csv(tmp_path / "without")
    assert rows == expected_rows
    assert table == expected_table
    assert [type(one) for one in logger.output_formats] == [type(one) for one in untouched.output_formats]


def tensorboard_scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    (events,) = folder.rglob("events.out.*")
    reader = EventAccumulator(str(events))
    reader.Reload()
    names = [name for name in reader.Tags()["scalars"] if not name.startswith("time/")]
    return {name: [(event.step, event.value) for event in reader.Scalars(name)] for name in names}


def test_nothing_changes_for_tensorboard(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    for name, callbacks in (("with", [TreeringCallback()]), ("without", [])):
        model = PPO("MlpPolicy", cartpole(), tensorboard_log=str(tmp_path / name), **SMALL)
        model.learn(96, callback=list(callbacks))
    assert tensorboard_scalars(tmp_path / "with") == tensorboard_scalars(tmp_path / "without") != {}


def test_keys_of_any_depth_and_values_of_any_kind(only_run: OneRun) -> None:
    figures = pytest.importorskip("matplotlib.figure")
    pixels = np.zeros((3, 4, 5), dtype=np.uint8)

    def record(local: dict[str, Any], _: Any) -> bool:
        logger = local["self"].logger
        if local["self"].num_timesteps == 1:
            logger.record("flat", 1.0)
            logger.record("a/b/c", 2)
            logger.record("note", "text")
            logger.record("settings", sb3_logger.HParam({"depth": 3}, {"flat": 1.0}), exclude=("stdout", "log"))
            logger.record("figure", sb3_logger.Figure(figures.Figure(), close=True), exclude=("stdout", "log"))
            logger.record("image", sb3_logger.Image(pixels, "CHW"), exclude=("stdout", "log"))
            video = sb3_logger.Video(torch.from_numpy(np.stack([[pixels] * 2])), fps=5)
            logger.record("video", video, exclude=("stdout", "log"))
        return True

    PPO("MlpPolicy", cartpole(), **SMALL).learn(32, callback=[ConvertCallback(record), TreeringCallback()])
    run = only_run()
    assert {name: run.history(name).values[0] for name in ("flat", "a/b/c", "note")} == {
        "flat": 1.0,
        "a/b/c": 2,
        "note": "text",
    }
    assert run.config["sb3"]["settings"] == {"depth": 3}
    ((step, image),) = run.media("image")
    assert (step, image.width, image.height) == (32, 5, 4)
    assert len(run.media("figure")) == 1
    ((_, video),) = run.media("video")
    assert (video.frames, video.width, video.height, video.fps) == (2, 5, 4, 5.0)


def test_what_a_failed_training_left_in_a_logger_is_taken_out(recorded: Runs) -> None:
    model = PPO("MlpPolicy", cartpole(), **SMALL)
    model.set_logger(sb3_logger.Logger(None, []))

    def fail(local: dict[str, Any], _: Any) -> bool:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        model.learn(32, callback=[TreeringCallback(name="first"), ConvertCallback(fail)])
    model.learn(32, callback=TreeringCallback(name="second"))
    assert model.logger.output_formats == []
    runs = {run.name: run for run in recorded()}
    assert (runs["first"].state, runs["second"].state) == ("failed", "finished")
    assert "time/fps" not in runs["first"].metrics


# -- checkpoints ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ours_first", [True, False])
@pytest.mark.parametrize("nested", [True, False])
def test_files_are_taken_wherever_the_callback_stands(
    ours_first: bool, nested: bool, tmp_path: Path, only_run: OneRun
) -> None:
    saver: Any = CheckpointCallback(1 if nested else 20, str(tmp_path))
    others = [EveryNTimesteps(20, saver) if nested else saver]
    callbacks = [TreeringCallback(), *others] if ours_first else [CallbackList(others), TreeringCallback()]
    PPO("MlpPolicy", cartpole(), **SMALL).learn(64, callback=callbacks)
    versions = {alias: version for version in only_run().versions() for alias in version.aliases}
    assert {alias for alias in versions if alias.startswith("step-")} == {"step-20", "step-40", "step-60"}
    for step in (20, 40, 60):
        assert versions[f"step-{step}"].read() == (tmp_path / f"rl_model_{step}_steps.zip").read_bytes()
    assert versions["last"] is versions["step-60"]


def test_a_model_with_its_statistics_and_its_replay_buffer_is_one_version(tmp_path: Path, only_run: OneRun) -> None:
    env = VecNormalize(DummyVecEnv([lambda: Monitor(cartpole())]))
    saver = CheckpointCallback(50, str(tmp_path), save_replay_buffer=True, save_vecnormalize=True)
    model = DQN("MlpPolicy", env, learning_starts=10, buffer_size=100, device="cpu")
    model.learn(50, callback=[TreeringCallback(), saver])
    (version,) = only_run().versions()
    names = ["rl_model_50_steps.zip", "rl_model_replay_buffer_50_steps.pkl", "rl_model_vecnormalize_50_steps.pkl"]
    assert [one.path for one in version.files()] == names
    version.download(tmp_path / "again")
    loaded = DQN.load(tmp_path / "again" / names[0])
    loaded.load_replay_buffer(tmp_path / "again" / names[1])
    assert loaded.replay_buffer is not None
    assert loaded.replay_buffer.size() == 49  # SB3 calls back before it stores the step
    statistics: Any = VecNormalize.load(str(tmp_path / "again" / names[2]), DummyVecEnv([cartpole])).obs_rms
    assert statistics.count > 50


@pytest.mark.parametrize("replay", [True, False])
def test_checkpoints_of_our_own(replay: bool, tmp_path: Path, only_run: OneRun) -> None:
    env = VecNormalize(DummyVecEnv([lambda: Monitor(cartpole())]))
    model = DQN("MlpPolicy", env, learning_starts=10, train_freq=8, buffer_size=100, device="cpu")
    model.learn(72, callback=TreeringCallback(save_every=32, save_replay_buffer=replay, checkpoints="all"))
    run = only_run()
    versions = {alias: version for version in run.versions() for alias in version.aliases}
    assert {alias for alias in versions if alias.startswith("step-")} == {"step-32", "step-64", "step-72"}
    last = versions["last"]
    assert last is versions["step-72"]
    names = ["model.zip", *["replay_buffer.pkl"] * replay, "vecnormalize.pkl"]
    assert sorted(one.path for one in last.files()) == names
    last.download(tmp_path / "again")
    assert DQN.load(tmp_path / "again" / "model.zip").num_timesteps == 72
    statistics: Any = VecNormalize.load(str(tmp_path / "again" / "vecnormalize.pkl"), DummyVecEnv([cartpole]))
    assert statistics.obs_rms.count == pytest.approx(env.obs_rms.count)
    if replay:
        model.load_replay_buffer(tmp_path / "again" / "replay_buffer.pkl")
        assert model.replay_buffer is not None
        assert model.replay_buffer.size() == 72


def test_one_flag_with_a_checkpoint_of_our_own(tmp_path: Path, only_run: OneRun) -> None:
    """What the page on Stable-Baselines3 shows: model and replay buffer come back, and the curve is one."""

    def train(steps: int, stop_at: int | None = None) -> DQN:
        callback = TreeringCallback(resume="auto", save_every=32, save_replay_buffer=True)
        checkpoint, env = callback.checkpoint, cartpole(10)
        if checkpoint is None:
            model = DQN("MlpPolicy", env, learning_starts=10, train_freq=8, buffer_size=100, device="cpu")
        else:
            model = DQN.load(checkpoint, env)
            model.load_replay_buffer(checkpoint.with_name("replay_buffer.pkl"))
            assert model.replay_buffer is not None
            assert model.replay_buffer.size() == 31  # SB3 calls back before it stores the step

        def stop(local: dict[str, Any], _: Any) -> bool:
            if local["self"].num_timesteps == stop_at:
                raise ValueError("stopped")
            return True

        callbacks = [callback, ConvertCallback(stop)]
        model.learn(steps - model.num_timesteps, callback=callbacks, reset_num_timesteps=checkpoint is None)
        return model

    with pytest.raises(ValueError, match="stopped"):
        train(96, stop_at=50)
    treering.finish("failed")
    assert train(96).num_timesteps == 96
    run = only_run()
    assert run.state == "finished"
    steps = run.history("episode/return").x.tolist()
    assert steps == sorted(set(steps))
    assert steps[-1] > 85


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


def test_the_interval_of_checkpoints_is_checked() -> None:
    with pytest.raises(UsageError, match="save_every=0; use a number of environment steps"):
        TreeringCallback(save_every=0)


def test_a_video_of_the_environments_is_taken(tmp_path: Path, only_run: OneRun) -> None:
    pytest.importorskip("moviepy")

    class Seen(gymnasium.Wrapper[Any, Any, Any, Any]):
        render_mode = "rgb_array"

        def render(self) -> Any:
            return np.zeros((16, 16, 3), np.uint8)

    venv = DummyVecEnv([lambda: Monitor(Seen(cartpole()))])
    recorder = VecVideoRecorder(venv, str(tmp_path), lambda step: step == 4, video_length=6)
    PPO("MlpPolicy", recorder, **SMALL).learn(32, callback=TreeringCallback())
    recorder.close()
    ((step, video),) = only_run().media("rollout/video")
    (path,) = tmp_path.glob("*.mp4")
    assert (step, video.to_bytes()) == (10, path.read_bytes())


def test_the_best_model_brings_its_statistics(tmp_path: Path, only_run: OneRun) -> None:
    env = VecNormalize(DummyVecEnv([lambda: Monitor(cartpole())]))
    evaluation = VecNormalize(DummyVecEnv([lambda: Monitor(cartpole())]), training=False)
    best = EvalCallback(evaluation, eval_freq=24, n_eval_episodes=2, best_model_save_path=str(tmp_path), verbose=0)
    PPO("MlpPolicy", env, **SMALL).learn(96, callback=[TreeringCallback(), best])
    run = only_run()
    rewards = run.history("eval/mean_reward")
    assert rewards.x.tolist() == [24, 48, 72, 96]
    (version,) = [version for version in run.versions() if "best" in version.aliases]
    at = int(np.argmax(rewards.values))
    assert f"step-{rewards.x[at]}" in version.aliases
    assert "best:eval/mean_reward" in version.aliases
    assert "last" not in version.aliases
    assert version.metadata["score"] == max(rewards.values)
    assert [one.path for one in version.files()] == ["best_model.zip", "vecnormalize.pkl"]
    assert version.read("best_model.zip") == (tmp_path / "best_model.zip").read_bytes()
    version.download(tmp_path / "again")
    VecNormalize.load(str(tmp_path / "again" / "vecnormalize.pkl"), DummyVecEnv([cartpole]))
