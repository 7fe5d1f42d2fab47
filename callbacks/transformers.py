"""HF Transformers: `Trainer(callbacks=[TreeringCallback()])` records the training.

    from treering.callbacks.transformers import TreeringCallback

    trainer = Trainer(model, args, train_dataset=data, callbacks=[TreeringCallback(project="tiny-bert")])

or, with this module imported, `TrainingArguments(report_to="treering")`. Recorded: all that the Trainer logs, at the
number of updates done (`state.global_step`); learning rates; hidden losses; arguments; model; checkpoint folders.
"""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any, cast

from treering._framework import framework
from treering.integrations import transformers as integration
from treering.integrations.torch import Rates
from treering.integrations.transformers import LARGE_LOSS, LossWatch
from treering.resuming import newest_checkpoint
from treering.training import Options, Training

with framework("transformers", extra="transformers"):
    from transformers.integrations import integration_utils
    from transformers.trainer_callback import ExportableState, TrainerCallback

if TYPE_CHECKING:
    from collections.abc import Mapping

    import torch
    from torch.utils.data import DataLoader
    from transformers import PreTrainedModel, TrainerControl, TrainerState, TrainingArguments
    from typing_extensions import Unpack

    from treering import Run

__all__ = ["TreeringCallback"]

NAMES = {"grad_norm": "grad/norm", "learning_rate": "lr/0"}
WATCHED_NAMES = {**NAMES, "grad_norm": "grad/norm_preclip"}
# What stands for the whole training; the mean loss would take the name of the series.
SUMMARY_NAMES = {"train_loss": "train/mean_loss"}


