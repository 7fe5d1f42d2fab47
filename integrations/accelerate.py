"""Accelerate: the Accelerator that a tracker belongs to, and what a run's config says of it."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any

from treering._framework import framework
from treering.integrations.torch import describe_model, describe_optimizer

with framework("accelerate", extra="accelerate"):
    import accelerate

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["accelerator_of", "describe"]

SETTINGS = ("num_processes", "mixed_precision", "gradient_accumulation_steps")


def accelerator_of(tracker: object) -> Any:
    """Return the Accelerator that a tracker was given to, None where there is none.

    It gives a tracker no way to itself, so it is looked for among all objects, once.
    """
    kind = accelerate.Accelerator
    every = (one for one in gc.get_objects() if issubclass(type(one), kind))
    return next((one for one in every if any(each is tracker for each in getattr(one, "trackers", ()))), None)


def describe(accelerator: Any) -> Iterator[tuple[str, object]]:
    """Yield the parts of a run's config: version, and of an Accelerator its settings, models and optimizers."""
    yield "version", accelerate.__version__
    if accelerator is not None:
        settings = {name: getattr(accelerator, name) for name in SETTINGS}
        yield "accelerator", {**settings, "distributed_type": accelerator.distributed_type.value}
        yield "models", [describe_model(getattr(model, "module", model)) for model in accelerator._models]
        yield "optimizers", [describe_optimizer(each.optimizer) for each in accelerator._optimizers]
