"""PyTorch: gradients, seen at the optimizer's step, where they are what the optimizer takes.

Hooks of tensors would fire with each backward pass (four times with an accumulation over four batches), see the loss
scale, and break compiled graphs; those of the optimizer do not. On the training thread norms are asked for and nothing
is waited for; a clerk's thread fetches them and writes the row.
"""

from __future__ import annotations

import math
import os
import time
import weakref
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, cast

import torch
from torch.optim.optimizer import register_optimizer_step_pre_hook

from treering._notice import warn_once
from treering.errors import UsageError
from treering.integrations import _torch_lanes
from treering.integrations._torch_scale import ScaleCounter
from treering.integrations._torch_tensors import Sample, counts_of, norms_of, plain
from treering.integrations.torch import group_rates
from treering.training.clerk import clerk
from treering.training.gradients import CODES, ExponentCounts, Judge, Measured, to_row
from treering.training.pace import Pace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from treering.watching import WatchOptions

__all__ = ["TorchWatch"]

_BUDGET = 0.02
# Of the budget; the rest is for what a look does to the steps around it, which it does not see: their memory is out of
# the caches.
_OWN_SHARE = 0.75
# From so many histograms on they get rarer: they are large, and a training can be long.
_MANY_HISTOGRAMS = 100
_CLOSE_TIMEOUT_S = 10.0


class TorchWatch:
    """What is watched for one run: the parameters of a model, through the optimizers that train them.

    Args:
        run: what rows and events go to.
        model: gives parameters their names; not kept alive.
        optimizer: one or several; without any, each that trains parameters of the model, as it makes its first step.
        options: checked.
    """

    def __init__(self, run: Any, model: object, optimizer: object, options: WatchOptions) -> None:
        self.run = run
        self.options = options
        self._model = None if model is None else weakref.ref(_module(model))
        self._meters: list[Meter] = []
        self._seen: weakref.WeakSet[torch.optim.Optimizer] = weakref.WeakSet()
        self._error: Exception | None = None
        self._everybodys: Any = None
        self._is_closed = False
        given = _optimizers(optimizer)
        for number, one in enumerate(given):
            self._add(one, str(number) if len(given) > 1 else self._free_label())
        if not given:
            self._everybodys = register_optimizer_step_pre_hook(self._discover)

    # -- what treering.watching asks for ------------------------------------------------------------------------------

    def covers(self, model: object, optimizer: object) -> bool:
        try:
            given, module = _optimizers(optimizer), None if model is None else _module(model)
        except UsageError:
            return False
        if self._is_closed or not (given or module):
            return False
        known = [meter.optimizer() for meter in self._meters]
        if not all(any(one is other for other in known) for one in given):
            return False
        return module is None or (self._model is not None and self._model() is module)

    def change(self, options: WatchOptions) -> None:
        self.options = options
        for meter in self._meters:
            meter.configure()

    def clipped(self, norm: object, optimizer: object = None) -> None:
        wanted = _optimizers(optimizer)
        for meter in self._meters:
            if not wanted or meter.optimizer() is wanted[0]:
                meter.norm_before_clipping = norm

    def before_clipping(self, optimizer: torch.optim.Optimizer) -> None:
        """Gradients are ready and about to be clipped: take their norm, where the step to come is looked at."""
        for meter in self._meters:
            if meter.optimizer() is optimizer and meter.is_due:
                every = [one.grad for group in optimizer.param_groups for one in group["params"]]
                with torch.no_grad():
                    gradients = [plain(one) for one in every if one is not None]
                    meter.norm_before_clipping = norms_of(gradients).norm() if gradients else None

    def settle(self, timeout_s: float) -> None:
        clerk().wait(timeout_s)
        error, self._error = self._error, None
        if error is not None and _is_debugging():
            raise error

    def close(self) -> None:
        self._is_closed = True
        if self._everybodys is not None:
            self._everybodys.remove()
        meters, self._meters = self._meters, []
        clerk().wait(_CLOSE_TIMEOUT_S)
        for meter in meters:
            meter.close()
        self.settle(_CLOSE_TIMEOUT_S)

    # -- what meters ask for ------------------------------------------------------------------------------------------

    def names(self, optimizer: torch.optim.Optimizer) -> dict[int, str]:
        """The names of parameters by their identity: those of the model, else their places in the optimizer."""
        found = {
            id(parameter): f"{number}.{at}"
            for number, group in enumerate(optimizer.param_groups)
            for at, parameter in enumerate(group["params"])
        }
        model = self._model() if self._model is not None else None
        if model is not None:
            found |= {id(parameter): _clean(name) for name, parameter in model.named_parameters()}
        return found

    def trouble(self, error: Exception) -> None:
        """Something of ours went wrong; the training goes on."""
        self._error = error
        if not _is_debugging():
            warn_once(f"watch(): {type(error).__name__}: {error}. The training goes on.", f"watch {type(error)}")

    # -- private ------------------------------------------------------------------------------------------------------

    def _discover(self, optimizer: torch.optim.Optimizer, _args: object, _kwargs: object) -> None:
        if optimizer in self._seen or torch.compiler.is_compiling():
            return
        self._seen.add(optimizer)
        if any(other.covers(None, optimizer) for other in self.run.watches):
            return
        model = self._model() if self._model is not None else None
        if model is not None and {id(one) for group in optimizer.param_groups for one in group["params"]} & {
            id(one) for one in model.parameters()
        }:
            self._add(optimizer, self._free_label())  # its hooks are called in this very step

    def _add(self, optimizer: torch.optim.Optimizer, label: str) -> None:
        self._seen.add(optimizer)
        name = self.options.get("name", "")
        self._meters.append(Meter(self, optimizer, f"{name}/{label}" if name and label else name or label))

    def _free_label(self) -> str:
        """The first optimizer of a run needs no label; those after it get numbers."""
        taken = {meter.label for meter in self._meters}
        if not self.options.get("name"):
            for other in self.run.watches:
                taken |= other.labels if isinstance(other, TorchWatch) else set()
        number = len(taken)
        return str(number) if taken else ""

    @property
    def labels(self) -> set[str]:
        """What its optimizers are called in the names of series."""
        return {meter.label for meter in self._meters}


