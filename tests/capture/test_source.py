"""The source of real programs, started in each way that Python has."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
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


def test_a_command_among_other_options(tmp_path: Path) -> None:
    shown = _shown("-W", "error", "-qsc", SHOW, "-c", "other", cwd=tmp_path)
    assert (shown["kind"], shown["text"]) == ("command", SHOW)


def test_an_archive(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "app.zip", "w") as archive:
        archive.writestr("__main__.py", SHOW)
    shown = _shown("app.zip", cwd=tmp_path)
    assert (shown["kind"], shown["text"]) == ("module", SHOW)


def test_an_encoding_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "old.py").write_bytes(f"# -*- coding: latin-1 -*-\r\n# caf\xe9\r\n{SHOW}".encode("latin-1"))
    assert "# caf\xe9\n" in _shown("old.py", cwd=tmp_path)["text"]


def test_a_huge_script_is_cut(tmp_path: Path) -> None:
    (tmp_path / "huge.py").write_text(f"{SHOW}\n" + "# filler\n" * 200_000, encoding="utf-8")
    shown = _shown("huge.py", cwd=tmp_path)
    assert shown["cut"] is True
    assert len(shown["text"]) == 1 << 20


def test_a_session_in_a_terminal(tmp_path: Path) -> None:
    pytest.importorskip("IPython")
    arguments = ("-m", "IPython", "--quick", "--no-banner", "--simple-prompt", "--colors=nocolor", "--no-confirm-exit")
    command = [sys.executable, *arguments]
    typed = f"x = 1\n{SHOW.replace('print', 'shown = ')}\nopen('shown', 'w').write(shown)\n"
    environ = {**os.environ, "IPYTHONDIR": str(tmp_path / "ipython")}
    subprocess.run(
        command, cwd=tmp_path, env=environ, input=typed, capture_output=True, text=True, timeout=60, check=True
    )
    shown = json.loads((tmp_path / "shown").read_text())
    assert shown["kind"] == "session"
    assert shown["cells"][0] == {"number": 1, "text": "x = 1"}


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
