"""Ray: its results, trials and checkpoints in the words of a run. Imports no part of Ray."""

# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false
# The framework leaves holes in its own types.

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, cast

from treering.training import Score, metric_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from treering.training import Training

__all__ = ["error_of", "iteration_of_checkpoint", "metrics_of", "score_of", "take_checkpoint"]

#: What Tune adds to each result and is no metric, or is the run's own.
NO_METRICS = frozenset({
    "checkpoint_dir_name", "config", "date", "done", "experiment_tag", "hostname", "iterations_since_restore",
    "node_ip", "pid", "should_checkpoint", "time_since_restore", "timestamp", "timesteps_since_restore",
    "training_iteration", "trial_id",
})  # fmt: skip
RENAMED = {"time_this_iter_s": "time/iteration_s", "time_total_s": "time/total_s"}


def metrics_of(
    result: Mapping[str, Any], path: str = "", *, prefix: str | None = "train"
) -> Iterator[tuple[str, object]]:
    """A result's numbers and texts under the names of series, nested ones as `a/b`.

    Args:
        result: of Tune, Train or RLlib; what Ray itself adds to it is left out.
        path: where it is nested.
        prefix: section of the names that have none.
    """
    for key, value in result.items():
        if not path and key in NO_METRICS:
            continue
        name = f"{path}{key}"
        if isinstance(value, dict):
            yield from metrics_of(cast("dict[str, Any]", value), f"{name}/", prefix=prefix)
        elif value is not None:
            yield RENAMED.get(name) or metric_name(name, prefix), value


def iteration_of_checkpoint(trial: Any) -> int:
    """The iteration that a trial is going to start after; 0 without a checkpoint."""
    if trial.checkpoint is None:
        return 0
    latest = trial.run_metadata.checkpoint_manager.latest_checkpoint_result
    metrics = (latest.metrics if latest is not None else None) or {}
    return int(metrics.get("training_iteration", 0))


def take_checkpoint(training: Training, checkpoint: Any, step: int, score: Score | None) -> None:
    """Keep the folder of a checkpoint as a version, if it is on this machine."""
    filesystem = getattr(checkpoint, "filesystem", None)
    if filesystem is not None and filesystem.type_name != "local":
        training.warn(f"checkpoints in {filesystem.type_name} storage stay there; local ones are kept as versions")
        return
    # Ray makes a new folder for each one and never writes into it again.
    training.checkpoint(checkpoint.path, step=step, score=score, linkable=True)


def score_of(trial: Any, result: Mapping[str, Any]) -> Score | None:
    """What a checkpoint is judged by, where the experiment says so."""
    config = getattr(trial.run_metadata.checkpoint_manager, "checkpoint_config", None)
    monitor = getattr(config, "checkpoint_score_attribute", None)
    if monitor is None:
        return None
    value = dict(metrics_of(result)).get(metric_name(monitor, "train"))
    mode: Literal["min", "max"] = "min" if getattr(config, "checkpoint_score_order", "max") == "min" else "max"
    return Score(metric_name(monitor, "train"), None if value is None else float(cast("Any", value)), mode)


def error_of(trial: Any) -> BaseException | str:
    """What a trial failed with: the exception, or the text that Ray kept of it."""
    for find in ("get_pickled_error", "get_error"):
        error = getattr(trial, find, lambda: None)()
        if error is not None:
            cause: BaseException = getattr(error, "cause", None) or error
            return cause
    path = trial.error_file
    if path is None:
        return "the trial failed"
    with open(path, encoding="utf-8") as file:
        return file.read()
