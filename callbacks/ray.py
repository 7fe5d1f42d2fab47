"""Ray Tune and Train: `RunConfig(callbacks=[TreeringCallback()])` records each trial as a run.

    from ray import tune
    from treering.callbacks.ray import TreeringCallback

    config = tune.RunConfig(name="search", callbacks=[TreeringCallback(project="search")])
    tune.Tuner(train, param_space=..., run_config=config).fit()

Recorded: what each trial reports at its iteration, its parameters as config, its checkpoints, and how it ended. For
Ray Train, `TrainCallback` does the same for one training on many workers. Both run where Ray calls them, in the
driver or the controller, and open no run in a worker.
"""

# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false
# The framework leaves holes in its own types.

from __future__ import annotations

import contextvars
from typing import TYPE_CHECKING, Any, cast

from treering._framework import framework
from treering.integrations.ray import error_of, iteration_of_checkpoint, metrics_of, score_of, take_checkpoint
from treering.training import Options, Training
from treering.training.adopted import opened_by_adapters, opening, remember
from treering.training.options import check_options

with framework("ray", extra="ray"):
    import ray
    from ray import tune
    from ray.train import UserCallback

if TYPE_CHECKING:
    from collections.abc import Mapping

    from typing_extensions import Unpack


__all__ = ["TrainCallback", "TreeringCallback"]


class TreeringCallback(tune.Callback):
    """Records each trial of a Tune experiment as a run of its own, in the group of the experiment.

    A trial that Tune starts again, after a failure or by `Tuner.restore`, goes on in its run: iterations after the
    checkpoint that it starts from are superseded. Trials that never ended are interrupted when the experiment ends.

    Args:
        **options: see `treering.training.Options`; `name` is put before the trials' own, `group` is the experiment's
            name if nothing is said, or that of the run that is active.
    """

    def __init__(self, **options: Unpack[Options]) -> None:
        check_options("ray", None, 1, options)
        self._options = options
        self._runs: dict[str, str] = {}
        self._live: dict[str, Training] = {}
        self._guard = Training("ray", **options)

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_live": {}}

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        with self._guard.guard("on_trial_start"):
            start = iteration_of_checkpoint(trial)
            training = self._live.get(trial.trial_id)
            if training is None:
                known = self._runs.get(trial.trial_id)
                # Not the active run of the driver: several trials run at once.
                training = contextvars.copy_context().run(self._open, trial, known, start)
            elif training.run is not None and training.run.step > start + 1:
                training.run.rewind(start)
            if training.run is not None:
                training.run.config.update(trial.config)  # population based training changes them

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        with self._guard.guard("on_trial_result"):
            training = self._live.get(trial.trial_id)
            if training is not None:
                training.log(dict(metrics_of(result)), step=int(result["training_iteration"]))

    def on_checkpoint(self, iteration: int, trials: list[Any], trial: Any, checkpoint: Any, **info: Any) -> None:
        with self._guard.guard("on_checkpoint"):
            training = self._live.get(trial.trial_id)
            if training is not None:
                result: dict[str, Any] = trial.last_result or {}
                take_checkpoint(training, checkpoint, int(result.get("training_iteration", 0)), score_of(trial, result))

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        with self._guard.guard("on_trial_complete"):
            self._close(trial, "complete", "finished")

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        with self._guard.guard("on_trial_error"):
            self._close(trial, "failed", "failed", error_of(trial))

    def on_experiment_end(self, trials: list[Any], **info: Any) -> None:
        with self._guard.guard("on_experiment_end"):
            for trial in trials:
                self._close(trial, "interrupted", "interrupted")

    def get_state(self) -> dict[str, Any]:
        """The runs of the trials, which Tune keeps with the experiment."""
        return {"runs": dict(self._runs)}

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on with the runs of an experiment that is restored."""
        self._runs.update(state.get("runs", {}))

    # -- private ------------------------------------------------------------------------------------------------------

    def _open(self, trial: Any, known: str | None, start: int) -> Training:
        import treering

        options, user = self._options, treering.run
        if user is not None and user.id in opened_by_adapters:
            user = None
        experiment = str(trial.storage.experiment_dir_name)
        name = options.get("name")
        facts = {"experiment": experiment, "trial_id": trial.trial_id, "trainable": trial.trainable_name}
        with opening:
            run = treering.init(
                options.get("project") or (user.project if user is not None else None),
                f"{name}-{trial}" if name else str(trial),
                id=known,
                resume=None if known is None else "allow",
                resume_step=None if known is None else start,
                group=options.get("group") or ((user.group or user.name) if user is not None else experiment),
                job_type=options.get("job_type") or "trial",
                tags=options.get("tags"),
                notes=options.get("notes"),
                config={**(options.get("config") or {}), "ray": {"version": ray.__version__, **facts}},
                settings={"quiet": True},
                reinit="create_new",
            )
            remember(run)
        self._runs[trial.trial_id] = run.id
        training = self._live[trial.trial_id] = Training("ray", run, **_of_records(options))
        return training

    def _close(self, trial: Any, says: str, state: str, error: BaseException | str | None = None) -> None:
        training = self._live.pop(trial.trial_id, None)
        if training is None or training.run is None:
            return
        training.run.summary["trial/state"] = says
        training.run.finish(state, error)
        opened_by_adapters.pop(training.run.id, None)


class TrainCallback(UserCallback):
    """Records a training of Ray Train: `ray.train.RunConfig(callbacks=[TrainCallback(project="digits")])`.

    Works inside Ray's controller. The metrics are those that the worker of rank 0 reports, at the number of reports;
    Ray tells nothing of the end, so a run that failed nowhere is finished when the controller ends.

    Args:
        **options: see `treering.training.Options`; the name is the training's own if nothing is said.
    """

    def __init__(self, **options: Unpack[Options]) -> None:
        check_options("ray", None, 1, options)
        self._options = options
        self._training: Training | None = None
        self._reports = 0

    def _of(self, run_context: Any) -> Training:
        if self._training is None:
            own: Options = {**self._options, "rank": 0}  # the controller is none of the workers
            own["name"] = own.get("name") or getattr(run_context.run_config, "name", None)
            self._training = Training("ray", **own)
        return self._training

    def after_report(self, run_context: Any, metrics: list[dict[str, Any]], checkpoint: Any) -> None:
        training = self._of(run_context)
        with training.guard("after_report"):
            if not self._reports:
                training.begin()
                training.configure("version", ray.__version__)
                training.configure("workers", len(metrics))
                training.configure("loop", getattr(run_context, "train_loop_config", None))
            self._reports += 1
            training.log(dict(metrics_of(metrics[0])), step=self._reports)
            if checkpoint is not None:
                take_checkpoint(training, checkpoint, self._reports, None)
            training.end()
            if training.run is not None:
                training.run.flush(5.0)  # the controller may be killed without a word

    def after_exception(self, run_context: Any, worker_exceptions: Mapping[int, Exception]) -> None:
        training = self._of(run_context)
        with training.guard("after_exception"):
            rank, error = min(worker_exceptions.items(), key=lambda item: item[0])
            if training.run is not None:
                training.run.log_event("worker failed", f"rank {rank}: {error}", level="error", rank=rank)
                training.fail(error)
                training.run.flush(5.0)


def _of_records(options: Options) -> Options:
    """Those options that say what is recorded, and not in which run."""
    wanted = ("checkpoints", "keep", "upload", "prefix", "log_every_ms", "config_prefixes")
    return cast("Options", {name: value for name, value in options.items() if name in wanted})
