"""Stable-Baselines3: its logger and outputs, the files that it saves, and those that the callback saves."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

stable_baselines3 = pytest.importorskip("stable_baselines3")

import gymnasium
import torch
from cartpoles import SMALL, cartpole
from overwriting import check_one_path
from readings import OneRun, Runs
from stable_baselines3 import DQN, PPO
from stable_baselines3.common import logger as sb3_logger
from stable_baselines3.common.callbacks import (
    CallbackList,
    CheckpointCallback,
    ConvertCallback,
    EvalCallback,
    EveryNTimesteps,
)
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize, VecVideoRecorder

import treering
from treering.callbacks.sb3 import TreeringCallback
from treering.errors import UsageError

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


def test_five_files_at_one_path_are_five_versions(tmp_path: Path, only_run: OneRun) -> None:
    model, path = PPO("MlpPolicy", cartpole(), **SMALL), tmp_path / "model.zip"

    def save(number: int) -> Path:
        model.num_timesteps = number
        model.save(path)
        return path

    check_one_path(save, only_run)


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
