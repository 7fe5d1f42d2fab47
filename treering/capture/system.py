"""The machine's load: CPU, memory, disk and network through psutil, NVIDIA GPUs through NVML.

One sample takes 1 to 3 ms with 10 processes below the training's and no GPU, about 1 ms more for each GPU. Looking for
child processes reads the whole process table; it is done so seldom that it takes 0.5 % of the time at most.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from treering.capture.cgroup import Cgroup
from treering.capture.gpu import Gpus

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import psutil

__all__ = ["SystemSampler"]

_MB = 1e6
_MAX_NAMED_CORES = 64
# A pool of hundreds of workers is counted in the totals; naming each of them would drown the rest.
_MAX_NAMED_CHILDREN = 8
_SCAN_SHARE = 5e-3
_MIN_PERIOD_S = 0.1  # over less, the kernel's clock ticks of 10 ms tell nothing


class SystemSampler:
    """Measures this process, its children and the machine they run on; used by one thread.

    Making one loads psutil and, where there is an NVIDIA driver, NVML: 0.1 s to seconds, not for the training's thread.

    Args:
        folder: the disk that holds it is measured; the store's. It need not exist yet.
        gpus: opened already; default: opened here.
    """

    def __init__(self, folder: Path, gpus: Gpus | None = None) -> None:
        import psutil

        self._psutil = psutil
        self._folder = folder
        self._gpus = Gpus() if gpus is None else gpus
        self._cgroup = Cgroup()
        self._total_memory = psutil.virtual_memory().total
        self._before: dict[str, float] = {}
        self._then_s = time.monotonic()
        self._now_s = self._then_s
        self._main = psutil.Process()
        self._children: dict[int, psutil.Process] = {}
        self._slots: dict[int, int] = {}
        self._next_scan_s = 0.0
        self._cores_before: list[tuple[float, float]] = []
        self._cpu_before: dict[tuple[int, float], float] = {}
        self._measure()

    def sample(self) -> dict[str, float]:
        """Measure now.

        Returns:
            Values by name; what this kernel, container or driver does not tell is absent. Percentages are 0 to 100 (a
            process's CPU: 100 a core), `_mb` are 10**6 bytes, `_per_s` and CPU percentages are means since the last
            sample, of the first since the sampler was made: it waits until that is 0.1 s ago.

            - `cpu/percent`, `cpu/N/percent` (up to 64 cores), `cpu/load_1min`; in a container with a CPU quota
              `cpu/limit_cores` and `cpu/limit_percent`, the part of the quota that is used.
            - `memory/used_mb`, `memory/limit_mb`, `memory/percent`: of the container where it has a limit, else of the
              machine; `memory/swap_percent` where there is swap.
            - `process/cpu_percent`, `process/memory_mb` (resident), `process/threads`: of this process.
            - `processes/count`, `processes/cpu_percent`, `processes/memory_mb` (shared pages count in each): with its
              descendants, where it has any; `process/child_N/cpu_percent` and `.../memory_mb` of the 8 longest there.
            - `disk/used_percent`, `disk/free_mb`: of the store's disk; `disk/read_mb_per_s`, `disk/written_mb_per_s`,
              `network/received_mb_per_s`, `network/sent_mb_per_s`: of the machine.
            - `gpu/N/percent`, `.../memory_mb`, `.../memory_percent`, `.../process_memory_mb`, `.../power_w`,
              `.../temperature_c`, `.../sm_clock_mhz`.

            Never raises.
        """
        time.sleep(max(self._then_s + _MIN_PERIOD_S - time.monotonic(), 0))
        return self._measure()

    def _measure(self) -> dict[str, float]:
        values: dict[str, float] = {}
        self._now_s = time.monotonic()
        for part in (self._cpu, self._memory, self._processes, self._disk, self._rates, self._on_gpus):
            try:
                values.update(part())
            except Exception:  # what one kernel or driver does not tell must not cost the rest
                continue
        self._then_s = self._now_s
        return values

    def _cpu(self) -> dict[str, float]:
        times = [_busy_and_total(core) for core in self._psutil.cpu_times(percpu=True)]
        before, self._cores_before = self._cores_before, times
        values: dict[str, float] = {}
        if len(before) == len(times):
            values["cpu/percent"] = _share(
                sum(new[0] - old[0] for new, old in zip(times, before, strict=True)),
                sum(new[1] - old[1] for new, old in zip(times, before, strict=True)),
            )
            for number, (new, old) in enumerate(zip(times, before, strict=True)):
                if number < _MAX_NAMED_CORES:
                    values[f"cpu/{number}/percent"] = _share(new[0] - old[0], new[1] - old[1])
        if hasattr(os, "getloadavg"):
            values["cpu/load_1min"] = os.getloadavg()[0]
        limit_cores = self._cgroup.cpu_limit_cores()
        if limit_cores is not None:
            values["cpu/limit_cores"] = limit_cores
            values.update(self._rate("cpu/limit_percent", self._cgroup.cpu_seconds(), 100 / limit_cores))
        return values

    def _memory(self) -> dict[str, float]:
        memory = self._psutil.virtual_memory()
        used, limit = float(memory.total - memory.available), float(memory.total)
        bound, own = self._cgroup.memory_limit_bytes(), self._cgroup.memory_bytes()
        if bound is not None and own is not None and bound < limit:
            used, limit = float(own), float(bound)
        values = {"memory/used_mb": used / _MB, "memory/limit_mb": limit / _MB, "memory/percent": 100 * used / limit}
        swap = self._psutil.swap_memory()
        return {**values, "memory/swap_percent": swap.percent} if swap.total else values

    def _processes(self) -> dict[str, float]:
        self._find_children()
        with self._main.oneshot():
            cpu, memory = self._use(self._main)
            threads = self._main.num_threads()
        values = {"process/cpu_percent": cpu, "process/memory_mb": memory, "process/threads": float(threads)}
        count = 1
        for pid, child in list(self._children.items()):
            try:
                with child.oneshot():
                    child_cpu, child_memory = self._use(child)
            except self._psutil.Error:
                del self._children[pid]
                self._slots.pop(pid, None)
                continue
            count, cpu, memory = count + 1, cpu + child_cpu, memory + child_memory
            if pid in self._slots:
                values[f"process/child_{self._slots[pid]}/cpu_percent"] = child_cpu
                values[f"process/child_{self._slots[pid]}/memory_mb"] = child_memory
        if count > 1:
            values.update({"processes/count": count, "processes/cpu_percent": cpu, "processes/memory_mb": memory})
        return values

    def _find_children(self) -> None:
        if time.monotonic() < self._next_scan_s:
            return
        began_s = time.monotonic()
        found = {child.pid: child for child in self._main.children(recursive=True)}
        ended_s = time.monotonic()
        self._next_scan_s = ended_s + (ended_s - began_s) / _SCAN_SHARE
        self._children = found
        self._slots = {pid: slot for pid, slot in self._slots.items() if pid in found}
        free = [slot for slot in range(_MAX_NAMED_CHILDREN) if slot not in self._slots.values()]
        newcomers = sorted(pid for pid in found if pid not in self._slots)
        self._slots.update(zip(newcomers, free, strict=False))
        alive = {(child.pid, child.create_time()) for child in (*found.values(), self._main)}
        self._cpu_before = {key: value for key, value in self._cpu_before.items() if key in alive}

    def _use(self, process: psutil.Process) -> tuple[float, float]:
        """CPU percent since the last sample (since its start, of one not seen before), and resident memory in MB."""
        times = process.cpu_times()
        used_s = times.user + times.system
        key = (process.pid, process.create_time())  # a process id may come back as another process
        before_s = self._cpu_before.get(key)
        self._cpu_before[key] = used_s
        if before_s is None:
            before_s, period_s = 0.0, time.time() - process.create_time()
        else:
            period_s = self._now_s - self._then_s
        return _percent(used_s - before_s, period_s), process.memory_info().rss / _MB

    def _disk(self) -> dict[str, float]:
        place = self._folder
        while not place.exists() and place != place.parent:
            place = place.parent
        usage = self._psutil.disk_usage(str(place))
        return {"disk/used_percent": usage.percent, "disk/free_mb": usage.free / _MB}

    def _rates(self) -> dict[str, float]:
        values: dict[str, float] = {}
        disk = self._psutil.disk_io_counters()
        if disk is not None:  # None in some containers
            values.update(self._rate("disk/read_mb_per_s", disk.read_bytes, 1 / _MB))
            values.update(self._rate("disk/written_mb_per_s", disk.write_bytes, 1 / _MB))
        network = self._psutil.net_io_counters()
        values.update(self._rate("network/received_mb_per_s", network.bytes_recv, 1 / _MB))
        values.update(self._rate("network/sent_mb_per_s", network.bytes_sent, 1 / _MB))
        return values

    def _rate(self, name: str, total: float | None, scale: float) -> dict[str, float]:
        """How fast a counter grew since the last sample; nothing where that is not known."""
        if total is None:
            return {}
        before = self._before.get(name)
        self._before[name] = total
        period_s = self._now_s - self._then_s
        if before is None or total < before or period_s <= 0:
            return {}
        return {name: (total - before) * scale / period_s}

    def _on_gpus(self) -> dict[str, float]:
        return self._gpus.sample({self._main.pid, *self._children}) if len(self._gpus) else {}


def _busy_and_total(times: object) -> tuple[float, float]:
    """Seconds of one core. Guests' time is in the user's already, and waiting for a disk is idle."""
    fields: Callable[[], dict[str, float]] = getattr(times, "_asdict")  # noqa: B009 - a named tuple, fields by system
    seconds = {name: value for name, value in fields().items() if name not in {"guest", "guest_nice"}}
    total = sum(seconds.values())
    return total - seconds.get("idle", 0.0) - seconds.get("iowait", 0.0), total


def _percent(part: float, whole: float) -> float:
    return max(100 * part / whole, 0.0) if whole > 0 else 0.0


def _share(part: float, whole: float) -> float:
    # The kernel's counters of idle time may go back a little, so that more was busy than there was.
    return min(_percent(part, whole), 100.0)