@dataclass
class Look:
    """One look at the gradients, while its numbers are still on their way."""

    step: int
    time_ns: int
    update: int
    names: Sequence[str]
    options: WatchOptions
    lane: _torch_lanes.Lane
    begun: Any
    rates: dict[str, object]
    spent_s: float = 0.0
    with_histograms: bool = False
    norm_before_clipping: object = None
    parameters: list[torch.Tensor] = field(default_factory=list[torch.Tensor])
    sample: Sample | None = None
    before: tuple[torch.Tensor | None, torch.Tensor | None] = (None, None)
    numbers: dict[str, torch.Tensor] = field(default_factory=dict[str, torch.Tensor])
    histograms: dict[str, ExponentCounts | torch.Tensor] = field(default_factory=dict[str, Any])


class Meter:
    """The hooks of one optimizer."""

    def __init__(self, watch: TorchWatch, optimizer: torch.optim.Optimizer, label: str) -> None:
        self.label = label
        self.optimizer = weakref.ref(optimizer)
        self.norm_before_clipping: object = None
        self._watch = watch
        self._run = watch.run
        self._judge = Judge()
        self._updates = 0
        self._look: Look | None = None
        self._awaiting = False  # a closure that is going to compute the gradients
        self._ids: tuple[int, ...] = ()
        self._names: tuple[str, ...] = ()
        self._ended_s = 0.0
        self._step_s: float | None = None
        self._looked_at = 0
        self._device_s = 0.0
        self._writing_s = 0.0
        self._seen_step: int = watch.run.step
        self._since, self._steps_follow = 0, False
        self._scale = ScaleCounter(watch.options.get("scaler"))
        self.configure()
        self._handles = (
            optimizer.register_step_pre_hook(self.before),
            optimizer.register_step_post_hook(self.after),
        )

    def configure(self) -> None:
        """Take the watch's options."""
        options = self._watch.options
        every, histograms = options.get("every", "auto"), options.get("histograms", False)
        budget = _OWN_SHARE * options.get("budget", _BUDGET) / (2 if histograms else 1)
        self._pace = Pace(None if every == "auto" else every, budget)
        self._histogram_pace = Pace(None if every == "auto" else every, budget, _MANY_HISTOGRAMS)
        self._pace.due_at = self._histogram_pace.due_at = self._updates + 1
        self._step = options.get("step")

    @property
    def is_due(self) -> bool:
        """Whether the step to come, or the one that is being done, is looked at."""
        return self._awaiting or self._updates + 1 >= self._pace.due_at

    def close(self) -> None:
        """Take the hooks off, and tell of updates left out since the last row."""
        for handle in self._handles:
            handle.remove()
        self._guarded(self._tell_rest)

    def _tell_rest(self) -> None:
        if rest := self._scale.rest(self._updates):
            self._run.log_beside({"update": self._updates, **rest}, self._choose_step(), time.time_ns())

    # -- hooks --------------------------------------------------------------------------------------------------------

    def before(
        self, optimizer: torch.optim.Optimizer, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
        """The optimizer is about to make its step."""
        if torch.compiler.is_compiling():
            return None
        self._updates = updates = self._updates + 1
        if self._step is None:
            self._count_steps()
        found_inf = getattr(optimizer, "found_inf", None)
        if found_inf is not None:
            self._scale.note(found_inf)
        self._look, self._awaiting = None, False
        if updates < self._pace.due_at or not self._is_live():
            return None
        closure = args[1] if len(args) > 1 else kwargs.get("closure")
        if not callable(closure):
            self._begin(optimizer)
            return None

        self._awaiting = True

        def look_after_it(*arguments: Any, **options: Any) -> Any:
            result = closure(*arguments, **options)  # computes the gradients
            if self._awaiting:
                self._awaiting = False
                self._begin(optimizer)
            return result

        if len(args) > 1:
            return (args[0], look_after_it, *args[2:]), kwargs
        return args, {**kwargs, "closure": look_after_it}

    def after(self, _optimizer: torch.optim.Optimizer, _args: object, _kwargs: object) -> None:
        """The optimizer has made its step."""
        look = self._look
        if look is not None:
            self._look = None
            with torch.no_grad():
                self._guarded(self._finish, look)

    def _guarded(self, do: Callable[..., None], *arguments: Any) -> None:
        try:
            do(*arguments)
        except Exception as error:  # a hook never ends a training
            self._watch.trouble(error)
            if _is_debugging():
                raise

    def _is_live(self) -> bool:
        return not (self._run.ended or (torch.cuda.is_available() and torch.cuda.is_current_stream_capturing()))

    # -- steps --------------------------------------------------------------------------------------------------------

    def _count_steps(self) -> None:
        step = self._run.step
        if step != self._seen_step:
            # Steps that move on as updates do count updates; the program may just not log each of them.
            self._steps_follow = step - self._seen_step == self._since
            self._seen_step, self._since = step, 0
        self._since += 1

    def _choose_step(self) -> int:
        if self._step is not None:
            step: int = self._step()
            return step
        return self._seen_step + (self._since - 1 if self._steps_follow else 0)

    # -- a look, on the training thread -------------------------------------------------------------------------------

    def _begin(self, optimizer: torch.optim.Optimizer) -> None:
        with torch.no_grad():
            self._guarded(self._measure, optimizer)

    def _measure(self, optimizer: torch.optim.Optimizer) -> None:
        began_s = time.perf_counter()
        self._step_s = self._step_time_s(began_s)
        parameters = [one for group in optimizer.param_groups for one in group["params"] if one.grad is not None]
        if not parameters:
            return
        names = self._names_of(optimizer, parameters)
        gradients = [plain(cast("torch.Tensor", one.grad)) for one in parameters]
        norms = norms_of(gradients)
        lane = _torch_lanes.lane_of(norms.device)
        options, rates = self._watch.options, self._rates(optimizer)
        look = Look(self._choose_step(), time.time_ns(), self._updates, names, options, lane, lane.mark(), rates)
        look.numbers["norms"] = norms
        look.parameters = [plain(one) for one in parameters]
        if not lane.is_host or not math.isfinite(norms.sum().item()):
            look.numbers["parameters"] = norms_of(look.parameters)  # to see which of them are broken
        look.numbers |= self._scale.take(optimizer)
        look.norm_before_clipping, self.norm_before_clipping = self.norm_before_clipping, None
        if isinstance(look.norm_before_clipping, torch.Tensor):
            look.numbers["before clipping"] = look.norm_before_clipping.detach()
        if len({one.device for one in look.parameters}) == 1:
            look.sample = Sample(look.parameters)
            look.before = look.sample.take()
        look.spent_s = time.perf_counter() - began_s
        if self._watch.options.get("histograms") and self._updates >= self._histogram_pace.due_at:
            self._count(look, gradients)
        self._look = look

    def _names_of(self, optimizer: torch.optim.Optimizer, parameters: list[torch.Tensor]) -> tuple[str, ...]:
        ids = tuple(map(id, parameters))  # of layers that are trained now: some may have been unfrozen
        if ids != self._ids:
            names = self._watch.names(optimizer)
            self._ids, self._names = ids, tuple(names[one] for one in ids)
        return self._names

    def _rates(self, optimizer: torch.optim.Optimizer) -> dict[str, object]:
        if not self._watch.options.get("rates", True):
            return {}
        within = f"{self.label}/" if self.label else ""
        return {f"lr/{name}": rate for name, rate in group_rates(optimizer.param_groups, within).items()}

    def _count(self, look: Look, gradients: list[torch.Tensor]) -> None:
        began_s = time.perf_counter()
        look.with_histograms = True
        wanted, within = look.options.get("histograms"), f"{self.label}/" if self.label else ""
        for section, tensors in (("grad", gradients), ("param", look.parameters)):
            if wanted not in {True, {"grad": "gradients", "param": "parameters"}[section]}:
                continue
            for name, tensor in zip(look.names, tensors, strict=True):
                if _is_shown(name, look.options):
                    look.histograms[f"{section}/{within}histogram/{name}"] = counts_of(tensor)
        self._histogram_pace.spent(self._updates, time.perf_counter() - began_s, self._step_s)

    def _finish(self, look: Look) -> None:
        began_s = time.perf_counter()
        if look.sample is not None:
            look.numbers["weights"] = look.sample.norms(*look.before)
            changes = [
                None if now is None or then is None else now - then
                for now, then in zip(look.sample.take(), look.before, strict=True)
            ]
            look.numbers["changes"] = look.sample.norms(*changes)
            look.sample.let_go()
        look.parameters, look.before = [], (None, None)
        ready = look.lane.mark()
        if not clerk().give(lambda: self._guarded(self._write, look, ready)):
            self._watch.trouble(RuntimeError("the device is so far behind that what it was asked for is not fetched"))
        now_s = time.perf_counter()
        cost_s = look.spent_s + now_s - began_s + self._writing_s
        self._pace.spent(self._updates, max(cost_s, self._device_s), self._step_s)
        self._ended_s, self._looked_at = now_s, self._updates

    def _step_time_s(self, now_s: float) -> float | None:
        """What a step takes without looking, from the last look until now."""
        steps = self._updates - self._looked_at
        return (now_s - self._ended_s) / steps if self._looked_at and steps else None

    # -- the same look, on the clerk's thread -------------------------------------------------------------------------

    def _write(self, look: Look, ready: Any) -> None:
        began_s = time.thread_time()
        on_device = {name: one for name, one in look.histograms.items() if isinstance(one, torch.Tensor)}
        names = list(look.numbers)
        flat = [look.numbers[name].reshape(-1) for name in names]
        fetched = look.lane.fetch([*flat, *on_device.values()], ready)
        self._device_s = look.lane.seconds(look.begun, ready)
        numbers: dict[str, list[float]] = {name: fetched[at].double().tolist() for at, name in enumerate(names)}
        counts = dict(zip(on_device, map(_to_counts, fetched[len(names) :]), strict=True))
        histograms = {name: counts.get(name, one) for name, one in look.histograms.items()}
        measured = self._to_measured(look, numbers, cast("dict[str, ExponentCounts]", histograms))
        self._run.log_beside(to_row(measured, self.label), look.step, look.time_ns)
        for finding in self._judge.judge(measured):
            self._run.log_event(finding.kind, finding.message, level=finding.level, **finding.fields)
        self._writing_s = time.thread_time() - began_s  # it had Python's lock, which the training may have waited for

    def _to_measured(
        self, look: Look, numbers: dict[str, list[float]], histograms: dict[str, ExponentCounts]
    ) -> Measured:
        scale = numbers.get("scale", [1.0])[0]
        skipped = any(numbers.get("found inf", ()))
        norms = [norm / scale for norm in numbers["norms"]]
        extra: dict[str, object] = {**look.rates, **self._scale.series(numbers, look.update)}
        clipped = numbers.get("before clipping", [look.norm_before_clipping])[0]
        if clipped is not None:
            extra[f"grad/{self.label}/norm_preclip" if self.label else "grad/norm_preclip"] = clipped
        broken = numbers.get("parameters", ())
        layers = look.options.get("layers", True)
        return Measured(
            look.step,
            look.time_ns,
            look.update,
            look.names,
            norms,
            math.sqrt(sum(norm * norm for norm in norms)),
            changes=() if look.sample is None else look.sample.whole(numbers["changes"]),
            weights=() if look.sample is None else look.sample.whole(numbers["weights"]),
            shown=[layers and _is_shown(name, look.options) for name in look.names],
            broken=[name for name, one in zip(look.names, broken, strict=False) if not math.isfinite(one)],
            skipped=skipped,
            extra=extra,
            histograms=histograms,
        )


def _to_counts(found: torch.Tensor) -> ExponentCounts:
    values = found.numpy()
    return ExponentCounts(values[:CODES], int(values[CODES]), int(values[CODES + 1]))


def _module(model: object) -> torch.nn.Module:
    if not isinstance(model, torch.nn.Module):
        raise UsageError(f"watch() got a {type(model).__qualname__} as the model; it takes a torch.nn.Module")
    for wrapper in ("_orig_mod", "module"):  # of torch.compile, of data parallelism
        inner = getattr(model, wrapper, None)
        if isinstance(inner, torch.nn.Module) and (
            wrapper == "_orig_mod" or type(model).__name__ in {"DataParallel", "DistributedDataParallel"}
        ):
            return _module(inner)
    return model


def _optimizers(given: object) -> list[torch.optim.Optimizer]:
    if given is None:
        return []
    if isinstance(given, (list, tuple)):
        return [optimizer for one in cast("Iterable[object]", given) for optimizer in _optimizers(one)]
    seen = 0
    while not isinstance(given, torch.optim.Optimizer):  # wrapped by a framework
        given, seen = getattr(given, "optimizer", None), seen + 1
        if given is None or seen > 5:  # noqa: PLR2004  # wrappers in wrappers, or one that leads to itself
            raise UsageError("watch() got an optimizer that is none; it takes a torch.optim.Optimizer, or several")
    return [given]


def _clean(name: str) -> str:
    """The name that the user gave, without what wrappers put into it."""
    for wrapper in ("_orig_mod.", "_fsdp_wrapped_module.", "_checkpoint_wrapped_module."):
        name = name.replace(wrapper, "")
    return name


def _is_shown(name: str, options: WatchOptions) -> bool:
    """Whether a parameter has series of its own."""
    include, exclude = options.get("include", "*"), options.get("exclude", ())
    return _matches(name, include) and not _matches(name, exclude)


def _matches(name: str, patterns: str | Sequence[str]) -> bool:
    return any(fnmatchcase(name, one) for one in ((patterns,) if isinstance(patterns, str) else patterns))


def _is_debugging() -> bool:
    return os.environ.get("TREERING_DEBUG", "") not in {"", "0", "false"}
