"""NVIDIA GPUs, through NVML. Without a driver every answer is empty, and the library is not even imported."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from treering.plain import Plain

__all__ = ["Gpus", "visible_indices"]

_MB = 1e6


class Gpus:
    """The GPUs that this process may use, named by NVML's index (the one that `nvidia-smi` shows).

    Loading and initialising NVML takes from 30 ms to seconds (a driver that is not kept alive): do it on a background
    thread, once. One `sample` takes about 1 ms a GPU. Use from one thread at a time.
    """

    def __init__(self) -> None:
        self._nvml: Any = None
        self._handles: dict[int, Any] = {}
        if not _driver_is_present():
            return
        try:
            nvml: Any = importlib.import_module("pynvml")
            nvml.nvmlInit()
            handles = {index: nvml.nvmlDeviceGetHandleByIndex(index) for index in range(nvml.nvmlDeviceGetCount())}
            uuids = [_text(nvml.nvmlDeviceGetUUID(handle)) for handle in handles.values()]
        except Exception:  # no library, no permission, a driver that does not fit: there are no GPUs for us
            return
        shown = visible_indices(os.environ, uuids)
        self._nvml, self._handles = nvml, {index: handles[index] for index in shown}

    def __len__(self) -> int:
        return len(self._handles)

    def describe(self) -> list[Plain]:
        """What does not change: index, name, uuid, memory in bytes, driver and the newest CUDA version it takes."""
        nvml = self._nvml
        result: list[Plain] = []
        for index, handle in self._handles.items():
            cuda = _ask(nvml.nvmlSystemGetCudaDriverVersion_v2)
            facts: dict[str, Plain] = {
                "index": index,
                "name": _text(_ask(nvml.nvmlDeviceGetName, handle)),
                "uuid": _text(_ask(nvml.nvmlDeviceGetUUID, handle)),
                "memory_bytes": getattr(_ask(nvml.nvmlDeviceGetMemoryInfo, handle), "total", None),
                "driver": _text(_ask(nvml.nvmlSystemGetDriverVersion)),
                "cuda": None if cuda is None else f"{cuda // 1000}.{cuda % 1000 // 10}",
            }
            result.append(facts)
        return result

    def sample(self, pids: Collection[int]) -> dict[str, float]:
        """Load of each GPU now, and the memory that the processes `pids` hold on it.

        A container's process ids differ from the driver's; the memory of the processes is absent then.
        """
        result: dict[str, float] = {}
        for index, handle in self._handles.items():
            for name, value in self._sample_one(handle, pids).items():
                if value is not None:
                    result[f"gpu/{index}/{name}"] = float(value)
        return result

    def _sample_one(self, handle: Any, pids: Collection[int]) -> dict[str, float | None]:
        nvml = self._nvml
        use = _ask(nvml.nvmlDeviceGetUtilizationRates, handle)
        memory = _ask(nvml.nvmlDeviceGetMemoryInfo, handle)
        power_mw = _ask(nvml.nvmlDeviceGetPowerUsage, handle)
        processes: list[Any] = _ask(nvml.nvmlDeviceGetComputeRunningProcesses, handle) or []
        own = [process.usedGpuMemory for process in processes if process.pid in pids and process.usedGpuMemory]
        return {
            "percent": getattr(use, "gpu", None),
            "memory_mb": None if memory is None else memory.used / _MB,
            "memory_percent": None if memory is None or not memory.total else 100 * memory.used / memory.total,
            "process_memory_mb": sum(own) / _MB if own else None,
            "power_w": None if power_mw is None else power_mw / 1000,
            "temperature_c": _ask(nvml.nvmlDeviceGetTemperature, handle, nvml.NVML_TEMPERATURE_GPU),
            "sm_clock_mhz": _ask(nvml.nvmlDeviceGetClockInfo, handle, nvml.NVML_CLOCK_SM),
        }


def visible_indices(environ: Mapping[str, str], uuids: list[str]) -> list[int]:
    """Indices of the GPUs that `CUDA_VISIBLE_DEVICES` leaves, in the driver's order; all where it is not understood.

    Args:
        environ: environment variables.
        uuids: of all GPUs, by index.
    """
    everything = list(range(len(uuids)))
    text = environ.get("CUDA_VISIBLE_DEVICES")
    if text is None:
        return everything
    chosen: set[int] = set()
    for part in text.split(","):
        word = part.strip()
        if word.startswith("MIG-"):  # a slice of a GPU that cannot be told from here
            return everything
        matching = [index for index, uuid in enumerate(uuids) if word and (uuid.startswith(word) or word == str(index))]
        if len(matching) != 1:  # CUDA stops at the first entry that it does not know
            break
        chosen.update(matching)
    return [index for index in everything if index in chosen]


def _driver_is_present() -> bool:
    # Importing pynvml takes 100 ms: look first whether it can be of use. The second device is that of Windows' WSL.
    return os.name == "nt" or Path("/dev/nvidiactl").exists() or Path("/dev/dxg").exists()


def _ask(question: Callable[..., Any], *arguments: Any) -> Any:
    try:
        return question(*arguments)
    except Exception:  # not supported on this board, or the GPU fell off the bus: that figure is absent
        return None


def _text(value: Any) -> str:
    """NVML's text: bytes in old releases of its library."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value or "")
