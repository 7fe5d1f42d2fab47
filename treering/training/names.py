"""Names and values of series, the same through every adapter."""

from __future__ import annotations

import struct
import sys
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["learning_rates", "metric_name", "number", "numbers"]

SECTIONS = frozenset({"eval", "test", "train", "val"})


@lru_cache(maxsize=4096)
def metric_name(name: str, prefix: str | None = None) -> str:
    """The name of a series: `val_loss` is `val/loss`, `loss` is `<prefix>/loss`, a name with a slash stays."""
    if "/" in name:
        return name
    section, _, rest = name.partition("_")
    if rest and section in SECTIONS:
        return f"{section}/{rest}"
    return f"{prefix}/{name}" if prefix else name


def learning_rates(rates: Mapping[str, object] | Sequence[object]) -> dict[str, object]:
    """`lr/<group>` for each parameter group: by its name, or by its number where groups have none."""
    named = rates.items() if isinstance(rates, Mapping) else enumerate(rates)
    return {f"lr/{group}": rate for group, rate in named}


def number(value: object) -> object:
    """A tensor or array of one element as a Python number (this waits for its device); anything else as it is."""
    if type(value) in {float, int, str, bool}:
        return value
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple) and all(size == 1 for size in cast("tuple[int, ...]", shape)):
        item = getattr(value, "item", None)
        if callable(item):
            return item()
    return value


def numbers(values: Mapping[str, object]) -> dict[str, object]:
    """`number` of each value; tensors of PyTorch that lie on one device come over together, so it is waited for once.

    Args:
        values: any objects by name; returned in the same order.
    """
    row: dict[str, object] = {}
    elsewhere: dict[object, dict[str, Any]] = {}
    for name, value in values.items():
        row[name] = value
        if type(value) in {float, int, str, bool}:
            continue
        device = getattr(value, "device", None)
        if getattr(device, "type", "cpu") != "cpu" and _is_scalar_of_torch(value):
            elsewhere.setdefault(device, {})[name] = value
        elif (begin := getattr(value, "copy_to_host_async", None)) is not None:  # JAX: all are on their way at once
            elsewhere.setdefault(None, {})[name] = value
            begin()
        else:
            row[name] = number(value)
    for device, found in elsewhere.items():
        read = [number(one) for one in found.values()] if device is None else _fetched(list(found.values()))
        row.update(zip(found, read, strict=True))
    return row


def _is_scalar_of_torch(value: Any) -> bool:
    torch: Any = sys.modules.get("torch")
    # One that is spread over devices (a DTensor) has to be put together, by whatever `item` does.
    return (
        torch is not None
        and isinstance(value, torch.Tensor)
        and value.numel() == 1
        and not value.dtype.is_complex
        and not hasattr(value, "device_mesh")
    )


def _fetched(tensors: list[Any]) -> list[object]:
    """Read tensors of one element on one device in one transfer; all stay what they are, to the last bit."""
    torch: Any = sys.modules["torch"]
    alone = [one.detach().reshape(()) for one in tensors]
    if len({one.dtype for one in alone}) == 1:
        return list(torch.stack(alone).to("cpu").tolist())
    together = torch.stack([_as_integer(torch, one) for one in alone]).to("cpu").tolist()
    return [_as_it_was(torch, one.dtype, bits) for one, bits in zip(alone, together, strict=True)]


def _as_integer(torch: Any, scalar: Any) -> Any:
    if not scalar.dtype.is_floating_point:
        return scalar.to(torch.int64)
    if scalar.dtype == torch.float64:
        return scalar.view(torch.int64)
    return scalar.to(torch.float32).view(torch.int32).to(torch.int64)  # not by way of 64 bits, which some devices lack


def _as_it_was(torch: Any, dtype: Any, bits: int) -> object:
    if not dtype.is_floating_point:
        return bool(bits) if dtype == torch.bool else bits
    if dtype == torch.float64:
        return struct.unpack("d", struct.pack("q", bits))[0]
    return struct.unpack("f", struct.pack("i", bits))[0]
