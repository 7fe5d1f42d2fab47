"""Accelerate: `Accelerator(log_with=TreeringTracker())` records what `accelerator.log` gives it.

    from treering.callbacks.accelerate import TreeringTracker

    accelerator = Accelerator(log_with=TreeringTracker(project="digits"))
    accelerator.init_trackers("digits", config={"lr": 0.1})

or, where this module has been imported, `Accelerator(log_with="treering")`. Recorded: all that is logged, with the
number of updates done; learning rates; the loss scale; the folders of `save_state`. A training that `load_state` brings
back goes on in its run.
"""

# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false, reportUnknownParameterType=false
# The framework ships no types.

from __future__ import annotations

import json
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, cast

from treering._framework import framework
from treering.integrations.accelerate import accelerator_of, describe
from treering.integrations.torch import Rates
from treering.resuming import newest_checkpoint
from treering.training import Options, Score, Training, metric_name, number

with framework("accelerate", extra="accelerate"):
    import accelerate
    from accelerate import tracking
    from torch.optim.optimizer import register_optimizer_step_post_hook

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import torch
    from typing_extensions import Unpack

    from treering import Run

__all__ = ["TreeringTracker"]

SIDECAR = "treering.json"


class _Saved(NamedTuple):
    """A folder that `save_state` has begun to write."""

    folder: Path
    step: int
    score: Score | None


