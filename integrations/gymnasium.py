"""Gymnasium: episodes of single and vector environments, and the videos that belong to them.

    from treering.integrations.gymnasium import capture_videos, track_env

    run = treering.init(project="cartpole")
    capture_videos()
    env = track_env(RecordVideo(gymnasium.make("CartPole-v1", render_mode="rgb_array"), "videos"))

Recorded: each episode (`episode/return`, `episode/length`, `episode/time`, ...) at the number of environment steps so
far, and each video that a `RecordVideo` writes, with the `episode/id` that it shows.
"""

# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false
# The framework leaves holes in its own types.

from __future__ import annotations

import multiprocessing
import os
from typing import TYPE_CHECKING, Any, cast
from weakref import WeakKeyDictionary

import numpy as np

from treering._framework import framework
from treering.integrations._episodes import Episodes
from treering.media import Video
from treering.training import Options, Training

with framework("gymnasium", extra="gymnasium"):
    import gymnasium
    from gymnasium.vector import VectorEnv, VectorWrapper
    from gymnasium.wrappers import RecordVideo
    from gymnasium.wrappers import vector as vector_wrappers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from types import TracebackType

    from typing_extensions import Self, Unpack

    from treering import Run

    AnyVectorWrapper = VectorWrapper[Any, Any, Any, Any, Any]
else:
    AnyVectorWrapper = VectorWrapper  # older releases have no type parameters here

__all__ = ["CapturedVideos", "TrackedEnv", "TrackedVectorEnv", "capture_videos", "track_env"]

NEXT_STEP, SAME_STEP, DISABLED = "NEXT_STEP", "SAME_STEP", "DISABLED"


def track_env(
    env: Any,
    run: Run | None = None,
    *,
    index: int = 0,
    step: Callable[[], int] | None = None,
    **options: Unpack[Options],
) -> Any:
    """Record the episodes of an environment, single or vector, under any mode of resetting itself.

    The environment behaves as before; wrap it again, or step it in any loop. Episodes that are broken off by `reset`
    are not recorded. Of an environment that is tracked already nothing is tracked twice.

    Args:
        env: a `gymnasium.Env` or a `gymnasium.vector.VectorEnv`. For sub-environments that step in processes of their
            own (`AsyncVectorEnv`), wrap the vector.
        run: a run from `treering.init`; without it the run that is active when the first episode ends, or a new one.
        index: the number of a single environment among others, as `episode/env`.
        step: returns the step to record at, such as a counter of the program's own; default the environment steps
            counted here, those that only reset an environment left out.
        **options: see `treering.training.Options`; `prefix="eval"` gives `eval/episode/return`.

    Returns:
        The wrapped environment, a `TrackedEnv` or `TrackedVectorEnv`.

    Raises:
        TypeError: neither an `Env` nor a `VectorEnv`.
        UsageError: an option that cannot be taken.
    """
    if not isinstance(env, (gymnasium.Env, VectorEnv)):
        raise TypeError(
            f"track_env() got a {type(env).__name__}; it takes a gymnasium.Env or a gymnasium.vector.VectorEnv. For an "
            "environment of the old gym, wrap it with shimmy first."
        )
    if any(isinstance(layer, (TrackedEnv, TrackedVectorEnv)) for layer in _layers(env)):
        return env
    prefix = options.pop("prefix", None) or ""  # of this environment alone: others may write to the same run
    place = _Place(run, options)
    if isinstance(env, VectorEnv):
        return TrackedVectorEnv(env, _Tracker(env, place, env.num_envs, _mode(env, place), prefix, 0, step))
    return TrackedEnv(env, _Tracker(env, place, 1, DISABLED, prefix, index, step))


def capture_videos(run: Run | None = None, **options: Unpack[Options]) -> CapturedVideos:
    """Record each video that a `RecordVideo` of Gymnasium, single or vector, writes from now on.

    A video goes, as `episode/video` with its `episode/id`, into the run of the environment that is tracked under or
    over its `RecordVideo`, else into `run`, the active run, or a new one. A second call gives the first one's answer.

    Args:
        run: a run from `treering.init`.
        **options: see `treering.training.Options`.

    Returns:
        Call its `stop()`, or use it as a context manager, to let Gymnasium's classes be as they were.
    """
    global _captured
    if _captured is None:
        _captured = CapturedVideos(_Place(run, options))
    return _captured


class TrackedEnv(gymnasium.Wrapper[Any, Any, Any, Any]):
    """A single environment whose episodes are recorded; `track_env` makes it."""

    def __init__(self, env: gymnasium.Env[Any, Any], tracker: _Tracker) -> None:
        super().__init__(env)
        self._tracker = tracker

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin an episode."""
        given = self.env.reset(seed=seed, options=options)
        self._tracker.reset(None)
        return given

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Step, and record the episode if it ends."""
        given = self.env.step(action)
        _, reward, terminated, truncated, info = given
        self._tracker.step([reward], np.array([terminated]), np.array([truncated]), info)
        return given

    def close(self) -> None:
        """Close the environment, and end a run that was opened for it."""
        super().close()
        self._tracker.close()


