"""Watching a model while it trains: `treering.watch(model)`.

How a model is looked into is its framework's business. An object whose class comes from a package X is watched by the
function `watch` of `treering.integrations.X`, where there is one; nothing here names a framework.
"""

from __future__ import annotations

import importlib
import importlib.util
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypedDict, cast

from treering._rows import Rows
from treering.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from typing_extensions import Unpack

    from treering._run import Run

__all__ = ["Watch", "WatchOptions", "Watched", "Watching", "checked_options", "unwatch", "watch"]


class WatchOptions(TypedDict, total=False):
    """How a model is watched.

    Attributes:
        every: optimizer updates from one look to the next; "auto" (the default) finds what the budget allows.
        budget: share of the training's time that looking may take; default 0.02.
        layers: a series for each parameter, beside the one of all together; default True.
        include: only parameters with these names get series of their own: a glob such as "encoder.*", or several.
        exclude: parameters with these names do not.
        histograms: True for those of gradients and parameters, or "gradients", or "parameters"; default False.
        name: told apart by this from others that are watched in the same run.
        step: called for the step of a row; default the step of the run's next row, counted on where rows are rarer than
            updates.
        scaler: the loss scaler, to record its scale and the updates that it leaves out.
        rates: learning rates too; default True.
        log: as in W&B: "gradients", "parameters", "all" or None, for the histograms.
        log_freq: as in W&B: another word for `every`.
    """

    every: int | Literal["auto"]
    budget: float
    layers: bool
    include: str | Sequence[str]
    exclude: str | Sequence[str]
    histograms: bool | Literal["gradients", "parameters"]
    name: str
    step: Callable[[], int] | None
    scaler: object
    rates: bool
    log: Literal["gradients", "parameters", "all"] | None
    log_freq: int


class Watch(Protocol):
    """A model that is being watched."""

    def clipped(self, norm: object, optimizer: object = None) -> None:
        """Say what the gradients' norm was before they were clipped (what `clip_grad_norm_` returns).

        Args:
            norm: a number or a tensor of one element, which may live on any device.
            optimizer: whose gradients, where several are watched.
        """

    def close(self) -> None:
        """Stop watching; what was seen so far is in the run when this returns."""


class Watched(Watch, Protocol):
    """What an integration's `watch` returns: in addition what only this module asks for."""

    def covers(self, model: object, optimizer: object) -> bool:
        """Whether these are the ones that are watched; with None for both, whether they are nobody else's."""
        ...

    def change(self, options: WatchOptions) -> None:
        """Take other options from now on."""

    def settle(self, timeout_s: float) -> None:
        """Wait until what was seen so far is in the run."""


class Watching(Rows):
    """The part of a `Run` that watches models."""

    def watch(self, model: object = None, optimizer: object = None, **options: Unpack[WatchOptions]) -> Watch:
        """Record gradients at each update of the optimizer, or as often as a budget allows.

        Recorded, as series over the run's steps: `grad/norm` and `grad/layer/<parameter>`, the gradients' norms as the
        optimizer takes them; `update/ratio` and `update/layer/<parameter>`, the size of the update relative to the
        weights; `lr/<group>`; with `histograms`, `grad/histogram/<parameter>` and `param/histogram/<parameter>`. Events
        name the first parameter with a NaN or an infinity, and layers that die or explode. No look makes the training
        wait for its device: rows are written in the background, and may come a few steps later.

        Called again for the same model and optimizer it changes options. The run's end ends it.

        Args:
            model: gives parameters their names; or a list of models.
            optimizer: whose updates to look at, or a list; default each that updates parameters of the model. A loss
                function here, as W&B takes it, is left alone.
            **options: see `WatchOptions`.

        Raises:
            UsageError: neither a model nor an optimizer of a framework that can be watched, or an option that is none.
        """
        wanted = checked_options(options)
        if isinstance(model, (list, tuple)):
            models = cast("Sequence[object]", model)
            named = [{**wanted, "name": f"{at}"} if "name" not in wanted else wanted for at in range(len(models))]
            return _Several([self.watch(one, optimizer, **cast("Any", each)) for one, each in zip(models, named)])  # noqa: B905  # one each
        look = _integration(model, optimizer)
        optimizer = None if callable(optimizer) else optimizer
        if self._recording.inert:
            return _Several([])
        for known in self._watches:
            if known.covers(model, optimizer):
                known.change(wanted)
                return known
        found = look(self, model, optimizer, wanted)
        self._watches.append(found)
        cast("Any", self).define_metric("update", hidden=True)  # an axis for the others, no curve of its own
        return found

    def unwatch(self, model: object = None) -> None:
        """Stop watching a model (or an optimizer); without one, all that this run watches."""
        for known in list(self._watches):
            if model is None or known.covers(model, None) or known.covers(None, model):
                self.end_watch(known)

    def end_watch(self, watch: Watch) -> None:
        """Stop one that `watch` returned."""
        watch.close()
        self._watches[:] = [known for known in self._watches if known is not watch]

    @property
    def watches(self) -> tuple[Watched, ...]:
        """All that this run watches."""
        return tuple(self._watches)

    def _end_watches(self) -> None:
        """Bring in what was seen up to the end."""
        while self._watches:
            self._watches.pop().close()
        next_row, step = self._beside
        if next_row == self._row and step < self._step - 1:
            self.log({}, self._step - 1)  # a resumed run goes on where its last row says


