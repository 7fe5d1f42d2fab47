"""PyTorch: models and optimizers as settings of a run, and the way to their gradients. Imports no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from treering.training import learning_rates

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import torch

    from treering._run import Run
    from treering.watching import Watched, WatchOptions

__all__ = ["Rates", "describe_model", "describe_optimizer", "group_rates", "watch"]


def watch(run: Run, model: object, optimizer: object, options: WatchOptions) -> Watched:
    """Look at gradients at the optimizers' steps; see `Run.watch`."""
    from treering.integrations._torch_watch import TorchWatch

    return TorchWatch(run, model, optimizer, options)


def describe_model(model: torch.nn.Module) -> dict[str, object]:
    """The model's class and its numbers of parameters, those of layers that have no shape yet left out."""
    sizes = [
        (parameter.numel(), parameter.requires_grad)
        for parameter in model.parameters()
        if not hasattr(parameter, "cls_to_become")  # lazy layers: numel() raises before the first batch
    ]
    return {
        "class": type(model).__qualname__,
        "parameters": sum(size for size, _ in sizes),
        "trainable_parameters": sum(size for size, trained in sizes if trained),
    }


def describe_optimizer(optimizer: torch.optim.Optimizer) -> dict[str, object]:
    """The optimizer's class and the settings that its parameter groups start from."""
    return {"class": type(optimizer).__qualname__, "groups": len(optimizer.param_groups), **optimizer.defaults}


def group_rates(groups: Iterable[Mapping[str, Any]], within: str = "") -> dict[str, object]:
    """The learning rate of each parameter group, by the group's name or else its number, after `within`."""
    return {f"{within}{group.get('name', number)}": group.get("lr") for number, group in enumerate(groups)}


class Rates:
    """The learning rates of the last updates, kept until a row is logged: by then schedulers have set the next ones."""

    def __init__(self) -> None:
        self._taken: dict[int, list[Any]] = {}  # of the groups of each optimizer, by its identity
        self._names: dict[int, list[str]] = {}

    def take(self, optimizer: torch.optim.Optimizer) -> None:
        """Keep the rates of the update that this optimizer makes now; comes with each step, so they are not named."""
        self._taken[id(optimizer)] = [
            rate if type(rate := group.get("lr")) is float else _as_it_is(rate) for group in optimizer.param_groups
        ]

    def row(self, optimizers: Sequence[torch.optim.Optimizer]) -> dict[str, object]:
        """`lr/<group>` as they were taken; `lr/<place>/<group>` where there are several optimizers.

        Args:
            optimizers: all that may have made an update.
        """
        row: dict[str, object] = {}
        for optimizer, rates in self._taken.items():
            names = self._names.get(optimizer, ())
            if len(names) != len(rates):
                names = self._names[optimizer] = _series(optimizer, optimizers)
            row.update(zip(names, rates, strict=False))
        return row


def _as_it_is(rate: Any) -> object:
    """A tensor is changed in place by schedulers."""
    return rate.detach().clone() if hasattr(rate, "detach") else rate


def _series(identity: int, optimizers: Sequence[torch.optim.Optimizer]) -> list[str]:
    bare = [getattr(one, "optimizer", one) for one in optimizers]  # Accelerate wraps them
    place = next(number for number, one in enumerate(bare) if identity in {id(one), id(optimizers[number])})
    within = f"{place}/" if len(optimizers) > 1 else ""
    return list(learning_rates(group_rates(bare[place].param_groups, within)))