class TrackedVectorEnv(AnyVectorWrapper):
    """A vector of environments whose episodes are recorded; `track_env` makes it."""

    def __init__(self, env: VectorEnv[Any, Any, Any], tracker: _Tracker) -> None:
        super().__init__(env)
        self._tracker = tracker

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin episodes, of all environments or those of `options["reset_mask"]`."""
        mask = None if options is None else options.get("reset_mask")  # the environment takes it out of the dict
        given = self.env.reset(seed=cast("Any", seed), options=options)
        self._tracker.reset(mask)
        return given

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Step, and record the episodes that end."""
        given = self.env.step(actions)
        _, rewards, terminations, truncations, infos = given
        self._tracker.step(rewards, terminations, truncations, infos)
        return given

    def close(self, **kwargs: Any) -> None:
        """Close the environments, and end a run that was opened for them."""
        super().close(**kwargs)
        self._tracker.close()


class CapturedVideos:
    """That videos are captured; `capture_videos` makes it."""

    def __init__(self, place: _Place) -> None:
        self._place = place
        self._begun: WeakKeyDictionary[Any, int] = WeakKeyDictionary()
        self._originals: list[tuple[Any, str, Any]] = []
        for recorder in (RecordVideo, getattr(vector_wrappers, "RecordVideo", None)):
            if recorder is not None:
                self._wrap(recorder)

    def _wrap(self, recorder: Any) -> None:
        begin, end = recorder.start_recording, recorder.stop_recording

        def start_recording(this: Any, video_name: str) -> None:
            begin(this, video_name)
            self._begun[this] = this.episode_id

        def stop_recording(this: Any) -> None:
            # Both are cleared by the call.
            name, frames = this._video_name, len(this.recorded_frames)
            end(this)
            if name is not None and frames:
                self._record(this, os.path.join(this.video_folder, f"{name}.mp4"), frames)

        self._originals += [(recorder, "start_recording", begin), (recorder, "stop_recording", end)]
        recorder.start_recording, recorder.stop_recording = start_recording, stop_recording

    def _record(self, recorder: Any, path: str, frames: int) -> None:
        tracker = _trackers.get(recorder.unwrapped)
        place, prefix, env = (self._place, "", 0) if tracker is None else (tracker.place, tracker.prefix, tracker.index)
        with place.training.guard("video"):
            training = place.find()
            if training is None:
                return
            video = Video(path, fps=float(recorder.frames_per_sec))
            video.frames = frames
            step = recorder.step_id + 1 if tracker is None else tracker.now
            # The recorder has counted on by now: the video shows the episode that it began with.
            row = {"episode/video": video, "episode/id": self._begun.get(recorder, recorder.episode_id)}
            training.log(_prefixed({**row, "episode/env": env}, prefix), step=step)

    def stop(self) -> None:
        """Give Gymnasium's classes their own methods back."""
        global _captured
        for recorder, name, original in self._originals:
            setattr(recorder, name, original)
        if self._originals:
            self._originals, _captured = [], None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


_captured: CapturedVideos | None = None


class _Place:
    """Where to record: the run given, else the one that is active, else a new one.

    An environment is part of a training: it joins, unlike a callback, also the run that a callback opened.
    """

    def __init__(self, run: Run | None, options: Options) -> None:
        self._options = options
        self._given = run is not None or bool(options.get("id"))
        self._ours = False
        self._refused = False
        self.training = Training("gymnasium", run, **options)

    def find(self) -> Training | None:
        """Return the training to record with, None for nothing."""
        import treering

        opened, active = self.training.opened, treering.run
        if self._given or (opened is not None and (active is None or not opened.ended)):
            return self.training
        if active is not None:
            self.training, self._ours = Training("gymnasium", active), False
            return self.training
        if multiprocessing.parent_process() is not None:
            if not self._refused:
                self._refused = True
                self.training.warn(
                    "this environment steps in a process of its own, where no run is active; nothing is recorded. "
                    "Wrap the vector environment with track_env() in the process that trains"
                )
            return None
        self._ours = True
        return self.training

    def begin(self, step: int) -> None:
        if self._ours:
            self.training.begin(step=step)

    def end(self) -> None:
        if self._ours:
            self.training.end()


