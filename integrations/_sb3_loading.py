"""Stable-Baselines3: a model's zip, whose settings are pickled while its weights are not."""

from __future__ import annotations

import importlib
import inspect
import io
import zipfile
from typing import TYPE_CHECKING, Any, cast

from treering._framework import framework
from treering.errors import UsageError
from treering.integrations._torch_loading import unpickle

with framework("stable_baselines3", extra="sb3"):
    import stable_baselines3
    from stable_baselines3.common.save_util import recursive_setattr

if TYPE_CHECKING:
    from pathlib import Path

    from treering.checkpoints import Restoring

__all__ = ["load"]

# Beside the state dicts: single tensors, such as SAC's entropy coefficient, that a model sets when it is trained on.
_VARIABLES = "pytorch_variables.pth"


def load(what: Restoring) -> object:
    """Return None (the path) unless there is a model to fill or the zip is trusted.

    `into` is a model, whose weights are set without unpickling anything; or, with `trusted`, an algorithm's class.
    """
    zips = what.ending(".zip")
    if what.into is None and not what.trusted:
        return None
    if len(zips) != 1:
        raise UsageError(f"{what.title} has {len(zips)} zips and one is loaded; as_path=True gives the folder")
    into: Any = _algorithm(what) if what.into is None else what.into
    if not inspect.isclass(into):
        return _fill(what, into, zips[0])
    if not what.trusted:
        raise what.refused(
            f"the settings in {zips[0].name} are pickled. A model that you made takes its weights safely: into=model"
        )
    algorithm: Any = into
    return algorithm.load(zips[0], device="cpu")


def _fill(what: Restoring, model: Any, file: Path) -> Any:
    """Give a model the weights and the optimizers' states of a zip, without the settings, which are pickled."""
    with zipfile.ZipFile(file) as archive:
        names = [name for name in archive.namelist() if name.endswith(".pth") and name != _VARIABLES]
        variables = (
            unpickle(what, io.BytesIO(archive.read(_VARIABLES)), _VARIABLES)
            if _VARIABLES in archive.namelist()
            else None
        )
        parameters = {name.removesuffix(".pth"): unpickle(what, io.BytesIO(archive.read(name)), name) for name in names}
    model.set_parameters(parameters, device="cpu")
    for name, tensor in cast("dict[str, Any]", variables or {}).items():
        if tensor is not None:
            recursive_setattr(model, f"{name}.data", tensor.data)
    return model


def _algorithm(what: Restoring) -> Any:
    """The class that the checkpoint's callback has noted."""
    named = what.metadata.get("algorithm")
    module, _, name = named.rpartition(".") if isinstance(named, str) else ("", "", "")
    if module.partition(".")[0] not in {"stable_baselines3", "sb3_contrib"}:
        known = ", ".join(one for one in ("PPO", "A2C", "DQN", "SAC", "TD3", "DDPG") if hasattr(stable_baselines3, one))
        raise UsageError(f"{what.title} does not say which algorithm it is of; say into=, one of {known}, ...")
    return getattr(importlib.import_module(module), name)
