"""HF Transformers: what the loss that its Trainer logs hides, and where it saves.

watch = LossWatch(model, arguments, state, training.swallow)
...                       # the Trainer trains, and logs
watch.look(logged_loss)   # losses that were NaN, and whether what is logged is n times too large
watch.remove()
"""

from __future__ import annotations

import inspect
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from treering._framework import framework
from treering.integrations.torch import describe_model
from treering.training import Score, metric_name

with framework("torch", extra="transformers"):
    import torch
with framework("transformers", extra="transformers"):
    import transformers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from transformers import TrainerControl, TrainerState, TrainingArguments

    from treering.training import Training

__all__ = [
    "LARGE_LOSS",
    "Found",
    "LossWatch",
    "describe",
    "evaluated",
    "is_json",
    "loss_factor",
    "newest_folder",
    "record_alone",
    "run_in",
    "saved_files",
    "score_of",
]

#: For `str.format` with the factor of a `Found`.
LARGE_LOSS = (
    "with gradient_accumulation_steps={0} the Trainer logs {0} times the loss of this model, which does not divide by "
    "the number of items; train/loss is kept as it is, train/loss_per_item is the loss"
)
_RECORDS = "_treering_training"
_MOST_KEPT = 4096
_CLOSE = 0.02


class Found(NamedTuple):
    """What the losses since the last look came to.

    Attributes:
        row: more to log with the loss: `nan_steps` from the first one on, and `loss_per_item` where it is another.
        first_hurt: the first update of the training whose loss was NaN or infinite, told once.
        factor: how many times too large the logged loss is, told once.
    """

    row: dict[str, object]
    first_hurt: int | None = None
    factor: int | None = None


class LossWatch:
    """Sees the loss that a model returns for each batch that it is trained on.

    A hook on the model's forward keeps the losses where they are (no waiting for a device); they are looked at when the
    Trainer logs. A model that is compiled is not hooked, for a hook would break its graph.

    Args:
        model: the bare model, without wrappers for parallelism.
        args: of the Trainer.
        state: of the Trainer; says how many updates are done.
        swallow: told of what goes wrong in the hook; see `Training.swallow`.
    """

    def __init__(
        self,
        model: torch.nn.Module,
        args: TrainingArguments,
        state: TrainerState,
        swallow: Callable[[str, BaseException], bool],
    ) -> None:
        self._state = state
        self._swallow = swallow
        self._factor = loss_factor(model, args.gradient_accumulation_steps)
        # The Trainer divides itself where it does not take it that the model does.
        self._divisor = 1 if _takes_loss_options(model) else args.gradient_accumulation_steps
        self._alone = args.world_size == 1 and args.n_gpu <= 1
        self._nan_steps = 0
        self._told = False
        self._losses: list[tuple[int, torch.Tensor]] = []
        self._sums: dict[int, float] = {}
        hooked = not (args.torch_compile or hasattr(model, "_orig_mod"))
        self._handle = model.register_forward_hook(self) if hooked else None

    def __getstate__(self) -> dict[str, Any]:
        # A model is copied and pickled with its hooks; those of the copy see nothing.
        return {"_handle": None}

    def __call__(self, module: torch.nn.Module, _inputs: object, outputs: Any) -> None:
        """Keep the loss among a model's outputs, if there is one and the model is being trained."""
        if self._handle is None or not module.training:
            return
        try:
            loss: object = getattr(outputs, "loss", None)  # also a ModelOutput, which is a dict with attributes
            if isinstance(loss, torch.Tensor) and loss.ndim == 0:
                self._losses.append((self._state.global_step + 1, loss.detach()))
                if len(self._losses) >= _MOST_KEPT:
                    self._add_up()
        except Exception as error:
            if not self._swallow("loss", error):
                raise

    def _add_up(self) -> None:
        losses, self._losses = self._losses, []
        if losses:
            first = losses[0][1]
            if len(losses) == 1:  # each step is logged
                values = [float(first.item())]
            else:
                together = [loss.float().to(first.device) for _, loss in losses]
                values = cast("list[float]", torch.stack(together).tolist())
            for (step, _), value in zip(losses, values, strict=True):
                self._sums[step] = self._sums.get(step, 0.0) + value

    def look(self, logged: float) -> Found:
        """Compare what was seen since the last look with what the Trainer logs; waits for the device."""
        self._add_up()
        sums, self._sums = self._sums, {}
        hurt = [step for step, value in sums.items() if not math.isfinite(value)]
        first = hurt[0] if hurt and not self._nan_steps else None
        self._nan_steps += len(hurt)
        row: dict[str, object] = {"nan_steps": self._nan_steps} if self._nan_steps else {}
        if self._factor > 1 and self._alone and sums and not hurt and not _is_mean(logged, sums):
            self._factor = 1  # a Trainer that computes its loss in another way
        if self._factor == 1:
            return Found(row, first)
        told, self._told = self._told, True
        return Found({**row, "loss_per_item": logged / self._factor}, first, None if told else self._factor)

    def of_update(self, step: int) -> float | None:
        """Return what the Trainer would log for one update alone, if that is not more than this process knows."""
        self._add_up()
        return self._sums[step] / self._divisor if self._alone and step in self._sums else None

    def remove(self) -> None:
        """Let the model go."""
        if self._handle is not None:
            self._handle.remove()


