"""Accelerate: the weights of a folder that `save_state` wrote, for a model; the folder for `load_state`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treering.integrations._torch_loading import fill

if TYPE_CHECKING:
    from treering.checkpoints import Restoring

__all__ = ["load"]


def load(what: Restoring) -> object:
    """Return `into`, a model, with its weights; without it None: `load_state` takes the folder."""
    return None if what.into is None else fill(what, what.into, what.ending(".safetensors"))
