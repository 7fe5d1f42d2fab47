"""The commands in this process, and a store to use them on."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from commands import Call, Done
from store_builder import StoreBuilder

from treering import cli


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Call:
    """Run `treering ARGUMENTS` in this process; `width` makes standard output a terminal of that many columns."""

    def run(*arguments: object, width: int | None = None) -> Done:
        monkeypatch.setattr(sys, "argv", ["treering", *map(str, arguments)])
        monkeypatch.setattr("warnings.showwarning", None)
        for name in ("FORCE_COLOR", "COLUMNS", "LINES"):
            monkeypatch.delenv(name, raising=False)
        if width is not None:
            monkeypatch.setenv("FORCE_COLOR", "1")
            monkeypatch.setenv("COLUMNS", str(width))
        capfd.readouterr()
        code = cli.run_and_tell()
        out, err = capfd.readouterr()
        return Done(code, re.sub(r"\x1b\[[0-9;]*[mK]", "", out), err)

    return run


@pytest.fixture
def store(store_dir: Path) -> StoreBuilder:
    store = StoreBuilder(store_dir)
    store.run(
        "aaa1",
        name="first",
        config={"lr": 0.1, "optim": {"name": "adam"}, "batch_size": 64},
        summary={"loss": 0.5, "val/acc": 0.75},
        tags=["x"],
        capture={
            "git": {"commit": "a" * 40, "branch": "main", "dirty": True, "diff": "-a\n+b\n"},
            "environment": {"python": {"version": "3.11.7"}, "packages": {"torch": "2.1"}},
            "source": {"path": "/x/train.py", "text": "lr = 0.1\nprint(lr)\n"},
        },
    ).log([(step, {"loss": 1 / (step + 1), "val/acc": step / 4}) for step in range(4)])
    store.run(
        "bbb2",
        name="second",
        project="other",
        state="failed",
        config={"lr": 0.2, "optim": {"name": "adam"}, "batch_size": 64},
        summary={"loss": float("nan")},
        failure={
            "type": "ValueError",
            "message": "boom",
            "traceback": "Traceback\n  line\nValueError: boom",
            "step": 7,
        },
        capture={
            "git": {"commit": "b" * 40, "branch": "main", "dirty": False},
            "environment": {"python": {"version": "3.11.7"}, "packages": {"torch": "2.2"}},
            "source": {"path": "/x/train.py", "text": "lr = 0.2\nprint(lr)\n"},
        },
    ).log([(step, {"loss": float("nan") if step == 2 else step / 2}) for step in range(5)])
    return store
