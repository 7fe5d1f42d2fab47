"""Transformers: the model of a checkpoint's folder."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# The framework leaves holes in its own types.

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from treering._framework import framework
from treering.errors import UsageError
from treering.integrations._torch_loading import fill

with framework("transformers", extra="transformers"):
    import transformers

if TYPE_CHECKING:
    from treering.checkpoints import Restoring

__all__ = ["load"]


def load(what: Restoring) -> object:
    """Return the model that the folder's config.json names, its weights read from safetensors files.

    `into` is a model that takes the weights. None for a folder that holds no whole model, such as an adapter's.
    """
    configs, weights = what.ending("config.json"), what.ending(".safetensors")
    if what.into is not None:
        return fill(what, what.into, weights)
    config = next((one for one in configs if one.name == "config.json"), None)
    if config is None or (not weights and not what.trusted):
        return None
    names = json.loads(config.read_bytes()).get("architectures") or []
    kind: Any = getattr(transformers, names[0], None) if names else None
    if kind is None or not hasattr(kind, "from_pretrained"):
        named = names[0] if names else "no class"
        raise UsageError(
            f"{what.title} names {named}, which Transformers {transformers.__version__} has not; make the model and "
            "say into=model, or take the folder with as_path=True"
        )
    return kind.from_pretrained(config.parent, local_files_only=True, use_safetensors=bool(weights))
