"""The way of small tensors from their device to the host, on which the training thread never waits."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Protocol

import torch

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["CudaLane", "HostLane", "Lane", "OtherLane", "lane_of"]

_SHORTEST_PAUSE_S, _LONGEST_PAUSE_S = 0.0005, 0.02


class Lane(Protocol):
    """How tensors of one device get to the host.

    Attributes:
        is_host: they are there already, so that looking at a value costs no wait.
    """

    is_host: bool

    def mark(self) -> Any:
        """Note the place behind all that the device was asked for up to now. For the training thread."""
        ...

    def fetch(self, tensors: list[torch.Tensor], ready: Any) -> list[torch.Tensor]:
        """Return tensors on the host, once the device has got to the place `ready`. Never on the training thread."""
        ...

    def seconds(self, begin: Any, end: Any) -> float:
        """What the device did between two places took; both are behind it."""
        ...


class HostLane:
    """Tensors of the host."""

    is_host = True

    def mark(self) -> None:
        return None

    def fetch(self, tensors: list[torch.Tensor], ready: Any) -> list[torch.Tensor]:  # noqa: ARG002  # the signature is `Lane`'s
        return tensors

    def seconds(self, begin: Any, end: Any) -> float:  # noqa: ARG002  # the signature is `Lane`'s
        return 0.0


class CudaLane:
    """Tensors of one CUDA device: they are copied to pinned memory on a stream of its own, behind an event.

    Args:
        device: where they are.
        cuda: `torch.cuda`, or what stands for it where the order of calls is looked at.
        pin: makes host memory that the device can write to by itself.
    """

    is_host = False

    def __init__(
        self, device: torch.device, cuda: Any = torch.cuda, pin: Callable[..., torch.Tensor] | None = None
    ) -> None:
        self._device = device
        self._cuda = cuda
        self._pin = pin or _pinned
        self._stream: Any = None

    def mark(self) -> Any:
        event = self._cuda.Event(enable_timing=True)
        event.record(self._cuda.current_stream(self._device))
        return event

    def fetch(self, tensors: list[torch.Tensor], ready: Any) -> list[torch.Tensor]:
        if self._stream is None:
            self._stream = self._cuda.Stream(self._device)
        done = self._cuda.Event()
        copies: list[torch.Tensor] = []
        with self._cuda.stream(self._stream):
            self._stream.wait_event(ready)
            for tensor in tensors:
                copy = self._pin(tensor.shape, dtype=tensor.dtype)
                copy.copy_(tensor, non_blocking=True)
                copies.append(copy)
            done.record(self._stream)
        # The tensors stay referenced until the copies are done: before that their memory must not be used again.
        pause_s = _SHORTEST_PAUSE_S
        while not done.query():
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
        return copies

    def seconds(self, begin: Any, end: Any) -> float:
        took_s: float = begin.elapsed_time(end) / 1e3
        return took_s


class OtherLane(HostLane):
    """Tensors of other accelerators: the copy waits for the device, but not on the training thread."""

    is_host = False

    def fetch(self, tensors: list[torch.Tensor], ready: Any) -> list[torch.Tensor]:  # noqa: ARG002  # the signature is `Lane`'s
        return [tensor.cpu() for tensor in tensors]


def _pinned(shape: torch.Size, dtype: torch.dtype) -> torch.Tensor:
    return torch.empty(shape, dtype=dtype, pin_memory=True)


_lanes: dict[torch.device, Lane] = {}


def lane_of(device: torch.device) -> Lane:
    """Return the lane of a device."""
    lane = _lanes.get(device)
    if lane is None:
        lane = _lanes[device] = _new_lane(device)
    return lane


def _new_lane(device: torch.device) -> Lane:
    if device.type == "cpu":
        return HostLane()
    return CudaLane(device) if device.type == "cuda" else OtherLane()