class TreeringCallback(TrainerCallback, ExportableState):
    """Records what a Transformers Trainer does.

    Each `train()` is one run, with the evaluations and predictions before and after it; a training that is resumed
    (`trainer.train(resume_from_checkpoint=...)`) goes on in the run that wrote the checkpoint, and each trial of a
    `hyperparameter_search` is a run of its own, in the group of the user's run if there is one. No run is opened before
    something is recorded.

    Args:
        run: a run from `treering.init`; without it the active run is used, or one is opened when training starts.
        include_optimizer_state: whether a version has the optimizer's state with it, twice as large as the model for
            Adam; without it `checkpoint` leads to a training that begins with a fresh optimizer.
        **options: see `treering.training.Options`.
    """

    def __init__(
        self, run: Run | None = None, *, include_optimizer_state: bool = True, **options: Unpack[Options]
    ) -> None:
        self.include_optimizer_state = include_optimizer_state
        self.treering_run: dict[str, Any] = {}
        """What the checkpoint that this callback was built again from says of its run."""
        self._whole = self._training = Training("transformers", run, **options)
        self._trained, self._logged_at = False, 0
        self._losses: LossWatch | None = None
        self._rates = Rates()
        self._sizes: dict[str, int] = {}
        self._evaluated: tuple[int, Mapping[str, Any]] = (-1, {})

    @property
    def run(self) -> Run | None:
        """The run that is written to, opened if nothing was recorded before; None on ranks other than zero."""
        return self._training.run

    @property
    def checkpoint(self) -> str | None:
        """With `resume="auto"`, what `trainer.train(resume_from_checkpoint=...)` takes; None where there is nothing."""
        found = newest_checkpoint(self._whole)
        return None if found is None else str(found.path)

    def state(self) -> dict[str, Any]:
        """What the Trainer puts into its checkpoints, to build this callback from it again."""
        options = {name: value for name, value in self._whole.options.items() if integration.is_json(value)}
        options["include_optimizer_state"] = self.include_optimizer_state
        return {"args": options, "attributes": {"treering_run": self._training.state()}}

    def on_init_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        with self._training.guard("on_init_end"):
            integration.record_alone(self._whole, control)

    def on_train_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        model: PreTrainedModel | torch.nn.Module | None = None,
        train_dataloader: DataLoader[Any] | None = None,
        **kwargs: Any,
    ) -> None:
        with self._training.guard("on_train_begin"):
            # Resumed from a checkpoint written without this callback, the Trainer finds no place for its state.
            saved = cast("dict[str, Any]", state.stateful_callbacks).setdefault(type(self).__name__, self.state())
            resumed = integration.run_in(saved) if state.global_step > 0 else {}
            self._whole.framework_rank = 0 if state.is_world_process_zero else args.process_index or 1
            self._training = self._whole.trial() if state.is_hyper_param_search else self._whole
            if self._trained and resumed.get("run") != self._training.chosen_id:
                self._training.renew()
            self._trained = True
            self._training.begin(step=state.global_step, resumed=resumed)
            self._logged_at, self._rates = 0, Rates()
            self._configure(args, state, model)
            self._sizes.clear()
            self._note_size("train", train_dataloader)
            self._watch_losses(args, state, model)
            self._training.watch(model, step=lambda: state.global_step + 1)  # asked within the update

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        if self._training.in_sweep:
            control.should_training_stop |= self._training.should_stop
        if not self._logged_at and not control.should_log:
            with self._training.guard("on_step_end"):
                self._log_own(state, kwargs.get("optimizer"))  # the first one

    def on_pre_optimizer_step(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        # A guard, less the calls that it takes, for this comes with each step.
        began_s, training = perf_counter(), self._training
        try:
            # Now, for by the time the row is logged the scheduler has set the rates of the next step.
            if (optimizer := kwargs.get("optimizer")) is not None:
                self._rates.take(optimizer)
        except Exception as error:
            if not training.swallow("on_pre_optimizer_step", error):
                raise
        training.spent_s += perf_counter() - began_s

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: Mapping[str, Any] | None = None,
        eval_dataloader: DataLoader[Any] | None = None,
        optimizer: torch.optim.Optimizer | None = None,
        **kwargs: Any,
    ) -> None:
        with self._training.guard("on_log"):
            values = dict(logs or {})
            epoch = values.pop("epoch", state.epoch)
            tokens = values.pop("num_input_tokens_seen", 0) or state.num_input_tokens_seen
            if "train_loss" in values:  # the last row of all
                self._training.summarize({SUMMARY_NAMES.get(name, name): one for name, one in values.items()}, "train")
                return
            if "loss" not in values and any(name.startswith("eval_") for name in values):
                self._evaluated = integration.evaluated(self._evaluated, state.global_step, values)
                self._note_size("eval", eval_dataloader)
            names = WATCHED_NAMES if self._whole.options.get("watch") else NAMES
            row = {names.get(name, name): value for name, value in values.items()}
            if "loss" in row:
                row |= self._rates_of(optimizer) | self._hidden(float(row["loss"]))
                self._logged_at = state.global_step
            self._training.log(row, step=state.global_step, prefix="train", epoch=epoch, tokens=tokens or None)

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        with self._training.guard("on_save"):
            folder = integration.newest_folder(args, state)
            if folder is not None:
                files = integration.saved_files(folder, optimizer_state=self.include_optimizer_state)
                score = integration.score_of(args, state, folder, self._evaluated)
                self._training.checkpoint(files, step=state.global_step, score=score, metadata={"epoch": state.epoch})

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        with self._training.guard("on_train_end"):
            if self._logged_at != state.global_step:
                self._log_own(state, kwargs.get("optimizer"))
            self._watch_losses(args, state)
            self._training.end()

    def on_predict(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        metrics: Mapping[str, Any],
        **kwargs: Any,
    ) -> None:
        with self._training.guard("on_predict"):
            self._training.log(metrics, step=state.global_step, prefix="test", epoch=state.epoch)

    # -- private ------------------------------------------------------------------------------------------------------

    def _configure(self, args: TrainingArguments, state: TrainerState, model: Any) -> None:
        run = self._training.run
        if run is None:
            return
        if state.is_hyper_param_search:
            self._training.hyperparameters(state.trial_params or {})
            if state.trial_name and not self._training.options.get("name"):
                run.name = state.trial_name
        for part, values in integration.describe(args, model):
            self._training.configure(part, values)

    def _watch_losses(self, args: TrainingArguments, state: TrainerState, model: Any = None) -> None:
        if self._losses is not None:
            self._losses.remove()
            self._losses = None
        if model is not None and self._training.run is not None:
            self._losses = LossWatch(getattr(model, "module", model), args, state, self._training.swallow)

    def _log_own(self, state: TrainerState, optimizer: torch.optim.Optimizer | None) -> None:
        """Log the loss of an update that the Trainer's `logging_steps` leaves out."""
        loss = None if self._losses is None else self._losses.of_update(state.global_step)
        if loss is not None:
            row, step = {"loss": loss, **self._rates_of(optimizer)}, state.global_step
            self._logged_at = step
            self._training.log(row, step=step, prefix="train", epoch=state.epoch)

    def _rates_of(self, optimizer: torch.optim.Optimizer | None) -> dict[str, object]:
        return {} if optimizer is None else self._rates.row([optimizer])

    def _hidden(self, logged: float) -> dict[str, object]:
        """What the logged loss does not say: that some were NaN, and that it is a sum where a mean is expected."""
        run = self._training.run
        if self._losses is None or run is None:
            return {}
        found = self._losses.look(logged)
        if found.first_hurt is not None:
            text = f"the loss of step {found.first_hurt} is not finite; the Trainer's log leaves it out"
            run.log_event("non_finite", text, level="warn", series="train/nan_steps", step=found.first_hurt)
        if found.factor is not None:
            self._training.configure("train", {"loss_factor": found.factor})
            self._training.warn(LARGE_LOSS.format(found.factor))
        return found.row

    def _note_size(self, part: str, loader: DataLoader[Any] | None) -> None:
        """Put the number of examples into the config; that of an evaluation is known when there is one."""
        dataset: Any = getattr(loader, "dataset", None)
        if hasattr(dataset, "__len__") and self._sizes.get(part) != len(dataset):
            self._sizes[part] = len(dataset)
            self._training.configure("examples", dict(self._sizes))


# Names in `report_to` are looked up when a Trainer is built; this adds one, and takes none that is there.
cast("dict[str, Any]", integration_utils.INTEGRATION_TO_CALLBACK).setdefault("treering", TreeringCallback)
