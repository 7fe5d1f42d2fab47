"""Gymnasium: every episode under every mode of resetting, and videos that know their episode."""

from __future__ import annotations

import multiprocessing
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

gymnasium = pytest.importorskip("gymnasium")

from gymnasium.vector import AutoresetMode
from gymnasium.wrappers import vector as vector_wrappers

import treering
from treering.api import Api, ApiRun
from treering.errors import TreeringWarning, UsageError
from treering.integrations import gymnasium as integration
from treering.integrations.gymnasium import capture_videos, track_env

OneRun = Callable[[], ApiRun]
Runs = Callable[[], list[ApiRun]]
Seen = tuple[float, int, bool]

MODES = list(AutoresetMode)
VectorRecordVideo: Any = getattr(vector_wrappers, "RecordVideo", None)  # not in the oldest releases


class Walk(gymnasium.Env[Any, Any]):
    """Ends after `lengths[i]` steps in its i-th episode, on its own where `i` is even, else cut off."""

    metadata: ClassVar[dict[str, Any]] = {"render_modes": ["rgb_array"], "render_fps": 10}

    def __init__(self, lengths: list[int], rewards: float | list[float] = 1.0) -> None:
        self.observation_space = gymnasium.spaces.Box(-1, 1, (2,))
        self.action_space = gymnasium.spaces.Discrete(2)
        self.render_mode = "rgb_array"
        self.lengths, self.rewards = lengths, rewards
        self.episode, self.at, self.total_steps = -1, 0, 0
        self.returned, self.seen = 0.0, list[Seen]()

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        super().reset(seed=seed)
        self.episode, self.at, self.returned = self.episode + 1, 0, 0.0
        return np.zeros(2, np.float32), {}

    def step(self, action: Any) -> Any:
        self.at, self.total_steps = self.at + 1, self.total_steps + 1
        reward: Any = self.rewards if isinstance(self.rewards, list) else self.rewards * self.total_steps
        over = self.at == self.lengths[self.episode % len(self.lengths)]
        terminated = over and self.episode % 2 == 0
        self.returned += 0.0 if isinstance(reward, list) else reward
        if over:
            self.seen.append((self.returned, self.at, not terminated))
        return np.zeros(2, np.float32), reward, terminated, over and not terminated, {"is_success": terminated}

    def render(self) -> Any:
        return np.full((16, 16, 3), min(255, 25 * self.at), np.uint8)


def episodes_of(run: ApiRun, prefix: str = "") -> list[Seen]:
    columns = [run.history(f"{prefix}episode/{name}").values.tolist() for name in ("return", "length", "truncated")]
    return list(zip(*columns, strict=True))


def play(env: Any, episodes: int) -> None:
    """Step a single environment through whole episodes."""
    for _ in range(episodes):
        env.reset()
        over = False
        while not over:
            _, _, terminated, truncated, _ = env.step(0)
            over = terminated or truncated


@pytest.fixture
def videos(tmp_path: Path) -> Iterator[Path]:
    """Videos are captured; the folder for them, not made yet."""
    pytest.importorskip("moviepy")
    with warnings.catch_warnings():
        # What old versions of MoviePy do in today's Python.
        warnings.filterwarnings("ignore", category=SyntaxWarning)
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        import moviepy  # noqa: F401
        from moviepy.video.io.ImageSequenceClip import ImageSequenceClip  # noqa: F401
    with capture_videos():
        yield tmp_path / "videos"


# -- episodes ---------------------------------------------------------------------------------------------------------

WRAPPINGS = ["plain", "statistics around", "statistics inside"]


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name)
@pytest.mark.parametrize("wrapping", WRAPPINGS)
def test_episodes_equal_an_independent_count(mode: AutoresetMode, wrapping: str, only_run: OneRun) -> None:
    walks = [Walk([3, 1, 9]), Walk([2, 5]), Walk([1])]
    inner: list[Any] = list(walks)
    if wrapping == "statistics inside":
        inner = [gymnasium.wrappers.RecordEpisodeStatistics(walk) for walk in walks]
    vector: Any = gymnasium.vector.SyncVectorEnv([lambda one=one: one for one in inner], autoreset_mode=mode)
    if wrapping == "statistics around":
        vector = vector_wrappers.RecordEpisodeStatistics(vector)
    env = track_env(vector)
    steps_at_end: list[list[int]] = [[], [], []]
    env.reset(seed=0)
    for _ in range(30):
        before = [len(walk.seen) for walk in walks]
        _, _, terminated, truncated, _ = env.step(np.zeros(3, int))
        for index, walk in enumerate(walks):
            steps_at_end[index] += [sum(one.total_steps for one in walks)] * (len(walk.seen) - before[index])
        over = terminated | truncated
        if mode == AutoresetMode.DISABLED and over.any():
            env.reset(options={"reset_mask": over})
    env.close()
    run = only_run()
    where, returns = run.history("episode/env").values, run.history("episode/return")
    ids, ends = run.history("episode/id").values, run.history("episode/terminated").values
    found = episodes_of(run)
    for index, walk in enumerate(walks):
        assert len(walk.seen) > 4
        mine = np.flatnonzero(where == index)
        assert [found[at] for at in mine] == walk.seen
        assert returns.x[mine].tolist() == steps_at_end[index]
        assert ids[mine].tolist() == list(range(len(walk.seen)))
        assert ends[mine].tolist() == [not truncated for _, _, truncated in walk.seen]
    assert run.history("episode").values.tolist() == list(range(1, len(found) + 1))
    assert run.history("episode/is_success").values.tolist() == ends.tolist()
    assert run.config["gymnasium"]["env"]["autoreset_mode"] == mode.name