class TreeringTracker(tracking.GeneralTracker):  # type: ignore[misc]  # accelerate ships no types
    """Records a training loop that Accelerate runs.

    The run is opened with the first thing that is logged, so that `load_state` before that may still say which one goes
    on. Only the main process records; the calls are safe on all.

    Args:
        project_name: the project; as `init_trackers` gives it where the tracker is named, `log_with="treering"`.
        run: a run from `treering.init`; without it the active run is used, or one is opened.
        monitor: the metric, as it is logged, by which folders of `save_state` are judged, for the alias `best`.
        mode: whether small or large values of it are good.
        **options: see `treering.training.Options`.
    """

    name = "treering"
    requires_logging_directory = False
    main_process_only = True

    def __init__(
        self,
        project_name: str | None = None,
        run: Run | None = None,
        *,
        monitor: str | None = None,
        mode: Literal["min", "max"] = "min",
        **options: Unpack[Options],
    ) -> None:
        super().__init__()
        if project_name:
            options.setdefault("project", project_name)
        self._training = Training("accelerate", run, **options)
        self._monitor = monitor
        self._mode: Literal["min", "max"] = mode
        self._config: dict[str, Any] = {}
        self._calls = self._updates = self._updates_told = self._skipped = 0
        self._rates = Rates()
        self._monitored: float | None = None
        self._saved: list[_Saved] = []
        self._handles: list[Any] = []
        self._accelerator: Any = None
        self._begun = False

    @property
    def tracker(self) -> Run | None:
        """The run that is written to, opened if nothing was recorded before; None on processes other than the main."""
        with self._training.guard("tracker"):
            self._begin()
        return self._training.run

    @property
    def checkpoint(self) -> Path | None:
        """With `resume="auto"`, the folder that `accelerator.load_state` takes; None where there is nothing yet."""
        found = newest_checkpoint(self._training)
        return None if found is None else found.path

    def start(self) -> None:
        """Called by `init_trackers`."""
        with self._training.guard("start"):
            self._training.framework_rank = accelerate.PartialState().process_index
            self._accelerator = accelerator_of(self)
            if self._accelerator is not None and not self._handles:
                self._handles = [
                    self._accelerator.register_save_state_pre_hook(self._on_save),
                    self._accelerator.register_load_state_pre_hook(self._on_load),
                    register_optimizer_step_post_hook(self._updated),
                ]

    def store_init_configuration(self, values: Mapping[str, Any]) -> None:
        self._config.update(values)
        if self._begun:
            with self._training.guard("store_init_configuration"):
                self._training.hyperparameters(self._config)

    def log(self, values: Mapping[str, Any], step: int | None = None, **kwargs: Any) -> None:
        # A guard, less the calls that it takes, for this may come with each step; what is seldom to do is asked first.
        began_s, training = perf_counter(), self._training
        try:
            if not self._begun:
                self._begin()
            if self._saved:
                self._record_saved()
            self._calls = self._calls + 1 if step is None else int(step)
            if self._monitor is not None and self._monitor in values:
                self._monitored = float(cast("float", number(values[self._monitor])))
            row, one = {**values}, self._accelerator
            if self._updates != self._updates_told:
                self._updates_told = self._updates
                row |= self._rates.row(one._optimizers)
            if one is not None and one.scaler is not None:
                row |= self._scale(one)
            training.log(row, step=self._calls, update=self._updates if self._handles else None)
        except Exception as error:
            if not training.swallow("log", error):
                raise
        training.spent_s += perf_counter() - began_s

    def log_images(self, values: Mapping[str, Sequence[Any]], step: int | None = None, **kwargs: Any) -> None:
        from treering import Image

        self.log({name: [Image(one) for one in images] for name, images in values.items()}, step)

    def log_table(
        self,
        table_name: str,
        columns: list[str] | None = None,
        data: list[list[Any]] | None = None,
        dataframe: Any = None,
        step: int | None = None,
        **kwargs: Any,
    ) -> None:
        from treering import Table

        self.log({table_name: Table(columns=columns, data=data, dataframe=dataframe)}, step)

    def finish(self) -> None:
        with self._training.guard("finish"):
            if self._begun or self._config:
                self._begin()
            self._record_saved(whole=False)
            while self._handles:
                self._handles.pop().remove()
            self._training.end()

    # -- private ------------------------------------------------------------------------------------------------------

    def _begin(self, resumed: Mapping[str, Any] | None = None) -> None:
        if self._begun:
            return
        self._begun = True
        self._training.begin(step=self._calls, resumed=resumed)
        self._training.hyperparameters(self._config)
        for part, values in describe(self._accelerator):
            self._training.configure(part, values)

    def _updated(self, optimizer: torch.optim.Optimizer, *_: Any) -> None:
        """Count updates, and keep the rates that they used."""
        try:
            for place, prepared in enumerate(self._accelerator._optimizers):
                if prepared.optimizer is optimizer:
                    self._updates += place == 0
                    self._rates.take(optimizer)
        except Exception as error:
            if not self._training.swallow("step", error):
                raise

    def _scale(self, one: Any) -> dict[str, object]:
        self._skipped += bool(one.sync_gradients and one.optimizer_step_was_skipped)
        return {"amp/scale": one.scaler.get_scale(), "amp/skipped": self._skipped}

    def _on_save(self, models: Any, weights: Any, output_dir: str) -> None:
        with self._training.guard("on_save_state"):
            self._begin()
            if self._training.opened is None:
                return
            self._record_saved()
            score = None
            if self._monitor is not None:
                score = Score(metric_name(self._monitor), self._monitored, self._mode)
            self._saved.append(_Saved(Path(output_dir), self._calls, score))
            state = {**self._training.state(), "step": self._calls, "updates": self._updates}
            Path(output_dir, SIDECAR).write_text(json.dumps(state), encoding="utf-8")

    def _on_load(self, models: Any, input_dir: str) -> None:
        with self._training.guard("on_load_state"):
            path = Path(input_dir, SIDECAR)
            if self._training.rank or not path.exists():
                return
            state = json.loads(path.read_text(encoding="utf-8"))
            self._calls, self._updates = state["step"], state.pop("updates", 0)
            self._begin(state)

    def _record_saved(self, *, whole: bool = True) -> None:
        """Record the folders that are complete; `save_state` has no hook for its end, so this is called later."""
        waiting, self._saved = self._saved, []
        for saved in waiting:
            processes = len(list(saved.folder.glob("random_states_*.pkl")))
            if whole and processes < self._accelerator.num_processes and saved.folder.exists():
                self._saved.append(saved)  # another process is still writing its part
            elif saved.folder.exists():  # else so many newer ones were saved that it is gone
                self._training.checkpoint(saved.folder, step=saved.step, score=saved.score)


# Newer releases find a tracker by its name; older ones take the object.
register = getattr(tracking, "register_tracker_class", None)
if register is not None and TreeringTracker.name not in tracking.LOGGER_TYPE_TO_CLASS:
    register(TreeringTracker)
