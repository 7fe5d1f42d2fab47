"""The machine's load: CPU, memory, disk and network through psutil, NVIDIA GPUs through NVML.

One sample takes about 2 ms with 10 processes below the training's and no GPU. Rates are means since the sample before;
the first sample covers the time since the sampler was made.
"""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    import psutil

__all__ = ["SystemSampler"]

_MB = 1e6
# A pool of hundreds of workers is counted in the totals; naming each of them would drown the rest.
_MAX_NAMED_CHILDREN = 8
_CGROUP = Path("/sys/fs/cgroup")


class SystemSampler:
    """Measures this process, its children and the machine they run on; used by one thread.

    Args:
        folder: the disk that holds it is measured; the store's.
    """

    def __init__(self, folder: Path) -> None:
        import psutil

        self._psutil = psutil
        self._folder = folder
        self._process = psutil.Process()
        self._children: dict[int, psutil.Process] = {}
        self._counters: dict[str, tuple[float, float]] = {}
        self._gpus = _Gpus()
        psutil.cpu_percent(percpu=True)  # the first call only remembers where it counts from
        self._process.cpu_percent()
        self._sum_up_rates()

    def sample(self) -> dict[str, float]:
        """Return what can be measured now, named as in the run's stream `system`; never raises.

        Percentages are 0 to 100 (a process's CPU: 100 a core), sizes are megabytes (10**6 bytes), rates are per second.
        """
        values: dict[str, float] = {}
        for part in (self._cpu, self._memory, self._own, self._disk, self._rates, self._gpus.measure):
            # What one kernel, container or driver does not tell must not cost the rest.
            with contextlib.suppress(Exception):
                values.update(part())
        return values

    def _cpu(self) -> Iterator[tuple[str, float]]:
        cores = self._psutil.cpu_percent(percpu=True)
        yield "cpu/percent", sum(cores) / len(cores)
        for number, percent in enumerate(cores):
            yield f"cpu/{number}/percent", percent
        with contextlib.suppress(OSError, AttributeError):
            yield "cpu/load_1min", self._psutil.getloadavg()[0]

    def _memory(self) -> Iterator[tuple[str, float]]:
        memory = self._psutil.virtual_memory()
        used, limit = memory.total - memory.available, memory.total
        in_container = _container_memory()
        if in_container is not None and in_container[1] < limit:
            used, limit = in_container
        yield "memory/used_mb", used / _MB
        yield "memory/limit_mb", limit / _MB
        yield "memory/percent", 100 * used / limit
        swap = self._psutil.swap_memory()
        if swap.total:
            yield "memory/swap_percent", swap.percent

    def _own(self) -> Iterator[tuple[str, float]]:
        with self._process.oneshot():
            cpu, memory = self._process.cpu_percent(), self._process.memory_info().rss
            yield "process/threads", self._process.num_threads()
        yield "process/cpu_percent", cpu
        yield "process/memory_mb", memory / _MB
        found: list[tuple[int, float, float]] = []
        alive = {child.pid: child for child in self._process.children(recursive=True)}
        # The old objects are kept, since CPU percentages count from an object's last call.
        self._children = {pid: self._children.get(pid, child) for pid, child in alive.items()}
        for pid, child in self._children.items():
            with contextlib.suppress(self._psutil.Error):
                found.append((pid, child.cpu_percent(), child.memory_info().rss))
        if not found:
            return
        yield "processes/count", 1 + len(found)
        yield "processes/cpu_percent", cpu + sum(percent for _, percent, _ in found)
        yield "processes/memory_mb", (memory + sum(size for *_, size in found)) / _MB
        for number, (_, percent, size) in enumerate(sorted(found)[:_MAX_NAMED_CHILDREN]):
            yield f"process/child_{number}/cpu_percent", percent
            yield f"process/child_{number}/memory_mb", size / _MB

    def _disk(self) -> Iterator[tuple[str, float]]:
        place = self._folder
        while not place.exists() and place != place.parent:
            place = place.parent
        usage = self._psutil.disk_usage(str(place))
        yield "disk/used_percent", usage.percent
        yield "disk/free_mb", usage.free / _MB

    def _rates(self) -> Iterator[tuple[str, float]]:
        yield from self._sum_up_rates()

    def _sum_up_rates(self) -> list[tuple[str, float]]:
        """Return rates since the last call of counters that only grow."""
        totals: dict[str, float] = {}
        for read in (self._disk_totals, self._network_totals):
            with contextlib.suppress(Exception):
                totals.update(read())
        now_s = time.monotonic()
        rates: list[tuple[str, float]] = []
        for name, total in totals.items():
            before, then_s = self._counters.get(name, (total, now_s))
            self._counters[name] = (total, now_s)
            if now_s > then_s and total >= before:
                rates.append((name, (total - before) / (now_s - then_s)))
        return rates

    def _disk_totals(self) -> dict[str, float]:
        counters = self._psutil.disk_io_counters()
        if counters is None:
            return {}
        return {"disk/read_mb_per_s": counters.read_bytes / _MB, "disk/written_mb_per_s": counters.write_bytes / _MB}

    def _network_totals(self) -> dict[str, float]:
        counters = self._psutil.net_io_counters()
        return {
            "network/sent_mb_per_s": counters.bytes_sent / _MB,
            "network/received_mb_per_s": counters.bytes_recv / _MB,
        }


