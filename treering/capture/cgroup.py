"""What a container or a batch job may use of the machine: the limits of its Linux control group, version 1 or 2."""

from __future__ import annotations

from pathlib import Path

__all__ = ["Cgroup"]

_ROOT = Path("/sys/fs/cgroup")
_NO_LIMIT = 1 << 60  # version 1 writes almost 2**63 where there is none


class Cgroup:
    """The control group of this process. Values are None where the system has none; nothing raises."""

    def __init__(self, membership: Path = Path("/proc/self/cgroup"), root: Path = _ROOT) -> None:
        paths = _paths(membership)
        self._version2 = _existing(root / "unified", paths.get("")) or _existing(root, paths.get(""))
        self._memory = _existing(root / "memory", paths.get("memory"))
        self._cpu = _existing(root / "cpu", paths.get("cpu")) or _existing(root / "cpu,cpuacct", paths.get("cpu"))
        self._cpuacct = _existing(root / "cpuacct", paths.get("cpuacct")) or self._cpu
        self._root = root

    def memory_limit_bytes(self) -> int | None:
        """The tightest limit on the way up, for a parent's limit binds too."""
        limits = [_number(folder / "memory.max") for folder in self._upward(self._version2)]
        limits += [_number(folder / "memory.limit_in_bytes") for folder in self._upward(self._memory)]
        return min((limit for limit in limits if limit is not None and limit < _NO_LIMIT), default=None)

    def memory_bytes(self) -> int | None:
        """Memory in use without the file cache that the kernel can take back: what the OOM killer looks at."""
        for folder, usage_name, cache_name in (
            (self._version2, "memory.current", "inactive_file"),
            (self._memory, "memory.usage_in_bytes", "total_inactive_file"),
        ):
            usage = _number(folder / usage_name) if folder else None
            if folder and usage is not None:
                return max(usage - (_field(folder / "memory.stat", cache_name) or 0), 0)
        return None

    def cpu_limit_cores(self) -> float | None:
        """CPU quota in cores: 1.5 means one and a half."""
        limits: list[float] = []
        for folder in self._upward(self._version2):
            quota, _, period = _text(folder / "cpu.max").partition(" ")
            if quota.isdigit() and period.isdigit():
                limits.append(int(quota) / int(period))
        for folder in self._upward(self._cpu):
            quota_us, period_us = _number(folder / "cpu.cfs_quota_us"), _number(folder / "cpu.cfs_period_us")
            if quota_us and period_us and quota_us > 0:
                limits.append(quota_us / period_us)
        return min(limits, default=None)

    def cpu_seconds(self) -> float | None:
        """CPU time that the group has used since it exists."""
        if self._version2:
            used_us = _field(self._version2 / "cpu.stat", "usage_usec")
            if used_us is not None:
                return used_us / 1e6
        used_ns = _number(self._cpuacct / "cpuacct.usage") if self._cpuacct else None
        return None if used_ns is None else used_ns / 1e9

    def _upward(self, folder: Path | None) -> list[Path]:
        if folder is None:
            return []
        return [parent for parent in (folder, *folder.parents) if parent.is_relative_to(self._root)]


def _paths(membership: Path) -> dict[str, str]:
    """Path of this process by controller; version 2 has the empty name."""
    result: dict[str, str] = {}
    for line in _text(membership).splitlines():
        _, controllers, path = [*line.split(":", 2), "", "", ""][:3]
        for controller in controllers.split(","):
            result[controller] = path
    return result


def _existing(root: Path, path: str | None) -> Path | None:
    """The group's folder. In a container the path may be the host's, while the root shown is the container's own."""
    if path is None:
        return None
    for folder in (root / path.lstrip("/"), root):
        try:
            if (folder / "cgroup.procs").exists():
                return folder
        except OSError:
            continue
    return None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""


def _number(path: Path) -> int | None:
    text = _text(path)
    try:
        return int(text)
    except ValueError:  # "max", or no such file
        return None


def _field(path: Path, name: str) -> int | None:
    for line in _text(path).splitlines():
        key, _, value = line.partition(" ")
        if key == name and value.isdigit():
            return int(value)
    return None
