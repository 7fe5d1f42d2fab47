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

import time
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from treering._framework import framework
from treering.integrations._episodes import Episode, Episodes
from treering.integrations.sb3 import SavedFiles, callbacks_in, describe, is_monitored, plain
from treering.resuming import newest_checkpoint
from treering.training import Options, Training

with framework("stable_baselines3", extra="sb3"):
    from stable_baselines3.common import logger as sb3_logger
    from stable_baselines3.common.callbacks import BaseCallback

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from typing_extensions import Unpack

    from treering import Run

__all__ = ["TreeringCallback"]


class TreeringCallback(BaseCallback):
    """Records what a Stable-Baselines3 algorithm does while it learns.

    Alone, in a list or in a `CallbackList`, before or after the callbacks that save. One object can be passed to
    `learn()` again: the run goes on, and so does its step, also when SB3 counts from 0 again. A model that was saved
    while recorded goes on in its run after `load()` and `learn(reset_num_timesteps=False)`.

    Args:
        run: a run from `treering.init`; without it the active run is used, or one is opened when training starts.
        log_every_s: seconds between rows of losses where the algorithm trains without dumping its logger.
        save_every: environment steps between two checkpoints that this callback makes itself: model, statistics of
            `VecNormalize` and, if wanted, replay buffer, in one version. The last one is made at the end.
        save_replay_buffer: whether these checkpoints have the replay buffer with them.
        take_final: take at exit what the program saved after the training (RL-Zoo: model, replay buffer, statistics),
            in the folder that `EvalCallback`, `CheckpointCallback` or `Monitor` write to.
        verbose: as in every SB3 callback; not used.
        **options: see `treering.training.Options`.
    """

    def __init__(
        self,
        run: Run | None = None,
        *,
        log_every_s: float = 1.0,
        save_every: int | None = None,
        save_replay_buffer: bool = False,
        take_final: bool = False,
        verbose: int = 0,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(verbose)
        self.log_every_s = log_every_s
        self._training = Training("sb3", run, **options)
        self._files = SavedFiles(
            self._training, save_every, save_replay_buffer=save_replay_buffer, take_final=take_final
        )
        self._writer = _Writer(self)
        self._offset = 0
        self._episodes = Episodes(0)
        self._losses_at = 0.0
        self._updates = 0.0
        self._monitored = self._unmonitored = False

    @property
    def run(self) -> Run | None:
        """The run that is written to, opened if nothing was recorded before; None on ranks other than zero."""
        return self._training.run

    @property
    def checkpoint(self) -> Path | None:
        """With `resume="auto"`, the model's zip to load and go on from; what was saved with it lies beside it.

        None where there is nothing yet.
        """
        found = newest_checkpoint(self._training)
        files = () if found is None else (found.path, *found.path.glob("*.zip"))
        return next((path for path in files if path.is_file()), None)

    def _on_training_start(self) -> None:
        with self._training.guard("on_training_start"):
            self._begin()
            callbacks = list(callbacks_in(self.locals.get("callback")))
            self._normalized, self._monitored = self.model.get_vec_normalize_env(), is_monitored(self.model)
            self._attach(callbacks)
            self._files.attach(self.model, callbacks, self._offset)
            for part, values in describe(self.model):
                self._training.configure(part, values)
            # All updates of a rollout share its last step.
            self._training.watch(self.model.policy, step=lambda: self._training.step)

    def _on_step(self) -> bool:
        # A guard, less the calls that it takes, for this comes with each step of the environment.
        began_s, training = time.perf_counter(), self._training
        try:
            training.step = self._state["step"] = self._offset + self.num_timesteps
            dones, normalized = self.locals["dones"], self._normalized
            if not self._monitored:
                self._episodes.add(self.locals["rewards"] if normalized is None else normalized.get_original_reward())
            if np.count_nonzero(dones):  # the quickest way to ask
                self._end_episodes(dones, self.locals["infos"])
            if self.model.logger.name_to_value.get("train/n_updates", self._updates) != self._updates:
                self._log_losses()
            if self._files.are_expected:
                self._files.look()
        except Exception as error:
            if not training.swallow("on_step", error):
                raise
        training.spent_s += time.perf_counter() - began_s
        return not (training.in_sweep and training.should_stop)

    def _on_training_end(self) -> None:
        with self._training.guard("on_training_end"):
            self._files.end()
            # SB3 dumps before it trains, so the losses of the last update would never be seen.
            if self.logger.name_to_value and self._writer in self.logger.output_formats:
                self.write(self.logger.name_to_value, self.model.num_timesteps)
            if self._writer in self.logger.output_formats:
                self.logger.output_formats.remove(self._writer)
                self._tell_stopped()
            self._training.end()

    def write(self, values: Mapping[str, object], num_timesteps: int) -> None:
        """What SB3's logger dumps, under its own names."""
        with self._training.guard("logger"):
            row: dict[str, object] = {}
            for name, value in values.items():
                if type(value) in {float, int}:
                    row[name] = value
                elif isinstance(value, sb3_logger.HParam):
                    self._training.configure(name, value.hparam_dict)
                else:
                    row[name] = plain(value)
            self._training.log(row, step=self._offset + num_timesteps)
            self._updates, self._losses_at = cast("float", row.get("train/n_updates", self._updates)), time.monotonic()

    # -- private ------------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        done = self.model.num_timesteps
        before = getattr(self.model, "treering_run", None) or {}
        asked = self._training.options.get("resume") not in {None, "never"}
        if self._training.opened is not None and self._training.step:  # this object again: never back on the axis
            self._offset = max(self._training.step - done, self._offset if done else 0)
            before = {}
        elif before and (done or asked):
            self._offset = before["offset"] if done else before["step"]
        else:
            before = {}
        self._training.begin(step=self._offset + done, resumed=before)
        ended = self._episodes.ended or before.get("episodes", 0)
        if self._episodes.environments != self.model.n_envs:
            self._episodes = Episodes(self.model.n_envs)
        elif not done:
            self._episodes.restart()
        self._episodes.ended = ended
        self._state = {**self._training.state(), "offset": self._offset, "step": self._offset + done, "episodes": ended}
        cast("Any", self.model).treering_run = self._state  # plain JSON; SB3 saves it with the model and loads it again

    def _attach(self, callbacks: list[BaseCallback]) -> None:
        formats = self.logger.output_formats
        # A custom logger outlives a learn() that raised, and with it the writer of a callback that is gone.
        formats[:] = [kept for kept in formats if not isinstance(kept, _Writer) or kept.owner in callbacks]
        if self._writer not in formats:
            formats.append(self._writer)

    def _end_episodes(self, dones: np.ndarray, infos: list[dict[str, Any]]) -> None:
        for env in map(int, dones.nonzero()[0]):
            info = infos[env]
            seen = info.get("episode")
            if seen is None and self._monitored:
                continue  # a wrapper around Monitor starts anew within an episode, at each life lost for example
            episode = self._episodes.end(env)
            if seen is None:
                self._tell_unmonitored()
            else:  # Monitor's time is the one since it was made
                episode = Episode(seen["r"], seen["l"], episode.time_s)
            row = self._episodes.row(
                episode, env, truncated=info.get("TimeLimit.truncated", False), success=info.get("is_success")
            )
            self._state["episodes"] = self._episodes.ended
            self._training.log(row, step=self._training.step, episode=self._episodes.ended)

    def _tell_unmonitored(self) -> None:
        if not self._unmonitored:
            self._unmonitored = True
            self._training.warn("the environments have no Monitor; episodes are counted from rewards and ends")

    def _tell_stopped(self) -> None:
        """A callback returned False, or RL-Zoo swallowed a Ctrl-C: nothing else tells of it."""
        run, wanted = self._training.run, self.locals.get("total_timesteps")
        if run is not None and wanted is not None and self.model.num_timesteps < wanted:
            step, last = self._training.step, self._offset + wanted
            run.log_event("stopped_early", f"stopped at step {step} of {last}", step=step, wanted=last)

    def _log_losses(self) -> None:
        """Off-policy algorithms dump every few episodes, or never; their losses are read from the logger by time."""
        values, now = self.logger.name_to_value, time.monotonic()
        updates = values.get("train/n_updates", self._updates)
        if updates != self._updates and now - self._losses_at >= self.log_every_s:
            self._updates, self._losses_at = updates, now
            losses = {name: value for name, value in values.items() if name.startswith("train/")}
            self._training.log(losses, step=self._training.step)


class _Writer(sb3_logger.KVWriter):
    def __init__(self, owner: TreeringCallback) -> None:
        self.owner = owner

    def write(self, key_values: dict[str, Any], key_excluded: dict[str, tuple[str, ...]], step: int = 0) -> None:
        self.owner.write(key_values, step)

    def close(self) -> None: ...