def _container_memory() -> tuple[float, float] | None:
    """Return (used, limit) in bytes of this container, or None where there is no limit."""
    for used, limit in (
        ("memory.current", "memory.max"),  # cgroup v2
        ("memory/memory.usage_in_bytes", "memory/memory.limit_in_bytes"),  # v1
    ):
        with contextlib.suppress(OSError, ValueError):
            bound = int((_CGROUP / limit).read_text(encoding="ascii"))
            return int((_CGROUP / used).read_text(encoding="ascii")) - _page_cache(), bound
    return None


def _page_cache() -> int:
    """Return the bytes of files that the kernel keeps for the container and gives back when memory runs short."""
    with contextlib.suppress(OSError, ValueError):
        for line in (_CGROUP / "memory.stat").read_text(encoding="ascii").splitlines():
            name, _, value = line.partition(" ")
            if name == "inactive_file":
                return int(value)
    return 0


class _Gpus:
    """NVIDIA GPUs through NVML; none of anything where there is no driver."""

    def __init__(self) -> None:
        self._handles: list[Any] = []
        with contextlib.suppress(Exception):
            import pynvml

            pynvml.nvmlInit()
            self._nvml: Any = pynvml
            self._handles = [pynvml.nvmlDeviceGetHandleByIndex(n) for n in range(pynvml.nvmlDeviceGetCount())]

    def measure(self) -> dict[str, float]:
        """Return what each GPU tells."""
        values: dict[str, float] = {}
        for number, handle in enumerate(self._handles):
            for read in (self._load, self._memory, self._power, self._temperature, self._fan, self._clock):
                # Not every card has every sensor.
                with contextlib.suppress(self._nvml.NVMLError):
                    values.update({f"gpu/{number}/{name}": value for name, value in read(handle)})
        return values

    def _load(self, handle: Any) -> Iterator[tuple[str, float]]:
        rates = self._nvml.nvmlDeviceGetUtilizationRates(handle)
        yield "percent", rates.gpu
        yield "memory_busy_percent", rates.memory

    def _memory(self, handle: Any) -> Iterator[tuple[str, float]]:
        memory = self._nvml.nvmlDeviceGetMemoryInfo(handle)
        yield "memory_mb", memory.used / _MB
        yield "memory_percent", 100 * memory.used / memory.total

    def _power(self, handle: Any) -> Iterator[tuple[str, float]]:
        yield "power_w", self._nvml.nvmlDeviceGetPowerUsage(handle) / 1000

    def _temperature(self, handle: Any) -> Iterator[tuple[str, float]]:
        yield "temperature_c", self._nvml.nvmlDeviceGetTemperature(handle, self._nvml.NVML_TEMPERATURE_GPU)

    def _fan(self, handle: Any) -> Iterator[tuple[str, float]]:
        yield "fan_percent", self._nvml.nvmlDeviceGetFanSpeed(handle)

    def _clock(self, handle: Any) -> Iterator[tuple[str, float]]:
        yield "clock_mhz", self._nvml.nvmlDeviceGetClockInfo(handle, self._nvml.NVML_CLOCK_SM)
