"""The sampler measures the real machine, and what it says can be checked against what we make it do."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from treering.capture import gpu
from treering.capture.cgroup import Cgroup
from treering.capture.gpu import visible_indices
from treering.capture.system import SystemSampler

SPIN = "import time; end = time.time() + 60\nwhile time.time() < end: pass"


@contextmanager
def child(program: str) -> Generator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", program])
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def wait_for(sampler: SystemSampler, count: float) -> dict[str, float]:
    """Sample until the children are found: they are looked for only so often."""
    deadline = time.monotonic() + 30
    while (sample := sampler.sample()).get("processes/count", 1) != count:
        assert time.monotonic() < deadline, sample
    return sample


def test_first_sample_is_complete(tmp_path: Path) -> None:
    began = time.monotonic()
    sample = SystemSampler(tmp_path / "not" / "made" / "yet").sample()
    assert time.monotonic() - began < 10
    wanted = {"cpu/percent", "cpu/0/percent", "memory/percent", "memory/used_mb", "memory/limit_mb"}
    wanted |= {"process/memory_mb", "process/cpu_percent", "process/threads", "disk/used_percent", "disk/free_mb"}
    wanted |= {"network/sent_mb_per_s", "network/received_mb_per_s"}
    if psutil.disk_io_counters() is not None:
        wanted |= {"disk/read_mb_per_s", "disk/written_mb_per_s"}
    assert wanted <= set(sample)
    assert all(value >= 0 for value in sample.values())
    percentages = ("cpu/percent", "cpu/0/percent", "memory/percent", "disk/used_percent")
    assert all(0 <= sample[key] <= 100 for key in percentages)


def test_values_agree_with_the_machine(tmp_path: Path) -> None:
    sample = SystemSampler(tmp_path).sample()
    usage = psutil.disk_usage(str(tmp_path))
    assert sample["disk/free_mb"] == pytest.approx(usage.free / 1e6, rel=0.2)
    assert sample["process/memory_mb"] == pytest.approx(psutil.Process().memory_info().rss / 1e6, rel=0.2)
    assert sample["process/threads"] == threading.active_count() or sample["process/threads"] > 0
    assert sample["memory/limit_mb"] <= psutil.virtual_memory().total / 1e6


def test_memory_of_this_process_is_seen(tmp_path: Path) -> None:
    sampler = SystemSampler(tmp_path)
    before = sampler.sample()["process/memory_mb"]
    ballast = bytearray(b"x" * 200_000_000)
    grown = sampler.sample()["process/memory_mb"] - before
    assert 150 < grown < 260
    del ballast


def test_our_own_work_is_seen(tmp_path: Path) -> None:
    sampler = SystemSampler(tmp_path)
    sampler.sample()
    began, used = time.monotonic(), time.process_time()
    while time.monotonic() - began < 0.5:
        pass
    used_percent = 100 * (time.process_time() - used) / (time.monotonic() - began)
    assert sampler.sample()["process/cpu_percent"] == pytest.approx(used_percent, rel=0.4, abs=15)


def in_a_fork(body: Callable[[], None]) -> None:
    """Run a test in a process without children: servers that other tests share may be among those of this one."""
    pid = os.fork()
    if not pid:
        try:
            body()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0


@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_a_busy_child_is_counted(tmp_path: Path) -> None:
    def body() -> None:
        sampler = SystemSampler(tmp_path)
        assert "processes/count" not in sampler.sample()
        with child(SPIN):
            wait_for(sampler, 2)
            time.sleep(0.5)
            sample = sampler.sample()
            assert sample["processes/count"] == 2
            assert sample["process/child_0/cpu_percent"] > 5
            assert sample["processes/memory_mb"] > sample["process/memory_mb"]
        assert "processes/count" not in sampler.sample()

    in_a_fork(body)


@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_a_child_keeps_its_number(tmp_path: Path) -> None:
    def body() -> None:
        sampler = SystemSampler(tmp_path)
        hold = "x = bytearray(b'x' * 150_000_000); import time; time.sleep(60)"
        with child("import time; time.sleep(60)") as small:
            wait_for(sampler, 2)
            with child(hold):
                sample = wait_for(sampler, 3)
                deadline = time.monotonic() + 30
                while sample["process/child_1/memory_mb"] < 140:
                    assert time.monotonic() < deadline
                    sample = sampler.sample()
                small.kill()
                small.wait()
                sample = wait_for(sampler, 2)
                assert sample["process/child_1/memory_mb"] > 140
                assert "process/child_0/memory_mb" not in sample

    in_a_fork(body)


def test_gpus(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from treering.capture.system import SystemSampler;"
        "from treering.capture.gpu import Gpus;"
        f"sample = SystemSampler(Path({str(tmp_path)!r})).sample();"
        "print(len({name.split('/')[1] for name in sample if name.startswith('gpu/')}), len(Gpus().describe()),"
        " 'pynvml' in sys.modules)"
    )
    environ = {name: value for name, value in os.environ.items() if name != "CUDA_VISIBLE_DEVICES"}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60, env=environ)
    sampled, described, imported = done.stdout.split()
    assert sampled == described
    if Path("/dev/nvidiactl").exists():
        assert int(described) > 0
    else:  # nothing of NVIDIA's is even looked for
        assert (described, imported) == ("0", "False")


UUIDS = ["GPU-aaaa-1", "GPU-aabb-2", "GPU-cccc-3"]


@pytest.mark.parametrize(
    ("visible", "expected"),
    [
        (None, [0, 1, 2]),
        ("", []),
        ("-1", []),
        ("0", [0]),
        ("2,0", [0, 2]),
        ("1,-1,2", [1]),
        ("GPU-cccc", [2]),
        ("GPU-aa", []),
        (" 1 , 2 ", [1, 2]),
        ("7", []),
        ("MIG-GPU-aaaa-1/0/0", [0, 1, 2]),
        ("all", []),
    ],
)
def test_visible_gpus(visible: str | None, expected: list[int]) -> None:
    environ = {} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}
    assert visible_indices(environ, UUIDS) == expected


def files(root: Path, contents: dict[str, str]) -> None:
    for name, text in contents.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_limits_of_control_groups_version_2(tmp_path: Path) -> None:
    files(
        tmp_path,
        {
            "membership": "0::/job/step\n",
            "fs/cgroup.procs": "",
            "fs/job/cgroup.procs": "",
            "fs/job/memory.max": "2000000000\n",
            "fs/job/cpu.max": "150000 100000\n",
            "fs/job/step/cgroup.procs": "",
            "fs/job/step/memory.max": "max\n",
            "fs/job/step/memory.current": "1000\n",
            "fs/job/step/memory.stat": "anon 5\ninactive_file 400\n",
            "fs/job/step/cpu.max": "max 100000\n",
            "fs/job/step/cpu.stat": "usage_usec 2500000\nuser_usec 1\n",
        },
    )
    group = Cgroup(tmp_path / "membership", tmp_path / "fs")
    assert group.memory_limit_bytes() == 2_000_000_000
    assert group.memory_bytes() == 600
    assert group.cpu_limit_cores() == 1.5
    assert group.cpu_seconds() == 2.5


def test_limits_of_control_groups_version_1_seen_from_a_container(tmp_path: Path) -> None:
    files(
        tmp_path,
        {
            "membership": "4:memory:/docker/abc\n3:cpu,cpuacct:/docker/abc\n0::/\n",
            "fs/memory/cgroup.procs": "",
            "fs/memory/memory.limit_in_bytes": "3000",
            "fs/memory/memory.usage_in_bytes": "1000",
            "fs/memory/memory.stat": "total_inactive_file 100",
            "fs/cpu,cpuacct/cgroup.procs": "",
            "fs/cpu,cpuacct/cpu.cfs_quota_us": "50000",
            "fs/cpu,cpuacct/cpu.cfs_period_us": "100000",
            "fs/cpu,cpuacct/cpuacct.usage": "1500000000",
        },
    )
    group = Cgroup(tmp_path / "membership", tmp_path / "fs")
    assert (group.memory_limit_bytes(), group.memory_bytes()) == (3000, 900)
    assert (group.cpu_limit_cores(), group.cpu_seconds()) == (0.5, 1.5)


def test_no_limits(tmp_path: Path) -> None:
    nothing = Cgroup(tmp_path / "membership", tmp_path / "fs")
    assert nothing.memory_limit_bytes() is nothing.memory_bytes() is None
    assert nothing.cpu_limit_cores() is nothing.cpu_seconds() is None
    files(
        tmp_path,
        {
            "membership": "4:memory:/\n3:cpu:/\n",
            "fs/memory/cgroup.procs": "",
            "fs/memory/memory.limit_in_bytes": "9223372036854771712",
            "fs/cpu/cgroup.procs": "",
            "fs/cpu/cpu.cfs_quota_us": "-1",
            "fs/cpu/cpu.cfs_period_us": "100000",
        },
    )
    group = Cgroup(tmp_path / "membership", tmp_path / "fs")
    assert (group.memory_limit_bytes(), group.cpu_limit_cores()) == (None, None)


def test_this_machines_own_groups_are_readable() -> None:
    group = Cgroup()
    for value in (group.memory_limit_bytes(), group.memory_bytes(), group.cpu_limit_cores(), group.cpu_seconds()):
        assert value is None or value > 0


def test_nvml_has_all_that_is_asked_of_it() -> None:
    pynvml = importlib.import_module("pynvml")
    source = Path(gpu.__file__).read_text(encoding="utf-8")
    names = set(re.findall(r"nvml\.(nvml\w+|NVML_\w+)", source))
    assert len(names) > 10
    assert [name for name in sorted(names) if not hasattr(pynvml, name)] == []
