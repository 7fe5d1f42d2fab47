"""Ray Tune and Train: each trial is a run, through failures, restarts and interrupts."""

from __future__ import annotations

import json
import math
import os
import pickle
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("RAY_raylet_start_wait_time_s", "180")
os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")
os.environ.setdefault("RAY_TRAIN_V2_ENABLED", "1")
ray = pytest.importorskip("ray")

from ray import tune

import treering
from treering.api import Api, ApiRun
from treering.callbacks.ray import TrainCallback, TreeringCallback
from treering.errors import TreeringWarning, UsageError
from treering.training import Training

Runs = Callable[[], list[ApiRun]]

pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::UserWarning:ray"),
    pytest.mark.filterwarnings("ignore::ray.util.annotations.RayDeprecationWarning"),
]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Ray with two processors; the folder is TREERING_DIR in its processes."""
    folder = tmp_path_factory.mktemp("cluster") / "store"
    variables = {"TREERING_DIR": str(folder), "TREERING_QUIET": "1", "TREERING_DEBUG": "1"}
    quiet: dict[str, Any] = {"include_dashboard": False, "log_to_driver": False, "logging_level": "ERROR"}
    ray.init("local", num_cpus=2, runtime_env={"env_vars": variables}, **quiet)
    yield folder
    ray.shutdown()


def train(config: dict[str, Any]) -> None:
    """Report x / iteration; a checkpoint after every second of four; fail once after the third where told to."""
    start, checkpoint = 0, tune.get_checkpoint()
    if checkpoint is not None:
        with checkpoint.as_directory() as folder:
            start = json.loads(Path(folder, "state.json").read_text())
    for done in range(start + 1, 5):
        flag = config.get("fail_once")
        if flag and done == 4 and not Path(flag).exists():
            Path(flag).touch()
            raise ValueError("broken")
        time.sleep(config.get("wait_s", 0))
        metrics = {"loss": config["x"] / done, "val_score": done, "nested": {"a": math.nan}, "word": "text"}
        if done % 2:
            tune.report(metrics)
        else:
            with tempfile.TemporaryDirectory() as folder:
                Path(folder, "state.json").write_text(str(done))
                tune.report(metrics, checkpoint=tune.Checkpoint.from_directory(folder))


def experiment(folder: Path, callbacks: list[Any], space: dict[str, Any], **options: Any) -> Any:
    run_config = tune.RunConfig(
        name="experiment", storage_path=str(folder / "ray"), callbacks=callbacks, verbose=0, **options
    )
    return tune.Tuner(train, param_space=space, run_config=run_config)


def test_each_trial_is_a_run(cluster: Path, tmp_path: Path, recorded: Runs) -> None:
    best = tune.CheckpointConfig(checkpoint_score_attribute="loss", checkpoint_score_order="min")
    callback = pickle.loads(pickle.dumps(TreeringCallback(project="search", checkpoints="all", tags=["t"])))
    results = experiment(tmp_path, [callback], {"x": tune.grid_search([1, 2])}, checkpoint_config=best).fit()
    assert not results.errors
    runs = {run.config["x"]: run for run in recorded()}
    assert sorted(runs) == [1, 2]
    for x, run in runs.items():
        assert (run.project, run.group, run.job_type, run.state) == ("search", "experiment", "trial", "finished")
        assert run.summary["trial/state"] == "complete"
        series = run.history("train/loss")
        assert series.x.tolist() == [1, 2, 3, 4]
        assert series.values.tolist() == [x / done for done in range(1, 5)]
        assert run.history("val/score").values.tolist() == [1, 2, 3, 4]
        assert run.history("nested/a").rows == 4
        assert run.history("time/total_s").rows == 4
        assert "train/pid" not in run.metrics
        assert [event.kind for event in run.events()].count("non_finite") == 1
        versions = {alias: version for version in run.versions() for alias in version.aliases}
        assert versions["best"] is versions["last"] is versions["step-4"]
        assert versions["best:train/loss"].metadata["score"] == x / 4
        assert versions["step-2"].read("state.json") == b"2"
    assert treering.run is None


def test_a_trial_that_fails_and_is_restored(cluster: Path, tmp_path: Path, recorded: Runs) -> None:
    flag = tmp_path / "flag"
    results = experiment(tmp_path, [TreeringCallback()], {"x": 1, "fail_once": str(flag)}).fit()
    assert len(results.errors) == 1
    (run,) = recorded()
    assert (run.state, run.summary["trial/state"]) == ("failed", "failed")
    assert run.failure is not None
    assert "broken" in run.failure["message"] + run.failure["traceback"]
    assert run.history("train/loss").x.tolist() == [1, 2, 3]
    tuner = tune.Tuner.restore(str(tmp_path / "ray" / "experiment"), train, resume_errored=True)
    assert not tuner.fit().errors
    (again,) = recorded()
    assert (again.id, again.attempt, again.state) == (run.id, 2, "finished")
    series = again.history("train/loss")
    assert (series.x.tolist(), series.values.tolist()) == ([1, 2, 3, 4], [1, 1 / 2, 1 / 3, 1 / 4])


def test_a_trial_that_ray_starts_again_by_itself(cluster: Path, tmp_path: Path, recorded: Runs) -> None:
    retry = tune.FailureConfig(max_failures=1)
    space = {"x": 1, "fail_once": str(tmp_path / "flag")}
    assert not experiment(tmp_path, [TreeringCallback()], space, failure_config=retry).fit().errors
    (run,) = recorded()
    assert run.state == "finished"
    assert run.history("train/loss").x.tolist() == [1, 2, 3, 4]


def test_trials_that_are_interrupted(cluster: Path, tmp_path: Path, recorded: Runs) -> None:
    class Interrupt(tune.Callback):
        def on_trial_result(self, iteration: int, trials: Any, trial: Any, result: Any, **info: Any) -> None:
            os.kill(os.getpid(), signal.SIGINT)

    callbacks = [TreeringCallback(), Interrupt()]
    experiment(tmp_path, callbacks, {"x": 1, "wait_s": 1.0}).fit()
    (run,) = recorded()
    assert (run.state, run.summary["trial/state"]) == ("interrupted", "interrupted")
    assert run.history("train/loss").rows >= 1


def test_a_hook_that_fails_never_stops_the_trials(
    cluster: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recorded: Runs
) -> None:
    monkeypatch.delenv("TREERING_DEBUG")

    def broken(*_arguments: object, **_options: object) -> None:
        raise RuntimeError("a bug of ours")

    monkeypatch.setattr(Training, "log", broken)
    with treering.init("mine", "by hand"), pytest.warns(TreeringWarning, match="a bug of ours"):
        results = experiment(tmp_path, [TreeringCallback()], {"x": 1}).fit()
    assert not results.errors
    (run,) = [run for run in recorded() if run.job_type == "trial"]
    assert (run.project, run.group, run.state) == ("mine", "by hand", "finished")


def test_options_are_checked_at_once() -> None:
    with pytest.raises(UsageError, match="unknown option"):
        TreeringCallback(colour="red")  # type: ignore[call-arg]  # the misuse that is tested


def train_on_workers(config: dict[str, Any]) -> None:
    import ray.train

    rank = ray.train.get_context().get_world_rank()
    for done in range(1, 4):
        if config.get("fail") and done == 3:
            raise ValueError("broken")
        ray.train.report({"loss": 1 / done + rank})


@pytest.mark.parametrize("fail", [False, True])
def test_a_training_on_workers(fail: bool, cluster: Path, tmp_path: Path) -> None:
    from ray.train import RunConfig, ScalingConfig
    from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer

    name = f"workers-{fail}"
    trainer = DataParallelTrainer(
        train_on_workers,
        train_loop_config={"fail": fail},
        scaling_config=ScalingConfig(num_workers=1),
        run_config=RunConfig(name=name, storage_path=str(tmp_path), callbacks=[TrainCallback(project="workers")]),
    )
    if fail:
        with pytest.raises(ray.train.TrainingFailedError):
            trainer.fit()
    else:
        trainer.fit()
    (run,) = [run for run in Api(cluster).runs() if run.name == name]
    assert run.history("train/loss").values.tolist() == [1 / done for done in range(1, 3 if fail else 4)]
    assert run.state == ("failed" if fail else "finished")
    if fail:
        assert run.failure is not None
        assert "broken" in run.failure["message"]
