"""Keras: a saved model, or weights for one; in safe mode, which runs no code of the file's."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# The framework leaves holes in its own types.

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from treering._framework import framework
from treering.errors import UsageError

with framework("keras", extra="keras"):
    import keras

if TYPE_CHECKING:
    from treering.checkpoints import Restoring

__all__ = ["load"]

# Earlier ones have known ways around `safe_mode=True` (CVE-2025-1550, -8747, -9906, -49655, CVE-2026-1462).
_SAFE_SINCE = (3, 13, 2)


def load(what: Restoring) -> object:
    """Return the model of a .keras file; `into` is a model that takes its weights, or those of a .weights.h5 file.

    None for weights alone, and for .h5 models of old, in which Keras has no safe mode.
    """
    files = what.ending(".keras", ".h5", ".hdf5")
    if len(files) != 1 or len(what.files) != 1:
        return None
    (file,) = files
    if what.into is not None:
        model: Any = what.into
        if not hasattr(model, "load_weights"):
            raise UsageError(f"{what.title}: into= got {what.into!r}; for Keras it takes a model that has been built")
        model.load_weights(file)
        return model
    if file.name.endswith(".weights.h5") or (file.suffix != ".keras" and not what.trusted):
        return None
    version = tuple(int(part) for part in keras.__version__.split(".")[:3] if part.isdigit())
    if not what.trusted and version < _SAFE_SINCE:
        raise what.refused(f"Keras {keras.__version__} does not keep its promise of safe_mode=True; 3.13.2 does")
    try:
        return keras.saving.load_model(file, safe_mode=not what.trusted)
    except ValueError as error:
        if "unsafe" not in str(error).lower() and "lambda" not in str(error).lower():
            raise
        raise what.refused(f"{file.name} has Python code in it (a Lambda layer)") from None
