"""Stable-Baselines3: what a model is made of, and the files and videos that a training leaves behind.

from treering.integrations.sb3 import describe

run.config.update(dict(describe(model)))
"""

# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false
# The framework leaves holes in its own types.

from __future__ import annotations

import atexit
import os
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from treering._framework import framework
from treering.errors import TreeringError, UsageError
from treering.media import Image, Video
from treering.training import Score

with framework("stable_baselines3", extra="sb3"):
    import stable_baselines3
    from stable_baselines3.common import logger as sb3_logger
    from stable_baselines3.common.callbacks import CallbackList, CheckpointCallback, EvalCallback, EventCallback
    from stable_baselines3.common.monitor import Monitor
    from stable_baselines3.common.vec_env import VecMonitor, VecVideoRecorder, is_vecenv_wrapped

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stable_baselines3.common.base_class import BaseAlgorithm
    from stable_baselines3.common.callbacks import BaseCallback

    from treering.training import Training

__all__ = ["SavedFiles", "callbacks_in", "describe", "is_monitored", "layers_of", "plain"]

RUNNING_NUMBERS = frozenset({"num_timesteps", "start_time"})
SCHEDULES = frozenset({"clip_range", "clip_range_vf", "exploration_schedule", "learning_rate"})
SCHEDULE_AT = (1.0, 0.5, 0.0)  # shares of the training that remain
LAYOUTS = frozenset({"CHW", "HWC"})


def describe(model: BaseAlgorithm) -> Iterator[tuple[str, object]]:
    """The parts of a run's config: the algorithm with its numbers and schedules, its policy, its environment."""
    yield "version", stable_baselines3.__version__
    numbers: dict[str, object] = {"algorithm": type(model).__name__}
    for name, value in vars(model).items():
        if isinstance(value, (int, float, str)) and not name.startswith("_") and name not in RUNNING_NUMBERS:
            numbers[name] = value
        elif callable(value) and name in SCHEDULES:
            numbers[name] = _sampled(value)
    yield "algorithm", numbers
    parameters = sum(parameter.numel() for parameter in model.policy.parameters())
    yield "policy", {"class": type(model.policy).__name__, "kwargs": model.policy_kwargs, "parameters": parameters}
    yield "env", _environment(model)


def is_monitored(model: BaseAlgorithm) -> bool:
    """Whether each episode's return and length are told by a Monitor, so that nobody else has to count them."""
    env = model.get_env()
    if env is None:
        return False
    try:
        return is_vecenv_wrapped(env, VecMonitor) or all(env.env_is_wrapped(Monitor))
    except Exception:  # other projects' vectors answer as they like, or not at all
        return False


def _sampled(schedule: Any) -> object:
    """A schedule as its values over the training, or as the one value that it always has."""
    values = {str(left): float(schedule(left)) for left in SCHEDULE_AT}
    return next(iter(values.values())) if len(set(values.values())) == 1 else values


def _environment(model: BaseAlgorithm) -> dict[str, object]:
    env = model.get_env()
    facts: dict[str, object] = {
        "observation_space": str(model.observation_space),
        "action_space": str(model.action_space),
        "n_envs": model.n_envs,
    }
    if env is None:
        return facts
    facts["wrappers"] = [type(layer).__name__ for layer in layers_of(env)]
    normalize = model.get_vec_normalize_env()
    if normalize is not None:
        facts["normalized"] = {"observations": normalize.norm_obs, "rewards": normalize.norm_reward}
    try:
        spec = env.get_attr("spec", [0])[0]
    except (AttributeError, EOFError):  # an environment that was never registered
        spec = None
    return facts if spec is None else {**facts, "id": spec.id, "kwargs": dict(spec.kwargs)}


def layers_of(env: object) -> Iterator[Any]:
    """An environment and what it is wrapped around, of a vector the first one, as far as this process holds them."""
    outer: Any = env
    while outer is not None:
        yield outer
        outer = (
            getattr(outer, "venv", None) or getattr(outer, "env", None) or next(iter(getattr(outer, "envs", [])), None)
        )


