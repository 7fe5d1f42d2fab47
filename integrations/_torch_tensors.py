"""What is taken from gradients and parameters: norms, samples and counts of exponents, on the device that has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from treering._gradients import CODES, ExponentCounts

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

__all__ = ["count_on_device", "count_on_host", "counts_of", "norms_of", "plain", "sample_of"]

# Of a larger tensor so many pieces, evenly spaced, stand for all, where a copy of all would cost too much memory. A
# piece is what memory brings at once: single elements, as far apart, would take sixteen times as long.
_PIECES, _PIECE = 256, 16
_WHOLE = _PIECES * _PIECE
# Elements a pass: what a pass needs beside them stays small, and on the host in the cache.
_HOST_BLOCK, _DEVICE_BLOCK = 1 << 14, 1 << 24
_LOW = {torch.float16, torch.bfloat16}


def plain(tensor: torch.Tensor) -> torch.Tensor:
    """Return the values that this process has of a tensor: of a sharded one its shard, of a sparse one what is set."""
    tensor = tensor.detach()
    to_local = getattr(tensor, "to_local", None)
    if to_local is not None:
        tensor = to_local()
    if tensor.is_sparse:
        tensor = tensor.coalesce().values()
    return torch.view_as_real(tensor) if tensor.is_complex() else tensor


def norms_of(tensors: Sequence[torch.Tensor]) -> torch.Tensor:
    """Return the 2-norm of each tensor, (n,), on the device of the first that is no host tensor."""
    library: Any = torch
    parts: list[torch.Tensor]
    if any(tensor.dtype in _LOW for tensor in tensors):  # their own type has no room for the sum of squares
        parts = [library.linalg.vector_norm(one, dtype=torch.float32 if one.dtype in _LOW else None) for one in tensors]
    else:
        parts = list(library._foreach_norm(list(tensors), 2.0))
    return _together(parts)


def _together(parts: list[torch.Tensor]) -> torch.Tensor:
    devices = {part.device for part in parts}
    if len(devices) > 1:
        device = next(part.device for part in parts if part.device.type != "cpu")
        parts = [part.to(device, non_blocking=True) for part in parts]
    if len({part.dtype for part in parts}) > 1:
        parts = [part.double() for part in parts]
    return torch.stack(parts)


def sample_of(tensor: torch.Tensor) -> tuple[torch.Tensor, float]:
    """Return up to 4,096 elements, flat, and how many times as large the norm of all is about."""
    flat = tensor.view(-1) if tensor.is_contiguous() else tensor.reshape(-1)
    size = flat.numel()
    if size <= _WHOLE:
        return flat, 1.0
    distance = ((size - _PIECE) // (_PIECES - 1) - 1) | 1  # odd: not from the same few columns of a matrix each time
    picked = flat.as_strided((_PIECES, _PIECE), (distance, 1)).reshape(-1)
    return picked, float((size / _WHOLE) ** 0.5)


def counts_of(tensor: torch.Tensor) -> ExponentCounts | torch.Tensor:
    """Count the exponents of a tensor's values where they are; see `ExponentCounts`."""
    return count_on_host(tensor) if tensor.device.type == "cpu" else count_on_device(tensor)


def count_on_host(tensor: torch.Tensor) -> ExponentCounts:
    """Count in one pass over the values."""
    flat: npt.NDArray[np.float32] = tensor.reshape(-1).to(torch.float32).numpy()
    bits = flat.view(np.uint32)
    counts = np.zeros(CODES, np.int64)
    codes = np.empty(min(_HOST_BLOCK, bits.size), np.intp)  # what bincount counts without a copy
    for start in range(0, bits.size, _HOST_BLOCK):
        block = bits[start : start + _HOST_BLOCK]
        np.right_shift(block, 23, out=codes[: block.size], casting="unsafe")
        counts += np.bincount(codes[: block.size], minlength=CODES)
    if counts[255] + counts[511] == 0:
        return ExponentCounts(counts)
    return ExponentCounts(counts, int(np.isnan(flat).sum()), int(np.isposinf(flat).sum()))


def count_on_device(tensor: torch.Tensor) -> torch.Tensor:
    """Count without the host's knowing any value: (514,) numbers, of each code, of NaN and of +infinity."""
    flat = tensor.reshape(-1)
    found = torch.zeros(CODES + 2, dtype=torch.int64, device=tensor.device)
    for start in range(0, flat.numel(), _DEVICE_BLOCK):
        block = flat[start : start + _DEVICE_BLOCK].to(torch.float32).contiguous()
        codes = (block.view(torch.int32) >> 23) & (CODES - 1)
        found[:CODES] += _bins(codes)
        found[CODES] += torch.isnan(block).sum()
        found[CODES + 1] += torch.isposinf(block).sum()
    return found


def _bins(codes: torch.Tensor) -> torch.Tensor:
    if codes.device.type == "cuda":  # not bincount: it asks the device for the largest value, and waits for the answer
        return torch.histc(codes, bins=CODES, min=0, max=CODES)
    ones = torch.ones(1, dtype=torch.int64, device=codes.device).expand(codes.numel())
    return torch.zeros(CODES, dtype=torch.int64, device=codes.device).scatter_add_(0, codes.long(), ones)
