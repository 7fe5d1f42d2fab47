"""PyTorch: checkpoints that were checked byte by byte, as tensors; nothing that could run code is unpickled."""

from __future__ import annotations

import pickle
from typing import IO, TYPE_CHECKING, Any, cast

from treering._framework import framework
from treering.errors import UsageError

with framework("torch", extra="lightning"):
    import torch

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from treering.checkpoints import Restoring

__all__ = ["fill", "load", "load_tensors", "read", "unpickle"]

_FILES = (".safetensors", ".pt", ".pth", ".ckpt", ".bin")
# Earlier ones have known ways around `weights_only=True` (CVE-2025-32434, CVE-2026-24747).
_SAFE_SINCE = (2, 10)
_WITHIN = ("state_dict", "model_state_dict", "model")


def load(what: Restoring) -> object:
    """Return what is in a checkpoint's only file: tensors, a state dict, plain data; None where there are several.

    `into` is a module that takes the weights.
    """
    files = what.ending(*_FILES)
    if isinstance(what.into, torch.nn.Module):
        return fill(what, what.into, files)
    if what.into is not None:
        raise UsageError(f"{what.title}: into= got {what.into!r}; for PyTorch it takes a torch.nn.Module")
    return read(what, files[0]) if len(files) == 1 and len(what.files) == 1 else None


def read(what: Restoring, file: Path) -> object:
    """Return what is in one file, on the CPU.

    Raises:
        UsageError: it holds more than tensors and plain data, and the caller does not trust it.
    """
    return load_tensors([file]) if file.suffix == ".safetensors" else unpickle(what, file, file.name)


def unpickle(what: Restoring, file: Path | IO[bytes], name: str) -> object:
    """Return what `torch.save` has written, as `read` does."""
    version = tuple(int(part) for part in torch.__version__.split("+")[0].split(".")[:2] if part.isdigit())
    if not what.trusted and version < _SAFE_SINCE:
        raise what.refused(f"PyTorch {torch.__version__} does not keep its promise of weights_only=True; 2.10 does")
    try:
        return cast("object", torch.load(file, map_location="cpu", weights_only=not what.trusted))
    except pickle.UnpicklingError as error:
        first = str(error).partition("\n")[0]
        raise what.refused(f"{name} holds more than tensors and plain data ({first})") from None


def load_tensors(files: Iterable[Path]) -> dict[str, Any]:
    """Return the tensors of safetensors files."""
    from safetensors.torch import load_file  # pyright: ignore[reportUnknownVariableType]  # half typed

    found: dict[str, Any] = {}
    for file in files:
        found.update(load_file(str(file)))
    return found


def fill(what: Restoring, model: Any, files: list[Path]) -> Any:
    """Give a module the weights that are in these files, and return it.

    Raises:
        UsageError: there is not one state dict in them.
    """
    safe = [file for file in files if file.suffix == ".safetensors"]
    if safe:
        weights: Mapping[str, Any] = load_tensors(safe)
    elif len(files) == 1:
        held = read(what, files[0])
        weights = cast("Mapping[str, Any]", held) if isinstance(held, dict) else {}
        weights = next((weights[name] for name in _WITHIN if isinstance(weights.get(name), dict)), weights)
    else:
        raise UsageError(
            f"{what.title} has {len(files)} files of weights; into= takes one. as_path=True gives them all"
        )
    lacking, unknown = model.load_state_dict(weights, strict=False)
    tied = _tied(model)
    missing = [name for name in lacking if not tied.get(name, set[str]()) & weights.keys()]
    if missing or unknown:
        raise UsageError(
            f"{what.title} does not fit {type(model).__name__}: it lacks {', '.join(missing[:5]) or 'nothing'} and has "
            f"{', '.join(list(unknown)[:5]) or 'nothing'} in addition"
        )
    return model


def _tied(model: Any) -> dict[str, set[str]]:
    """Return, for each weight of a module, the names of those that are the same tensor: only one of them is saved."""
    names: dict[int, set[str]] = {}
    for name, tensor in model.state_dict(keep_vars=True).items():
        names.setdefault(id(tensor), set()).add(name)
    return {name: group for group in names.values() for name in group}