def test_a_single_environment(only_run: OneRun) -> None:
    walk = Walk([4, 2, 5])
    env = track_env(walk)
    play(env, 3)
    env.reset()
    env.step(0)
    play(env, 1)  # breaks off what was begun
    env.close()
    run = only_run()
    assert episodes_of(run) == walk.seen
    assert run.history("episode/return").x.tolist() == [4, 6, 11, 12 + walk.seen[-1][1]]
    assert run.history("episode/id").values.tolist() == [0, 1, 2, 4]
    assert run.history("episode/truncated").values.tolist() == [False, True, False, False]
    assert all(seconds >= 0 for seconds in run.history("episode/time").values)
    assert run.history("episode/return_mean").values[-1] == pytest.approx(np.mean([one[0] for one in walk.seen]))
    assert run.state == "finished"


def test_a_time_limit_is_a_truncation(only_run: OneRun) -> None:
    env = track_env(gymnasium.make("CartPole-v1", max_episode_steps=5))
    play(env, 2)
    run = only_run()
    assert run.history("episode/truncated").values.tolist() == [True, True]
    assert run.history("episode/terminated").values.tolist() == [False, False]
    settings = run.config["gymnasium"]["env"]
    assert (settings["id"], settings["max_episode_steps"]) == ("CartPole-v1", 5)
    assert settings["wrappers"][0].endswith("TimeLimit")  # RL-Zoo puts one of its own in its place


def test_environments_that_are_a_vector_by_nature(only_run: OneRun) -> None:
    vector = gymnasium.make_vec("CartPole-v1", num_envs=3, vectorization_mode="vector_entry_point")
    env = track_env(vector)
    env.reset(seed=0)
    expected: list[tuple[int, float]] = []
    returns, resetting = np.zeros(3), np.zeros(3, bool)
    for _ in range(100):
        _, rewards, terminated, truncated, _ = env.step(np.ones(3, int))
        returns = np.where(resetting, 0.0, returns + rewards)
        resetting = terminated | truncated
        expected += [(int(index), float(returns[index])) for index in np.flatnonzero(resetting)]
    run = only_run()
    found = zip(run.history("episode/env").values.tolist(), run.history("episode/return").values.tolist(), strict=True)
    assert list(found) == expected
    assert len(expected) > 20


def test_environments_in_other_processes(only_run: OneRun) -> None:
    env = track_env(gymnasium.vector.AsyncVectorEnv([lambda: Walk([2]), lambda: Walk([3])]))
    env.reset()
    for _ in range(12):
        env.step(np.zeros(2, int))
    env.close()
    run = only_run()
    pairs = zip(run.history("episode/env").values.tolist(), run.history("episode/length").values.tolist(), strict=True)
    assert sorted(pairs) == [(0, 2)] * 4 + [(1, 3)] * 3


def test_a_vector_that_does_not_say_how_it_resets(only_run: OneRun) -> None:
    vector = gymnasium.vector.SyncVectorEnv([lambda: Walk([2])])
    del vector.metadata["autoreset_mode"]
    with pytest.warns(TreeringWarning, match="NEXT_STEP"):
        env = track_env(vector)
    env.reset()
    for _ in range(6):
        env.step(np.zeros(1, int))
    assert only_run().history("episode/length").values.tolist() == [2, 2]


def test_what_is_wrapped_stays_what_it_was() -> None:
    walk = Walk([2])
    env = track_env(walk)
    assert env.metadata is walk.metadata
    assert (env.observation_space, env.render_mode, env.unwrapped) == (walk.observation_space, "rgb_array", walk)
    around = gymnasium.wrappers.TimeLimit(env, 3)
    assert track_env(env) is env
    assert track_env(around) is around
    vector = gymnasium.vector.SyncVectorEnv([lambda: Walk([2])])
    assert track_env(vector).metadata == vector.metadata
    with pytest.raises(TypeError, match=r"got a str; it takes a gymnasium\.Env"):
        track_env("CartPole-v1")
    with pytest.raises(UsageError, match="unknown option"):
        track_env(walk, colour="red")  # type: ignore[call-arg]  # the misuse that is tested


