"""The sampler measures the real machine, and what it says can be checked against what we make it do."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from treering.capture.system import SystemSampler


def test_first_sample_is_complete(tmp_path: Path) -> None:
    sample = SystemSampler(tmp_path / "not" / "made" / "yet").sample()
    wanted = {"cpu/percent", "cpu/0/percent", "memory/percent", "memory/used_mb", "process/memory_mb"}
    wanted |= {"process/cpu_percent", "process/threads", "disk/used_percent", "disk/free_mb"}
    assert wanted <= set(sample)
    assert all(isinstance(value, (int, float)) for value in sample.values())
    assert all(0 <= sample[key] <= 100 for key in ("cpu/percent", "memory/percent", "disk/used_percent"))


def test_memory_of_this_process_is_seen(tmp_path: Path) -> None:
    sampler = SystemSampler(tmp_path)
    before = sampler.sample()["process/memory_mb"]
    ballast = bytearray(b"x" * 200_000_000)
    grown = sampler.sample()["process/memory_mb"] - before
    assert 150 < grown < 260
    del ballast


def test_a_busy_child_is_counted(tmp_path: Path) -> None:
    sampler = SystemSampler(tmp_path)
    sampler.sample()
    code = "import time; end = time.time() + 20\nwhile time.time() < end: pass"
    child = subprocess.Popen([sys.executable, "-c", code])
    try:
        time.sleep(0.2)
        sampler.sample()
        time.sleep(0.5)
        sample = sampler.sample()
    finally:
        child.kill()
        child.wait()
    assert sample["processes/count"] == 2
    assert sample["process/child_0/cpu_percent"] > 10
    assert sample["processes/memory_mb"] > sample["process/memory_mb"]
    assert "processes/count" not in sampler.sample()


def test_written_bytes_become_a_rate(tmp_path: Path) -> None:
    import psutil

    sampler = SystemSampler(tmp_path)
    time.sleep(0.05)
    sample = sampler.sample()
    if psutil.disk_io_counters() is not None:
        assert sample["disk/written_mb_per_s"] >= 0
    assert sample["network/sent_mb_per_s"] >= 0


def test_without_a_driver_there_are_no_gpus(tmp_path: Path) -> None:
    try:
        import pynvml

        pynvml.nvmlInit()
        gpus = pynvml.nvmlDeviceGetCount()
    except Exception:
        gpus = 0
    sample = SystemSampler(tmp_path).sample()
    assert len({key.split("/")[1] for key in sample if key.startswith("gpu/")}) == gpus
