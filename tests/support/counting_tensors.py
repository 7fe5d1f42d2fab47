"""Tensors that say they lie on a device which no test machine has, and what is done to bring them here."""

from __future__ import annotations

from typing import Any

import torch
from torch.utils._pytree import tree_map_only
from typing_extensions import Self

__all__ = ["Transfers", "on_device"]

_DEVICE = torch.device("cuda", 0)
# What makes a program wait for its device, beside a copy from it.
_WAITS = {"_local_scalar_dense", "item", "nonzero", "is_nonzero", "equal"}


class Transfers:
    """Writes down, while it is entered, what is done with such tensors."""

    def __enter__(self) -> Self:
        global _seen
        self.names: list[str] = []
        _seen = self
        return self

    def __exit__(self, *_: object) -> None:
        global _seen
        _seen = None

    @property
    def transfers(self) -> int:
        """How many times the device was waited for."""
        return sum(name == "to cpu" or name in _WAITS for name in self.names)


_seen: Transfers | None = None


class Far(torch.Tensor):
    """A tensor whose values are here, and which says that they are not."""

    here: torch.Tensor

    def __new__(cls, here: torch.Tensor) -> Self:
        far = torch.Tensor._make_wrapper_subclass(cls, here.shape, dtype=here.dtype, device=_DEVICE)
        far.here = here
        return far

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]  # torch's own stub is not one of a class method
        cls, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        name = func.overloadpacket.__name__
        target = kwargs.get("device")
        leaves = name in _WAITS or (target is not None and torch.device(target).type == "cpu")
        if target is not None:
            kwargs["device"] = torch.device("cpu")
        if _seen is not None:
            _seen.names.append("to cpu" if leaves and name == "_to_copy" else name)
        here = func(*tree_map_only(Far, lambda one: one.here, args), **tree_map_only(Far, lambda one: one.here, kwargs))
        return here if leaves else tree_map_only(torch.Tensor, Far, here)


def on_device(tensor: torch.Tensor) -> torch.Tensor:
    """Return a tensor as one of the device."""
    return Far(tensor)