class _Tracker:
    """Follows the episodes of one environment."""

    def __init__(
        self,
        env: Any,
        place: _Place,
        environments: int,
        mode: str,
        prefix: str,
        index: int,
        step: Callable[[], int] | None,
    ) -> None:
        self.place, self.prefix, self.index = place, prefix.rstrip("/"), index
        self._env, self._mode, self._step = env, mode, step
        self._episodes = Episodes(environments)
        self._ids = np.full(environments, -1)
        self._over = np.zeros(environments, dtype=np.bool_)
        self._steps = self._offset = 0
        self._introduced: Training | None = None
        _trackers[env.unwrapped] = self

    @property
    def now(self) -> int:
        """The step to record at."""
        return self._offset + self._steps if self._step is None else int(self._step())

    def reset(self, mask: object) -> None:
        with self.place.training.guard("reset"):
            which = slice(None) if mask is None else np.array(mask, dtype=np.bool_)
            self._begin(which)

    def _begin(self, which: Any) -> None:
        self._episodes.restart(which)
        self._ids[which] += 1
        self._over[which] = False

    def step(self, rewards: Any, terminations: Any, truncations: Any, infos: Mapping[str, Any]) -> None:
        with self.place.training.guard("step"):
            terminated, truncated = np.asarray(terminations, np.bool_), np.asarray(truncations, np.bool_)
            ends = terminated | truncated
            resetting = np.count_nonzero(self._over)  # of all ways to ask an array, the quickest
            if resetting:  # NEXT_STEP: this step has only reset them
                counted = ~self._over
                ends &= counted
                self._begin(~counted)
                self._episodes.add(rewards, counted)
            else:
                self._episodes.add(rewards)
            self._steps += len(ends) - resetting
            if np.count_nonzero(ends):
                for env in np.flatnonzero(ends):
                    self._ended(int(env), bool(terminated[env]), bool(truncated[env]), infos)

    def _ended(self, env: int, terminated: bool, truncated: bool, infos: Mapping[str, Any]) -> None:
        self._record(env, terminated, truncated, infos)
        if self._mode == SAME_STEP:
            self._ids[env] += 1
        elif self._mode == NEXT_STEP:
            self._over[env] = True

    def _record(self, env: int, terminated: bool, truncated: bool, infos: Mapping[str, Any]) -> None:
        self._ids[env] = max(self._ids[env], 0)  # -1: wrapped in the middle of its first episode
        success = _success(infos, env, self._mode, alone=self._episodes.environments == 1)
        row = self._episodes.row(
            self._episodes.end(env), self.index + env, truncated=truncated, terminated=terminated, success=success
        )
        training = self.place.find()
        if training is None:
            return
        if training is not self._introduced:
            self._introduced = training
            self._introduce(training)
        row["episode/id"] = int(self._ids[env])
        training.log(_prefixed(row, self.prefix), step=self.now, episode=self._episodes.ended)

    def _introduce(self, training: Training) -> None:
        run = training.run
        if run is not None and run.attempt > 1 and run.step > 0:
            self._offset = run.step - 1  # a run that is resumed counts on
        self.place.begin(self.now)
        training.configure("version", gymnasium.__version__)
        training.configure(f"{self.prefix}_env" if self.prefix else "env", _described(self._env, self._mode))

    def close(self) -> None:
        with self.place.training.guard("close"):
            self.place.end()


_trackers: WeakKeyDictionary[Any, _Tracker] = WeakKeyDictionary()


def _layers(env: Any) -> Iterator[Any]:
    while env is not None:
        yield env
        # Not getattr: wrappers pass it on, and the innermost environment may have an `env` of its own meaning.
        env = vars(env).get("env") if isinstance(env, (gymnasium.Wrapper, VectorWrapper)) else None


def _mode(env: VectorEnv[Any, Any, Any], place: _Place) -> str:
    mode = env.metadata.get("autoreset_mode")
    if mode is None:
        place.training.warn(
            f"{env} does not say in its metadata when it resets environments that are done; taken for the step after "
            "that (autoreset_mode NEXT_STEP)"
        )
        return NEXT_STEP
    name = str(getattr(mode, "name", mode))
    return {"NextStep": NEXT_STEP, "SameStep": SAME_STEP, "Disabled": DISABLED}.get(name, name)


def _described(env: Any, mode: str) -> dict[str, object]:
    facts: dict[str, object] = {
        "observation_space": str(getattr(env, "single_observation_space", env.observation_space)),
        "action_space": str(getattr(env, "single_action_space", env.action_space)),
        "wrappers": [type(layer).__name__ for layer in _layers(env)],
        "render_mode": env.render_mode,
    }
    if isinstance(env, VectorEnv):
        facts |= {"num_envs": env.num_envs, "autoreset_mode": mode}
    spec = getattr(env, "spec", None) or next(iter(getattr(env.unwrapped, "envs", [])), env).spec
    if spec is not None:
        facts |= {"id": spec.id, "kwargs": dict(spec.kwargs), "max_episode_steps": spec.max_episode_steps}
    return facts


def _success(infos: Mapping[str, Any], env: int, mode: str, *, alone: bool) -> object:
    """What an environment says of its success in the step that ended its episode; None where it says nothing."""
    if mode == SAME_STEP:
        infos = infos.get("final_info") or {}
    value = infos.get("is_success")
    if value is None:
        return None
    if np.ndim(value) == 0:
        return bool(value) if alone else None
    mask = infos.get("_is_success")
    return bool(value[env]) if mask is None or mask[env] else None


def _prefixed(row: Mapping[str, object], prefix: str) -> dict[str, object]:
    return {f"{prefix}/{name}": value for name, value in row.items()} if prefix else dict(row)
