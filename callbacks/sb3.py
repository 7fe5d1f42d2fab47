"""Stable-Baselines3: `model.learn(100_000, callback=TreeringCallback())` records the training.

    from treering.callbacks.sb3 import TreeringCallback

    model = PPO("MlpPolicy", "CartPole-v1")
    model.learn(100_000, callback=TreeringCallback(project="cartpole"))

Recorded: every episode (`episode/return`, `episode/length`, ...), all that SB3's own logger gets (`train/loss`,
`rollout/ep_rew_mean`, `eval/mean_reward`, ...), the algorithm's settings, and the files that `CheckpointCallback` and
`EvalCallback` save. The step is the number of environment steps, counted on over several `learn()` calls.
"""

# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false
# The framework leaves holes in its own types.

from __future__ import annotations

import os
import tempfile
import time
from collections import deque
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from treering._framework import framework
from treering.errors import TreeringError
from treering.integrations.sb3 import describe
from treering.media import Image
from treering.training import Options, Score, Training

with framework("stable_baselines3", extra="sb3"):
    from stable_baselines3.common import logger as sb3_logger
    from stable_baselines3.common.callbacks import (
        BaseCallback,
        CallbackList,
        CheckpointCallback,
        EvalCallback,
        EventCallback,
    )

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from typing_extensions import Unpack

    from treering import Run

__all__ = ["TreeringCallback"]

EPISODES_IN_MEAN = 100
LAYOUTS = frozenset({"CHW", "HWC"})


