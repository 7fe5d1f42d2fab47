"""The source of real programs, started in each way that Python has."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SHOW = "import json; from treering.capture import source; print(json.dumps(source.snapshot()))"


def _shown(*arguments: str, cwd: Path, stdin: str = "") -> Any:
    command = [sys.executable, *arguments]
    done = subprocess.run(command, cwd=cwd, input=stdin, capture_output=True, text=True, check=True, timeout=60)
    return json.loads(done.stdout.splitlines()[-1])


def test_a_script(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(f"# café\n{SHOW}\n", encoding="utf-8")
    shown = _shown("train.py", cwd=tmp_path)
    assert shown == {"kind": "script", "path": str(script), "text": f"# café\n{SHOW}\n"}


def test_a_module(tmp_path: Path) -> None:
    package = tmp_path / "training"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text(SHOW, encoding="utf-8")
    shown = _shown("-m", "training", cwd=tmp_path)
    assert shown == {"kind": "module", "path": str(package / "__main__.py"), "text": SHOW}


def test_a_command_and_its_secrets(tmp_path: Path) -> None:
    shown = _shown("-c", f"api_key = 'sk-abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJ'; {SHOW}", cwd=tmp_path)
    assert shown["kind"] == "command"
    assert "abcdefghijklm" not in shown["text"]
    assert shown["text"].endswith(SHOW)


def test_nothing_from_standard_input(tmp_path: Path) -> None:
    assert _shown("-", cwd=tmp_path, stdin=SHOW) is None


def test_a_deleted_script(tmp_path: Path) -> None:
    script = tmp_path / "gone.py"
    script.write_text(f"import os; os.unlink(__file__); {SHOW}", encoding="utf-8")
    assert _shown("gone.py", cwd=tmp_path) is None


def test_cells_of_a_real_kernel(tmp_path: Path) -> None:
    manager = pytest.importorskip("jupyter_client.manager")
    pytest.importorskip("ipykernel")
    kernel, client = manager.start_new_kernel(kernel_name="python3", cwd=str(tmp_path))
    try:
        for code in ("x = 1", "password = 'hunter2hunter2'", "from treering.capture import source"):
            client.execute_interactive(code, timeout=60)
        printed: list[str] = []
        client.execute_interactive(
            "import json; print(json.dumps(source.snapshot()))",
            timeout=60,
            output_hook=lambda message: printed.append(message["content"].get("text", "")),
        )
    finally:
        client.stop_channels()
        kernel.shutdown_kernel(now=True)
    shown = json.loads("".join(printed))
    assert shown["kind"] == "notebook"
    assert [cell["number"] for cell in shown["cells"]] == [1, 2, 3, 4]
    assert shown["cells"][0]["text"] == "x = 1"
    assert "hunter2" not in shown["cells"][1]["text"]
