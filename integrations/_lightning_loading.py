"""Lightning: a checkpoint as its dict, or as the module that it belongs to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from treering.errors import UsageError
from treering.integrations._torch_loading import read

if TYPE_CHECKING:
    from treering.checkpoints import Restoring

__all__ = ["load"]


def load(what: Restoring) -> object:
    """Return the checkpoint's dict; with `into`, a module, or a class that is made with the saved hyperparameters.

    None for a sharded checkpoint, which is a folder.
    """
    files = what.ending(".ckpt")
    if len(files) != 1 or len(what.files) != 1:
        if what.into is not None:
            raise UsageError(f"{what.title} has {len(what.files)} files; as_path=True gives the folder for the Trainer")
        return None
    checkpoint = cast("dict[str, Any]", read(what, files[0]))
    if what.into is None:
        return checkpoint
    module: Any = what.into
    if isinstance(module, type):
        module = module(**checkpoint.get("hyper_parameters", {}))
    if not hasattr(module, "on_load_checkpoint"):
        raise UsageError(f"{what.title}: into= got {what.into!r}; for Lightning it takes a LightningModule")
    module.on_load_checkpoint(checkpoint)
    module.load_state_dict(checkpoint["state_dict"])
    return module
