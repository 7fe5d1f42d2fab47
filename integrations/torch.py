"""PyTorch: models and optimizers as settings of a run, and the way to their gradients. Imports no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from treering.training import learning_rates

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import torch

    from treering._run import Run
    from treering.watching import Watched, WatchOptions

__all__ = ["describe_model", "describe_optimizer", "group_rates", "named_rates", "watch"]


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
    return {f"{within}{group.get('name', number)}": group["lr"] for number, group in enumerate(groups)}


def named_rates(groups: Iterable[Mapping[str, Any]], rates: Iterable[object], within: str = "") -> dict[str, object]:
    """`lr/<group>` for learning rates that were taken from the same groups at an earlier step."""
    return learning_rates(dict(zip(group_rates(groups, within), rates, strict=False)))
