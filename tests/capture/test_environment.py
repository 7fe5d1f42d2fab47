"""What is told of the surroundings, held against what Python and the system say themselves."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from treering.capture import environment

SHOW = "import json; from treering.capture import environment; print(json.dumps(environment.snapshot()))"


def shown(*arguments: str, cwd: Path, **variables: str) -> Any:
    environ = {**os.environ, **variables}
    command = [sys.executable, *arguments]
    done = subprocess.run(command, cwd=cwd, env=environ, capture_output=True, text=True, check=True, timeout=60)
    return json.loads(done.stdout)


def test_facts(tmp_path: Path) -> None:
    facts = environment.snapshot()
    python: Any = facts["python"]
    assert python["version"] == platform.python_version()
    assert python["executable"] == sys.executable
    assert facts["host"] == platform.node()
    assert facts["pid"] == os.getpid()
    assert facts["cwd"] == str(Path.cwd())
    cpu: Any = facts["cpu"]
    assert cpu["logical"] == os.cpu_count()
    assert 0 < cpu["usable"] <= cpu["logical"]
    assert cpu["model"]
    memory: Any = facts["memory"]
    assert memory["total_bytes"] > 10_000_000
    system: Any = facts["os"]
    assert (system["system"], system["machine"]) == (platform.system(), platform.machine())
    json.dumps(facts)


def test_packages_are_those_that_are_installed() -> None:
    def normal(name: str) -> str:
        return re.sub(r"[-_.]+", "-", name).lower()

    expected: dict[str, str] = {}
    for distribution in importlib.metadata.distributions():
        if distribution.metadata["Name"]:
            expected.setdefault(normal(distribution.metadata["Name"]), distribution.version)
    assert environment.packages() == expected


def test_the_first_package_on_the_path_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder, name in (("a", "Some_Package-2.0.dist-info"), ("b", "some_package-1.0.dist-info")):
        (tmp_path / folder / name).mkdir(parents=True)
    (tmp_path / "b" / "old.thing-0.1-py3.11.egg-info").mkdir()
    (tmp_path / "b" / "developed.egg-info").mkdir()
    (tmp_path / "file").touch()
    path = [str(tmp_path / "a"), str(tmp_path / "missing"), str(tmp_path / "file"), str(tmp_path / "b"), "x.zip"]
    monkeypatch.setattr(sys, "path", path)
    assert environment.packages() == {"developed": "", "old-thing": "0.1", "some-package": "2.0"}


def test_the_command_line_has_no_secrets(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(SHOW)
    facts = shown("train.py", "--lr", "1", "--api-key", "abc", "--max-tokens=5", "db=mysql://a:b@c", cwd=tmp_path)
    expected = ["train.py", "--lr", "1", "--api-key", "***", "--max-tokens=5", "db=mysql://a:***@c"]
    assert facts["command"][1:] == expected


def test_a_long_argument_is_cut(tmp_path: Path) -> None:
    facts = shown("-c", SHOW + "#" * 50_000, cwd=tmp_path)
    assert len(facts["command"][2]) == 2_000


def test_clusters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MASTER_ADDR", "MASTER_PORT"):  # a test that trained on two processes leaves them
        monkeypatch.delenv(name, raising=False)
    variables = {
        "SLURM_JOB_ID": "123",
        "SLURM_JOB_NODELIST": "node[1-4]",
        "SLURM_JWT": "secret",
        "KUBERNETES_SERVICE_HOST": "10.0.0.1",
        "POD_NAME": "train-0",
        "RUNAI_JOB_NAME": "job",
        "RUNAI_API_TOKEN": "abc",
        "RANK": "1",
        "WORLD_SIZE": "4",
    }
    cluster = shown("-c", SHOW, cwd=tmp_path, **variables)["cluster"]
    assert cluster["slurm"] == {"SLURM_JOB_ID": "123", "SLURM_JOB_NODELIST": "node[1-4]"}
    assert cluster["kubernetes"]["POD_NAME"] == "train-0"
    assert cluster["runai"] == {"RUNAI_JOB_NAME": "job", "RUNAI_API_TOKEN": "***"}
    assert cluster["distributed"] == {"RANK": "1", "WORLD_SIZE": "4"}


def test_variables_that_change_a_computation(tmp_path: Path) -> None:
    facts = shown(
        "-c", SHOW, cwd=tmp_path, OMP_NUM_THREADS="3", NCCL_DEBUG="INFO", SOMETHING_ELSE="x", PYTHONHASHSEED="0"
    )
    assert facts["variables"]["OMP_NUM_THREADS"] == "3"
    assert facts["variables"]["NCCL_DEBUG"] == "INFO"
    assert "SOMETHING_ELSE" not in json.dumps(facts)


@pytest.mark.skipif(sys.platform == "win32", reason="a folder in use cannot be deleted there")
def test_a_working_directory_that_is_gone(tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    program = f"import os; os.rmdir({str(folder)!r}); {SHOW}"
    facts = shown("-c", program, cwd=folder)
    assert "cwd" not in facts
    assert facts["python"]


def test_little_is_loaded() -> None:
    program = (
        "import sys; from treering.capture import environment; environment.snapshot();"
        "print([name for name in ('psutil', 'pynvml', 'numpy', 'importlib.metadata', 'socket') if name in sys.modules])"
    )
    before = "import sys, treering; print([name for name in ('numpy', 'importlib.metadata') if name in sys.modules])"
    outputs = [
        subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True, timeout=60).stdout
        for text in (program, before)
    ]
    if not Path("/dev/nvidiactl").exists():
        assert outputs[0] == outputs[1]