def callbacks_in(callback: BaseCallback | None) -> Iterator[BaseCallback]:
    """A callback and all that it calls."""
    if callback is None:
        return
    yield callback
    children: list[BaseCallback | None] = list(callback.callbacks) if isinstance(callback, CallbackList) else []
    if isinstance(callback, EventCallback):
        children = [callback.callback, getattr(callback, "callback_on_new_best", None)]
    for child in children:
        yield from callbacks_in(child)


def plain(value: object) -> object:
    """A value of SB3's logger as `Run.log` takes it."""
    try:
        if isinstance(value, sb3_logger.Figure):
            return Image(value.figure)
        if isinstance(value, sb3_logger.Video):
            return Video(value.frames, fps=value.fps, layout="CHW")
        if isinstance(value, sb3_logger.Image):
            layout = cast("Any", value.dataformats if value.dataformats in LAYOUTS else None)
            return Image(value.image, layout=layout)
    except TreeringError:  # an image that is none; the row that it is in is told of it, and goes on without
        return value
    return value


class SavedFiles:
    """The files of one training: what its other callbacks save, what is saved here, its videos, what comes after it.

    Args:
        training: to record them with.
        save_every: environment steps between two checkpoints of our own, the last one at the end; None for none.
        save_replay_buffer: whether these have the replay buffer with them.
        take_final: whether files that the program writes after the training, into the folder of its other files, are
            taken at exit.

    Raises:
        UsageError: `save_every` is no number of steps.
    """

    def __init__(
        self, training: Training, save_every: int | None, *, save_replay_buffer: bool, take_final: bool
    ) -> None:
        if save_every is not None and save_every < 1:
            raise UsageError(f"sb3: save_every={save_every!r}; use a number of environment steps, 1 or more")
        self._training = training
        self._save_every, self._save_replay_buffer, self._take_final = save_every, save_replay_buffer, take_final
        self._saved_at = self._offset = 0
        self._savers: dict[CheckpointCallback, int] = {}
        self._judges: dict[EvalCallback, float] = {}
        self._recorders: dict[VecVideoRecorder, str | None] = {}
        self._ended_ns: int | None = None
        self.are_expected = True
        """Whether anything is going to be saved while it trains."""

    def attach(self, model: BaseAlgorithm, callbacks: list[BaseCallback], offset: int) -> None:
        """A training of `model` begins; `offset` is added to its steps."""
        self._model, self._offset, self._saved_at = model, offset, offset + model.num_timesteps
        self._savers = {one: one.n_calls // one.save_freq for one in callbacks if isinstance(one, CheckpointCallback)}
        self._judges = {one: one.best_mean_reward for one in callbacks if isinstance(one, EvalCallback)}
        environments = [model.get_env(), *(judge.eval_env for judge in self._judges)]
        layers = [layer for env in environments for layer in layers_of(env)]
        self._recorders = {layer: None for layer in layers if isinstance(layer, VecVideoRecorder)}
        self.are_expected = bool(self._savers or self._judges or self._recorders or self._save_every)

    def look(self) -> None:
        """Take what was saved since the last call."""
        for saver, saves in self._savers.items():
            if saver.n_calls // saver.save_freq > saves:
                self._savers[saver] = saver.n_calls // saver.save_freq
                self._take_checkpoint(saver)
        for judge, best in self._judges.items():
            if judge.best_mean_reward > best:
                self._judges[judge] = judge.best_mean_reward
                if judge.best_model_save_path is not None:
                    self._take_best(judge, os.path.join(judge.best_model_save_path, "best_model.zip"))
        self._look_for_videos()
        if self._save_every is not None and self._training.step - self._saved_at >= self._save_every:
            self._save()

    def end(self) -> None:
        """The training ended: the last checkpoint, and a look back at exit."""
        self.look()
        if self._save_every is not None and self._training.step > self._saved_at:
            self._save()
        if self._take_final or self._recorders:
            self._ended_ns = time.time_ns()
            atexit.unregister(self._at_exit)  # RL-Zoo ends a training twice
            atexit.register(self._at_exit)

    def _take_checkpoint(self, saver: CheckpointCallback) -> None:
        kinds = ("", ".zip"), ("vecnormalize_", ".pkl"), ("replay_buffer_", ".pkl")
        names = [f"{saver.name_prefix}_{kind}{saver.num_timesteps}_steps{end}" for kind, end in kinds]
        paths = [os.path.join(saver.save_path, name) for name in names]
        present = [path for path in paths if os.path.exists(path)]
        self._training.checkpoint(present or paths[:1], step=self._offset + saver.num_timesteps, metadata=self._facts())

    def _take_best(self, judge: EvalCallback, path: str) -> None:
        score = Score("eval/mean_reward", float(judge.best_mean_reward), mode="max", best=True)
        with tempfile.TemporaryDirectory() as folder:
            paths = [path, *self._statistics(folder)]
            step = self._offset + judge.num_timesteps
            self._training.checkpoint(paths, step=step, score=score, is_last=False, metadata=self._facts())

    def _facts(self) -> dict[str, object]:
        """What loading needs to know and the zip does not say."""
        return {"algorithm": f"{type(self._model).__module__}.{type(self._model).__qualname__}"}

    def _statistics(self, folder: str) -> list[str]:
        """The statistics without which a model is of no use, if there are any."""
        normalize = self._model.get_vec_normalize_env()
        if normalize is None:
            return []
        path = os.path.join(folder, "vecnormalize.pkl")
        normalize.save(path)
        return [path]

    def _save(self) -> None:
        self._saved_at = self._training.step
        with tempfile.TemporaryDirectory() as folder:
            paths = [os.path.join(folder, "model.zip")]
            self._model.save(paths[0])
            paths += self._statistics(folder)
            if self._save_replay_buffer and getattr(self._model, "replay_buffer", None) is not None:
                paths.append(os.path.join(folder, "replay_buffer.pkl"))
                cast("Any", self._model).save_replay_buffer(paths[-1])
            self._training.checkpoint(paths, step=self._training.step, linkable=True, metadata=self._facts())

    def _look_for_videos(self) -> None:
        for recorder, seen in self._recorders.items():
            path = getattr(recorder, "video_path", None)
            if path != seen and not recorder.recording and path is not None and os.path.exists(path):
                self._recorders[recorder] = path
                video = Video(path, fps=float(cast("float", recorder.frames_per_sec)))
                self._training.log({"rollout/video": video}, step=self._training.step)

    # -- after the training -------------------------------------------------------------------------------------------

    def _at_exit(self) -> None:
        with self._training.guard("at exit"):
            self._look_for_videos()
            folder = self._folder() if self._take_final else None
            if folder is None or self._ended_ns is None:
                return
            # RL-Zoo: <env>.zip, replay_buffer.pkl, and the statistics in a folder below.
            found = [*folder.glob("*.zip"), *folder.glob("*.pkl"), *folder.glob("*/vecnormalize.pkl")]
            written = sorted(path for path in found if path.stat().st_mtime_ns >= self._ended_ns)
            if written:
                self._training.checkpoint(written, step=self._training.step, metadata={"final": True, **self._facts()})

    def _folder(self) -> Path | None:
        """Where the program keeps the files of this training, by what it told others."""
        for judge in self._judges:
            if judge.best_model_save_path is not None:
                return Path(judge.best_model_save_path)
        for saver in self._savers:
            return Path(saver.save_path)
        for layer in layers_of(self._model.get_env()):
            writer = getattr(layer, "results_writer", None)
            if writer is not None:
                return Path(writer.file_handler.name).parent
        return None