def test_rewards_that_are_no_numbers(only_run: OneRun) -> None:
    play(track_env(Walk([2], float("nan"))), 2)
    run = only_run()
    assert np.isnan(run.history("episode/return").values).all()
    (event,) = [event for event in run.events() if event.fields.get("series") == "episode/return"]
    assert event.kind == "non_finite"


def test_several_rewards_at_once(only_run: OneRun) -> None:
    play(track_env(Walk([2, 3], [1.0, -2.0])), 2)
    run = only_run()
    assert run.history("episode/return/0").values.tolist() == [2, 3]
    assert run.history("episode/return/1").values.tolist() == [-4, -6]
    assert "episode/return" not in run.metrics


def test_rewards_are_copied_and_long_episodes_added_up(only_run: OneRun) -> None:
    class Reused(Walk):
        buffer = np.zeros(2)

        def step(self, action: Any) -> Any:
            observation, _, terminated, truncated, info = super().step(action)
            self.buffer[:] = (1.0, self.at)
            return observation, self.buffer, terminated, truncated, info

    play(track_env(Reused([1000, 700])), 2)
    run = only_run()
    assert run.history("episode/return/0").values.tolist() == [1000, 700]
    assert run.history("episode/return/1").values.tolist() == [1000 * 1001 / 2, 700 * 701 / 2]
    assert run.history("episode/length").values.tolist() == [1000, 700]


def test_a_reward_that_is_no_number_is_told_of_once(monkeypatch: pytest.MonkeyPatch, only_run: OneRun) -> None:
    monkeypatch.delenv("TREERING_DEBUG")

    class Broken(Walk):
        def step(self, action: Any) -> Any:
            observation, _, terminated, truncated, info = super().step(action)
            return observation, "high", terminated, truncated, info

    with treering.init(), pytest.warns(TreeringWarning, match="step: ValueError") as warned:
        play(track_env(Broken([300])), 3)
    assert len(warned) == 1
    assert only_run().state == "finished"


# -- the run ----------------------------------------------------------------------------------------------------------


def test_nothing_is_opened_before_an_episode_has_ended(store_dir: Path) -> None:
    env = track_env(Walk([3]), project="p")
    env.reset()
    env.step(0)
    assert treering.run is None
    assert not store_dir.exists()


def test_a_run_of_its_own_is_ended_and_goes_on(only_run: OneRun) -> None:
    env, evaluation = track_env(Walk([3]), project="p", name="n"), track_env(Walk([2]), prefix="eval", index=5)
    play(env, 1)
    play(evaluation, 2)
    env.close()
    assert treering.run is not None
    assert treering.run.state == "finished"
    play(env, 1)
    env.close()
    env.close()
    run = only_run()
    assert (run.project, run.name, run.state) == ("p", "n", "finished")
    assert episodes_of(run, "eval/") == [(3.0, 2, False), (7.0, 2, True)]
    assert run.history("eval/episode/env").values.tolist() == [5, 5]
    assert run.history("episode/length").x.tolist() == [3, 6]
    assert set(run.config["gymnasium"]) == {"version", "env", "eval_env"}


def test_the_active_run_is_joined_and_left_open(only_run: OneRun) -> None:
    counter = [0]
    with treering.init() as run:
        env = track_env(Walk([3]), step=lambda: counter[0])
        for steps in (100, 200):
            counter[0] = steps
            play(env, 1)
        env.close()
        assert run.state == "running"
    assert only_run().history("episode/return").x.tolist() == [100, 200]


def test_a_run_can_be_given(recorded: Runs) -> None:
    given = treering.init(name="given")
    treering.init(name="active")
    play(track_env(Walk([3]), given), 1)
    runs = {run.name: run for run in recorded()}
    assert runs["given"].history("episode/return").rows == 1
    assert runs["given"].config["gymnasium"]["env"]["wrappers"] == ["Walk"]
    assert not runs["active"].metrics


def test_the_next_run_gets_the_next_episodes(recorded: Runs) -> None:
    env = track_env(Walk([3]))
    for name in ("first", "second"):
        with treering.init(name=name):
            play(env, 1)
    assert [(run.name, run.history("episode/id").values.tolist()) for run in recorded()] == [
        ("first", [0]),
        ("second", [1]),
    ]


def test_a_resumed_run_counts_on(only_run: OneRun) -> None:
    for _ in range(2):
        with treering.init(id="walk", resume="allow"):
            play(track_env(Walk([3])), 2)
    assert only_run().history("episode/return").x.tolist() == [3, 6, 9, 12]