class TreeringCallback(BaseCallback):
    """Records what a Stable-Baselines3 algorithm does while it learns.

    Alone, in a list or in a `CallbackList`, before or after the callbacks that save. One object can be passed to
    `learn()` again: the run goes on, and so does its step, also when SB3 counts from 0 again. A model that was saved
    while recorded goes on in its run after `load()` and `learn(reset_num_timesteps=False)`.

    Args:
        run: a run from `treering.init`; without it the active run is used, or one is opened when training starts.
        log_every_s: seconds between rows of losses where the algorithm trains without dumping its logger.
        verbose: as in every SB3 callback; not used.
        **options: see `treering.training.Options`.
    """

    def __init__(
        self, run: Run | None = None, *, log_every_s: float = 1.0, verbose: int = 0, **options: Unpack[Options]
    ) -> None:
        super().__init__(verbose)
        self.log_every_s = log_every_s
        self._training = Training("sb3", run, **options)
        self._writer = _Writer(self)
        self._offset = 0
        self._episodes = 0
        self._returns = self._lengths = np.zeros(0)
        self._recent: deque[float] = deque(maxlen=EPISODES_IN_MEAN)
        self._losses_at = 0.0
        self._updates = 0.0
        self._unmonitored = False
        self._savers: dict[CheckpointCallback, int] = {}
        self._judges: dict[EvalCallback, float] = {}

    @property
    def run(self) -> Run | None:
        """The run that is written to, opened if nothing was recorded before; None on ranks other than zero."""
        return self._training.run

    def _on_training_start(self) -> None:
        with self._training.guard("on_training_start"):
            self._begin()
            self._attach()
            for part, values in describe(self.model):
                self._training.configure(part, values)

    def _on_step(self) -> bool:
        with self._training.guard("on_step"):
            self._training.step = self._state["step"] = self._offset + self.model.num_timesteps
            self._count_episodes(self.locals["dones"], self.locals["rewards"], self.locals["infos"])
            self._log_losses()
            self._look_for_files()
        return True

    def _on_training_end(self) -> None:
        with self._training.guard("on_training_end"):
            self._look_for_files()
            # SB3 dumps before it trains, so the losses of the last update would never be seen.
            if self.logger.name_to_value and self._writer in self.logger.output_formats:
                self.write(self.logger.name_to_value, self.model.num_timesteps)
            if self._writer in self.logger.output_formats:
                self.logger.output_formats.remove(self._writer)
            self._training.end()

    def write(self, values: Mapping[str, object], num_timesteps: int) -> None:
        """What SB3's logger dumps, under its own names."""
        with self._training.guard("logger"):
            settings = {name: value for name, value in values.items() if isinstance(value, sb3_logger.HParam)}
            for name, value in settings.items():
                self._training.configure(name, value.hparam_dict)
            row = {name: _plain(value) for name, value in values.items() if name not in settings}
            self._training.log(row, step=self._offset + num_timesteps)
            self._updates, self._losses_at = cast("float", row.get("train/n_updates", self._updates)), time.monotonic()

    # -- private ------------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        done = self.model.num_timesteps
        before = getattr(self.model, "treering_run", None) or {}
        asked = self._training.options.get("resume") not in {None, "never"}
        if self._training.opened is not None:  # this object again: never back on the axis
            self._offset = max(self._training.step - done, self._offset if done else 0)
            before = {}
        elif before and (done or asked):
            self._offset = before["offset"] if done else before["step"]
        else:
            before = {}
        self._training.begin(step=self._offset + done, resumed=before)
        self._state = {**self._training.state(), "offset": self._offset, "step": self._offset + done}
        cast("Any", self.model).treering_run = self._state  # plain JSON; SB3 saves it with the model and loads it again
        if not done or len(self._returns) != self.model.n_envs:
            self._returns, self._lengths = np.zeros(self.model.n_envs), np.zeros(self.model.n_envs, dtype=int)

    def _attach(self) -> None:
        callbacks = list(_walk(self.locals.get("callback")))
        formats = self.logger.output_formats
        # A custom logger outlives a learn() that raised, and with it the writer of a callback that is gone.
        formats[:] = [kept for kept in formats if not isinstance(kept, _Writer) or kept.owner in callbacks]
        if self._writer not in formats:
            formats.append(self._writer)
        self._savers = {one: one.n_calls // one.save_freq for one in callbacks if isinstance(one, CheckpointCallback)}
        self._judges = {one: one.best_mean_reward for one in callbacks if isinstance(one, EvalCallback)}

    def _count_episodes(self, dones: np.ndarray, rewards: np.ndarray, infos: list[dict[str, Any]]) -> None:
        normalized = self.model.get_vec_normalize_env()
        self._returns += rewards if normalized is None else normalized.get_original_reward()
        self._lengths += 1
        for env in np.flatnonzero(dones):
            info, self._episodes = infos[env], self._episodes + 1
            counted = {"r": float(self._returns[env]), "l": int(self._lengths[env])}
            self._returns[env] = self._lengths[env] = 0
            episode = info.get("episode")
            if episode is None:
                self._tell_unmonitored()
                episode = counted
            self._recent.append(episode["r"])
            row = {
                "episode/return": episode["r"],
                "episode/length": episode["l"],
                "episode/return_mean": sum(self._recent) / len(self._recent),
                "episode/env": int(env),
                "episode/truncated": bool(info.get("TimeLimit.truncated", False)),
            }
            row |= {"episode/time": episode["t"]} if "t" in episode else {}
            row |= {"episode/is_success": bool(info["is_success"])} if "is_success" in info else {}
            self._training.log(row, step=self._training.step, episode=self._episodes)

    def _tell_unmonitored(self) -> None:
        if not self._unmonitored:
            self._unmonitored = True
            self._training.warn("the environments have no Monitor; episodes are counted from rewards, without time")

    def _log_losses(self) -> None:
        """Off-policy algorithms dump every few episodes, or never; their losses are read from the logger by time."""
        values, now = self.logger.name_to_value, time.monotonic()
        updates = values.get("train/n_updates", self._updates)
        if updates != self._updates and now - self._losses_at >= self.log_every_s:
            self._updates, self._losses_at = updates, now
            losses = {name: value for name, value in values.items() if name.startswith("train/")}
            self._training.log(losses, step=self._training.step)

    def _look_for_files(self) -> None:
        for saver, saves in self._savers.items():
            if saver.n_calls // saver.save_freq > saves:
                self._savers[saver] = saver.n_calls // saver.save_freq
                kinds = ("", ".zip"), ("vecnormalize_", ".pkl"), ("replay_buffer_", ".pkl")
                names = [f"{saver.name_prefix}_{kind}{saver.num_timesteps}_steps{end}" for kind, end in kinds]
                paths = [os.path.join(saver.save_path, name) for name in names]
                present = [path for path in paths if os.path.exists(path)]
                self._training.checkpoint(present or paths[:1], step=self._offset + saver.num_timesteps)
        for judge, best in self._judges.items():
            if judge.best_mean_reward > best:
                self._judges[judge] = judge.best_mean_reward
                if judge.best_model_save_path is not None:
                    self._keep_best(judge, os.path.join(judge.best_model_save_path, "best_model.zip"))

    def _keep_best(self, judge: EvalCallback, path: str) -> None:
        score = Score("eval/mean_reward", float(judge.best_mean_reward), mode="max", best=True)
        step = self._offset + judge.num_timesteps
        normalized = self.model.get_vec_normalize_env()
        with tempfile.TemporaryDirectory() as folder:
            paths = [path]
            if normalized is not None:  # a model is of no use without the statistics that it was trained with
                paths.append(os.path.join(folder, "vecnormalize.pkl"))
                normalized.save(paths[-1])
            self._training.checkpoint(paths, step=step, score=score, is_last=False)


class _Writer(sb3_logger.KVWriter):
    def __init__(self, owner: TreeringCallback) -> None:
        self.owner = owner

    def write(self, key_values: dict[str, Any], key_excluded: dict[str, tuple[str, ...]], step: int = 0) -> None:
        self.owner.write(key_values, step)

    def close(self) -> None: ...


def _walk(callback: BaseCallback | None) -> Iterator[BaseCallback]:
    if callback is None:
        return
    yield callback
    children: list[BaseCallback | None] = list(callback.callbacks) if isinstance(callback, CallbackList) else []
    if isinstance(callback, EventCallback):
        children = [callback.callback, getattr(callback, "callback_on_new_best", None)]
    for child in children:
        yield from _walk(child)


def _plain(value: object) -> object:
    try:
        if isinstance(value, sb3_logger.Figure):
            return Image(value.figure)
        if isinstance(value, sb3_logger.Image):
            layout = cast("Any", value.dataformats if value.dataformats in LAYOUTS else None)
            return Image(value.image, layout=layout)
    except TreeringError:  # an image that is none; the row that it is in is told of it, and goes on without
        return value
    return value
