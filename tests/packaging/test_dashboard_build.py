"""The build of the dashboard, without the minute that npm takes."""

from __future__ import annotations

import importlib.util
import sys
import threading
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(sys.platform == "win32", reason="no fcntl")
def test_who_comes_second_waits_and_builds_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second build would empty the folder whose files a server already shows."""
    spec = importlib.util.spec_from_file_location("built_here", ROOT / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    hatch_build = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(hatch_build)
    ui = tmp_path / "ui"
    (ui / "node_modules").mkdir(parents=True)
    (ui / "package-lock.json").write_text("{}")
    asked: list[str] = []
    both = threading.Barrier(2)

    def npm(*arguments: str) -> None:
        asked.append(arguments[0])
        time.sleep(0.2)  # long enough for a second one to come meanwhile

    monkeypatch.setattr(hatch_build, "UI", ui)
    monkeypatch.setattr(hatch_build, "DIGEST", tmp_path / "digest.txt")
    monkeypatch.setattr(hatch_build, "npm", npm)

    def build() -> None:
        both.wait()
        hatch_build.build()

    builders = [threading.Thread(target=build) for _ in range(2)]
    for one in builders:
        one.start()
    for one in builders:
        one.join()
    assert asked == ["ci", "run"]
    assert hatch_build.is_built()
