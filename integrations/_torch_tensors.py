"""What is taken from gradients and parameters: norms, samples and counts of exponents, on the device that has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from treering.training.gradients import CODES, ExponentCounts

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

__all__ = ["Sample", "count_on_device", "count_on_host", "counts_of", "norms_of", "plain"]

# Of a larger tensor so many pieces, evenly spaced, stand for all, where a copy of all would cost too much memory. A
# piece is what memory brings at once: single elements, as far apart, would take sixteen times as long.
_PIECES, _PIECE = 256, 16
_WHOLE = _PIECES * _PIECE
# Elements a pass: what a pass needs beside them stays small, and on the host in the cache.
_HOST_BLOCK, _DEVICE_BLOCK = 1 << 14, 1 << 24
_USUAL = {torch.Tensor, torch.nn.Parameter}
_LOW = {torch.float16, torch.bfloat16}


def plain(tensor: torch.Tensor) -> torch.Tensor:
    """Return the values that this process has of a tensor: of a sharded one its shard, of a sparse one what is set.

    For use without autograd: the usual tensor is returned as it is.
    """
    if type(tensor) in _USUAL and tensor.layout is torch.strided and not tensor.is_complex():
        return tensor
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


class Sample:
    """Up to 4,096 elements of each of several tensors; taken twice, they say how much the tensors changed.

    Args:
        tensors: on one device.
    """

    def __init__(self, tensors: Sequence[torch.Tensor]) -> None:
        sizes = [tensor.numel() for tensor in tensors]
        large = [at for at, size in enumerate(sizes) if size > _WHOLE]
        small = [at for at, size in enumerate(sizes) if size <= _WHOLE]
        # How many times as large the norm of each whole tensor is about, in the order in which norms come.
        self._factors = [(at, (max(sizes[at], _WHOLE) / _WHOLE) ** 0.5) for at in large + small]
        self._large = [(tensors[at], _is_dense(tensors[at]), _distance(sizes[at])) for at in large]
        self._small = [tensors[at] for at in small]
        self._sizes = [sizes[at] for at in small]

    def take(self) -> tuple[torch.Tensor | None, torch.Tensor | None]:
        """Copy the elements as they are now: of large tensors, in pieces, and all of small ones."""
        # In as few calls as there can be: here a call costs more than what it does.
        large = [
            (tensor if dense else tensor.reshape(-1)).as_strided((_PIECES, _PIECE), (distance, 1))
            for tensor, dense, distance in self._large
        ]
        small = [tensor if tensor.ndim == 1 else tensor.reshape(-1) for tensor in self._small]
        return torch.cat(large) if large else None, torch.cat(small) if small else None

    def norms(self, large: torch.Tensor | None, small: torch.Tensor | None) -> torch.Tensor:
        """The 2-norm of the elements of each tensor, (n,), in an order that `whole` knows."""
        library: Any = torch
        parts: list[torch.Tensor] = []
        if large is not None:
            rows = large.view(-1, _WHOLE)
            low = rows.dtype in _LOW
            parts.append(library.linalg.vector_norm(rows, dim=1, dtype=torch.float32 if low else None))
        if small is not None:
            parts.append(norms_of(torch.split(small, self._sizes)))
        return torch.cat(parts)

    def let_go(self) -> None:
        """Keep the tensors no longer."""
        self._large, self._small = [], []

    def whole(self, norms: Sequence[float]) -> list[float]:
        """What `norms` gave, as norms of the whole tensors, about, in the tensors' order."""
        found = [0.0] * len(norms)
        for (at, factor), norm in zip(self._factors, norms, strict=True):
            found[at] = norm * factor
        return found


def _is_dense(tensor: torch.Tensor) -> bool:
    """Whether the elements lie side by side in memory, in whichever order."""
    return tensor.is_contiguous() or (tensor.ndim == 4 and tensor.is_contiguous(memory_format=torch.channels_last))  # noqa: PLR2004


def _distance(size: int) -> int:
    """From one piece of a tensor to the next; odd, so as not to be from the same few columns of a matrix each time."""
    return ((size - _PIECE) // (_PIECES - 1) - 1) | 1


def counts_of(tensor: torch.Tensor) -> ExponentCounts | torch.Tensor:
    """Count the exponents of a tensor's values where they are; see `ExponentCounts`."""
    return count_on_host(tensor) if tensor.device.type == "cpu" else count_on_device(tensor)


def count_on_host(tensor: torch.Tensor) -> ExponentCounts:
    """Count in one pass over the values."""
    flat: npt.NDArray[np.float32] = tensor.detach().reshape(-1).to(torch.float32).numpy()
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