def _is_mean(logged: float, sums: dict[int, float]) -> bool:
    """Tell whether a logged loss is the mean over updates of what the losses of their batches add up to."""
    return math.isclose(logged, sum(sums.values()) / len(sums), rel_tol=_CLOSE, abs_tol=1e-4)


def describe(args: TrainingArguments, model: Any) -> Iterator[tuple[str, object]]:
    """Yield the parts of a run's config: version, arguments, the model with its sizes, its adapters."""
    yield "version", transformers.__version__
    yield "args", cast("Any", args).to_dict()
    if model is not None:
        model = getattr(model, "module", model)
        yield "model", {**describe_model(model), "config": _as_dict(getattr(model, "config", None))}
        adapters: Any = getattr(model, "peft_config", None)
        if isinstance(adapters, dict):
            adapters = {name: _as_dict(one) for name, one in cast("dict[str, Any]", adapters).items()}
        if adapters:
            yield "peft", adapters


def _as_dict(config: Any) -> object:
    """What a configuration calls its own settings; the object also has what all models of its kind share."""
    try:
        return config.to_dict()
    except Exception:  # not every one has it, or can do it: whatever the object shows then
        return config


def record_alone(training: Training, control: TrainerControl) -> None:
    """Let the callback that a Trainer was given last record alone, where it has two.

    Args:
        training: of a callback, which a Trainer that is being built has just asked.
        control: of this Trainer.
    """
    shared, earlier = vars(control), vars(control).get(_RECORDS)
    if earlier is not None and earlier is not training:
        earlier.options.update(rank=1, rank_streams=False)  # as on a rank that records nothing
    shared[_RECORDS] = training


def loss_factor(model: torch.nn.Module, accumulation: int) -> int:
    """Return how many times too large the loss is that the Trainer logs.

    With `gradient_accumulation_steps=n` the Trainer adds the losses of n batches and takes it for granted that a model
    whose `forward` has `**kwargs` has divided each by the number of items in all of them. One whose loss function does
    not know `num_items_in_batch` has not.

    Args:
        model: the bare model.
        accumulation: batches to an update.
    """
    if accumulation <= 1 or not _takes_loss_options(model):
        return 1
    return 1 if _divides_by_items(_base(model)) else accumulation


def _base(model: torch.nn.Module) -> torch.nn.Module:
    return cast("Any", model).get_base_model() if hasattr(model, "get_base_model") else model


def _takes_loss_options(model: torch.nn.Module) -> bool:
    base = _base(model)
    accepts: bool | None = getattr(base, "accepts_loss_kwargs", None)
    if accepts is None:
        parameters = inspect.signature(base.forward).parameters.values()
        accepts = any(one.kind is inspect.Parameter.VAR_KEYWORD for one in parameters)
    return accepts


def _divides_by_items(model: torch.nn.Module) -> bool:
    code = getattr(inspect.unwrap(model.forward), "__code__", None)
    names: tuple[str, ...] = () if code is None else (*code.co_names, *code.co_varnames, *code.co_freevars)
    if "num_items_in_batch" in names:
        return True
    if "loss_function" not in names and any(name.endswith("Loss") for name in names):
        return False  # a loss of its own, as many older models have
    function = getattr(model, "loss_function", None)
    return function is None or "num_items_in_batch" in inspect.signature(function).parameters


def newest_folder(args: TrainingArguments, state: TrainerState) -> Path | None:
    """Return where this step was just saved: below a folder of the trial in a search, whose name nobody tells."""
    name, root = f"checkpoint-{state.global_step}", Path(cast("str", args.output_dir))
    folders = [root / name]
    if state.is_hyper_param_search:
        folders += root.glob(f"*/{name}")
    written = [folder / "trainer_state.json" for folder in folders if (folder / "trainer_state.json").is_file()]
    return max(written, key=lambda path: path.stat().st_mtime_ns).parent if written else None


def run_in(saved: Any) -> dict[str, Any]:
    """The run in the state that a checkpoint holds of this callback, or of several."""
    one: Any = cast("list[Any]", saved)[-1] if isinstance(saved, list) else saved
    return cast("dict[str, Any]", one.get("attributes", {}).get("treering_run") or {})


def is_json(value: object) -> bool:
    """Tell whether a checkpoint can hold a value."""
    try:
        json.dumps(value)
    except (TypeError, ValueError):
        return False
    return True


def saved_files(folder: Path, *, optimizer_state: bool) -> Path | list[Path]:
    """Return a checkpoint's folder, or all in it but the optimizer's state."""
    if optimizer_state:
        return folder
    return sorted(path for path in folder.iterdir() if path.stem != "optimizer")


def evaluated(
    before: tuple[int, Mapping[str, Any]], step: int, values: Mapping[str, Any]
) -> tuple[int, Mapping[str, Any]]:
    """Return a step with the values of its evaluations, one for each dataset, from those before the last of them."""
    return step, {**before[1], **values} if before[0] == step else values


def score_of(
    args: TrainingArguments, state: TrainerState, folder: Path, known: tuple[int, Mapping[str, Any]]
) -> Score | None:
    """Return what the checkpoint just saved is judged by, with the step and values of the last evaluations."""
    metric = args.metric_for_best_model
    if metric is None:
        return None
    metric = metric if metric.startswith("eval_") else f"eval_{metric}"
    step, values = known
    return Score(
        metric_name(metric),
        values.get(metric) if step == state.global_step else None,
        mode="max" if args.greater_is_better else "min",
        best=Path(state.best_model_checkpoint or "").name == folder.name,
    )
