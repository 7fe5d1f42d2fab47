"""`treering alert`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from commands import Call
from store_builder import StoreBuilder

import treering


@pytest.fixture
def told(store: StoreBuilder, store_dir: Path) -> Path:
    (store_dir / "alerts.toml").write_text('[targets.team]\nwebhook = "http://127.0.0.1:1/key"\n')
    return store_dir


def test_rules_come_and_go(told: Path, call: Call) -> None:
    added = call("alert", "add", "loss is nan", "--target", "team", "--project", "p")
    rule = added.out.split()[1].rstrip(":")
    assert (added.code, added.out, added.err) == (0, f"rule {rule}: loss is nan\n", "")
    assert call("alert", "rules").out == f"rule\tproject\tcondition\ttargets\n{rule}\tp\tloss is nan\tteam\n"
    assert call("alert", "rules", "--json").data[0]["condition"] == "loss is nan"
    assert call("alert", "rm", rule).out == f"forgot rule {rule}\n"
    assert call("alert", "rules").out == "rule\tproject\tcondition\ttargets\n"


def test_mistakes(told: Path, call: Call) -> None:
    for arguments, said in (
        (("add", "loss"), "cannot be read"),
        (("add", "loss > 1", "-t", "nobody"), "there is no target 'nobody'"),
        (("rm", "none"), "there is no rule 'none'"),
        (("test", "nobody"), "there is no target 'nobody'"),
        (("test", "team"), "inside the server's own network"),
        (("targets", "--alerts", told / "none.toml"), "there is no file"),
    ):
        done = call("alert", *arguments)
        assert done.code != 0
        assert said in done.err
        assert "Traceback" not in done.err


def test_targets(told: Path, call: Call) -> None:
    assert call("alert", "targets").out.splitlines()[1] == "team\twebhook\t127.0.0.1 (json)\tinfo\tyes"


def test_nobody_to_tell_is_said(store: StoreBuilder, call: Call) -> None:
    assert "nobody is told yet" in call("alert", "add", "loss > 1").err


def test_watching_without_a_dashboard(told: Path, call: Call) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "treering.cli", "alert", "watch", "--dir", str(told)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"},
    ) as watcher:  # fmt: skip
        try:
            assert watcher.stdout is not None
            assert watcher.stderr is not None
            assert "watching" in watcher.stdout.readline()
            with treering.init(dir=told, name="night") as run:
                run.alert("hot")
            assert "inside the server's own network" in watcher.stderr.readline()
            watcher.send_signal(signal.SIGINT)
            assert watcher.wait(60) == 0
        finally:
            watcher.kill()
    row = call("alert", "ls").out.splitlines()[1].split("\t")
    assert row[1:4] == ["info", "uncategorized", "night: hot"]
    assert row[4].startswith("waiting (team: ")