def test_a_hook_that_fails_never_stops_the_environment(monkeypatch: pytest.MonkeyPatch, only_run: OneRun) -> None:
    monkeypatch.delenv("TREERING_DEBUG")

    def broken(*_arguments: object, **_options: object) -> None:
        raise RuntimeError("a bug of ours")

    monkeypatch.setattr(integration, "_success", broken)
    with treering.init():
        env = track_env(Walk([1]))
        with pytest.warns(TreeringWarning, match="a bug of ours") as warned:
            play(env, 5)
    assert len(warned) == 1
    assert only_run().state == "finished"


def step_somewhere_else(queue: Any) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        play(track_env(Walk([1])), 2)
    queue.put([str(one.message) for one in caught if issubclass(one.category, TreeringWarning)])


def test_no_run_is_opened_in_a_process_of_an_environment(store_dir: Path) -> None:
    context: Any = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=step_somewhere_else, args=(queue,))
    child.start()
    (warned,) = queue.get(timeout=60)
    child.join()
    assert "Wrap the vector environment" in warned
    assert not store_dir.exists() or not list(Api(store_dir).runs())


# -- videos -----------------------------------------------------------------------------------------------------------


def every_second(episode: int) -> bool:
    return episode % 2 == 0


@pytest.mark.parametrize("tracked", ["inside", "outside", "not"])
def test_videos_are_tied_to_their_episodes(tracked: str, videos: Path, only_run: OneRun) -> None:
    env: Any = Walk([4, 2, 3])
    env = track_env(env) if tracked == "inside" else env
    env = gymnasium.wrappers.RecordVideo(env, str(videos), episode_trigger=every_second)
    env = track_env(env) if tracked == "outside" else env
    play(env, 3)
    assert treering.run is not None
    treering.run.flush()
    read = Api(treering.run.store_dir).run(treering.run.id)
    assert len(read.media("episode/video")) == 1  # the last one is written when the environment is closed
    env.close()
    env.close()
    run = only_run()
    shown = run.media("episode/video")
    assert [step for step, _ in shown] == [4, 9]
    assert [video.to_bytes() for _, video in shown] == [
        (videos / f"rl-video-episode-{episode}.mp4").read_bytes() for episode in (0, 2)
    ]
    assert {(video.format, video.fps) for _, video in shown} == {("mp4", 10.0)}
    assert [video.frames for _, video in shown] == [5, 4]
    rows = run.history("episode/video").row_numbers
    ids = dict(zip(run.history("episode/id").row_numbers, run.history("episode/id").values, strict=True))
    assert [ids[row] for row in rows] == [0, 2]


if VectorRecordVideo is not None:

    @pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name)
    @pytest.mark.filterwarnings("ignore:.*same-step:UserWarning")
    def test_videos_of_a_vector(mode: AutoresetMode, videos: Path, only_run: OneRun) -> None:
        vector = gymnasium.vector.SyncVectorEnv([lambda: Walk([4, 2, 3]), lambda: Walk([2])], autoreset_mode=mode)
        env = track_env(VectorRecordVideo(vector, str(videos), episode_trigger=every_second))
        env.reset()
        for _ in range(12 if mode == AutoresetMode.NEXT_STEP else 10):
            _, _, terminated, truncated, _ = env.step(np.zeros(2, int))
            over = terminated | truncated
            if mode == AutoresetMode.DISABLED and over.any():
                env.reset(options={"reset_mask": over})
        env.close()
        run = only_run()
        rows = run.history("episode/video").row_numbers
        ids = dict(zip(run.history("episode/id").row_numbers, run.history("episode/id").values, strict=True))
        assert [ids[row] for row in rows] == [0, 2]
        assert [video.to_bytes() for _, video in run.media("episode/video")] == [
            (videos / f"rl-video-episode-{episode}.mp4").read_bytes() for episode in (0, 2)
        ]


def test_a_video_of_no_frames_is_none(videos: Path, store_dir: Path) -> None:
    env = gymnasium.wrappers.RecordVideo(Walk([4]), str(videos), episode_trigger=every_second)
    env.start_recording("empty")
    with pytest.warns(UserWarning, match="zero frames"):
        env.close()
    assert not store_dir.exists()


def test_capturing_twice_and_stopping() -> None:
    classes = [one for one in (gymnasium.wrappers.RecordVideo, VectorRecordVideo) if one is not None]
    before = [(one.start_recording, one.stop_recording) for one in classes]
    first = capture_videos()
    try:
        assert capture_videos() is first
        assert [(one.start_recording, one.stop_recording) for one in classes] != before
    finally:
        first.stop()
    assert [(one.start_recording, one.stop_recording) for one in classes] == before
    first.stop()
    with capture_videos() as second:
        assert second is not first
    assert [(one.start_recording, one.stop_recording) for one in classes] == before
