"""`treering ui` as a program of its own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from store_builder import StoreBuilder


def test_it_serves_until_it_is_stopped(tmp_path: Path) -> None:
    StoreBuilder(tmp_path / "store").run("r").database.close()
    command = [
        sys.executable,
        "-m",
        "treering.cli",
        "ui",
        "--no-browser",
        "--port",
        "0",
        "--dir",
        str(tmp_path / "store"),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            line = server.stdout.readline()
            found = re.search(r"(http://127\.0\.0\.1:\d+)/login\?token=(\S+)", line)
            assert found, line
            # The token is known to whoever sees the terminal, and to nobody who sees the processes.
            assert found[2] not in Path(f"/proc/{server.pid}/cmdline").read_text()
            assert found[2] not in Path(f"/proc/{server.pid}/environ").read_text()
            with httpx.Client(base_url=found[1]) as client:
                assert client.get("/api/v1/projects").status_code == 401
                assert client.get("/login", params={"token": found[2]}).status_code == 200
                (project,) = client.get("/api/v1/projects").json()
                assert (project["name"], project["runs"]) == ("p", 1)
        finally:
            server.send_signal(signal.SIGINT)
            out, errors = server.communicate(timeout=30)
    assert found[2] not in out + errors  # no log of requests
    assert "Traceback" not in errors


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--host", "0.0.0.0"], "--expose"),
        (["--root-path", "tracking/"], "/tracking"),
        (["--frame-origin", "*"], "https://portal.example"),
        (["--allow-host", "a b"], "without scheme"),
    ],
)
def test_what_it_refuses(arguments: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from treering.cli import run_and_tell

    before = sys.argv
    sys.argv = ["treering", "ui", "--no-browser", "--dir", str(tmp_path), *arguments]
    try:
        assert run_and_tell() == 2
    finally:
        sys.argv = before
    assert words in capsys.readouterr().err
    assert not os.listdir(tmp_path)


def test_nothing_else_loads_the_server() -> None:
    code = (
        "import sys, treering, treering.api, treering.cli._app, treering.cli.runs, treering.cli.ui, treering.start\n"
        "print(sorted({'fastapi', 'starlette', 'uvicorn', 'pydantic', 'httpx'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n"