class _Several:
    """What watches several models, or none."""

    def __init__(self, parts: Sequence[Watch]) -> None:
        self._parts = parts

    def clipped(self, norm: object, optimizer: object = None) -> None:
        for part in self._parts:
            part.clipped(norm, optimizer)

    def close(self) -> None:
        for part in self._parts:
            part.close()


def watch(
    model: object = None, optimizer: object = None, *, run: Run | None = None, **options: Unpack[WatchOptions]
) -> Watch:
    """Watch a model's gradients for a run, the active one by default; see `Run.watch`."""
    return _run(run, "watch").watch(model, optimizer, **options)


def unwatch(model: object = None, *, run: Run | None = None) -> None:
    """Stop watching a model, or all; see `Run.unwatch`."""
    _run(run, "unwatch").unwatch(model)


def _run(run: Run | None, verb: str) -> Run:
    from treering.active import active_run

    run = run or active_run()
    if run is None:
        raise UsageError(f"treering.{verb}() needs a run; call treering.init() first")
    return run


def checked_options(options: Mapping[str, Any]) -> WatchOptions:
    """Return the options in our own words.

    Raises:
        UsageError: an option that there is not, or a value that it does not take.
    """
    wanted: dict[str, Any] = {name: value for name, value in options.items() if name not in _FOREIGN}
    if unknown := wanted.keys() - WatchOptions.__annotations__.keys():
        raise UsageError(f"watch() got {min(unknown)!r}; its options are {', '.join(WatchOptions.__annotations__)}")
    if "log" in wanted:
        log = wanted.pop("log")
        if log not in _HISTOGRAMS:
            raise UsageError(f"watch() got log={log!r}; it takes 'gradients', 'parameters', 'all' or None")
        wanted.setdefault("histograms", _HISTOGRAMS[log])
    if "log_freq" in wanted:
        wanted.setdefault("every", wanted.pop("log_freq"))
    every = wanted.get("every", "auto")
    if every != "auto" and (type(every) is not int or every < 1):
        raise UsageError(f"watch() got every={every!r}; it takes a number of updates, 1 or more, or 'auto'")
    if not 0 < wanted.get("budget", 0.02) <= 1:
        raise UsageError(f"watch() got budget={wanted['budget']!r}; it takes a share of the time, such as 0.02")
    if wanted.get("histograms", False) not in {True, False, "gradients", "parameters"}:
        raise UsageError(
            f"watch() got histograms={wanted['histograms']!r}; it takes True, False, 'gradients' or 'parameters'"
        )
    return cast("WatchOptions", wanted)


_HISTOGRAMS: dict[str | None, object] = {
    "gradients": "gradients",
    "parameters": "parameters",
    "all": True,
    None: False,
}
# W&B's, without a meaning here.
_FOREIGN = frozenset({"idx", "log_graph"})


def _integration(*objects: object) -> Callable[[Any, object, object, WatchOptions], Watched]:
    for one in objects:
        for kind in type(one).__mro__:
            name = f"treering.integrations.{kind.__module__.partition('.')[0]}"
            if name.rpartition(".")[2] not in {"builtins", "treering"} and importlib.util.find_spec(name) is not None:
                look = getattr(importlib.import_module(name), "watch", None)
                if look is not None:
                    return cast("Callable[[Any, object, object, WatchOptions], Watched]", look)
    found = ", ".join(type(one).__qualname__ for one in objects if one is not None)
    raise UsageError(
        f"watch() got {found or 'nothing'}; it takes a model or an optimizer of a framework whose gradients it can "
        "see, such as PyTorch"
    )
