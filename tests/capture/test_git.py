"""The state of the code, in every kind of repository that a training may start in; asked from the real git."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from treering.capture import git

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the programs below are shell scripts")


def run_git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.strip()


def snapshot(folder: Path, **options: Any) -> dict[str, Any]:
    result = git.snapshot(folder, **options)
    assert result is not None
    return result


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    run_git(folder, "init", "--initial-branch=main")
    (folder / "train.py").write_text("lr = 1\n")
    run_git(folder, "add", ".")
    run_git(folder, "commit", "-m", "first")
    return folder


def program(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_outside_of_a_repository(tmp_path: Path) -> None:
    assert git.snapshot(tmp_path) is None
    assert git.snapshot(tmp_path / "no such folder") is None


def test_clean(repository: Path) -> None:
    assert snapshot(repository) == {
        "root": str(repository),
        "commit": run_git(repository, "rev-parse", "HEAD"),
        "branch": "main",
        "upstream": None,
        "ahead": None,
        "dirty": False,
        "untracked": 0,
        "remote": None,
        "diff": "",
        "diff_cut": False,
    }


def test_the_diff_brings_a_checkout_to_the_same_state(repository: Path, tmp_path: Path) -> None:
    (repository / "train.py").write_text("lr = 2\n# ünïcode\n")
    (repository / "new.py").write_text("staged = True\n")
    run_git(repository, "add", "new.py")
    (repository / "notes.txt").write_text("untracked\n")
    (repository / "sub folder").mkdir()
    for name in "abc":
        (repository / "sub folder" / name).write_text(name)
    result = snapshot(repository / "sub folder")  # from below, all the same
    assert (result["dirty"], result["untracked"], result["diff_cut"]) == (True, 2, False)

    clone = tmp_path / "clone"
    run_git(tmp_path, "clone", str(repository), str(clone))
    run_git(clone, "checkout", "--detach", result["commit"])
    (tmp_path / "patch").write_text(result["diff"])
    run_git(clone, "apply", str(tmp_path / "patch"))
    assert (clone / "train.py").read_text() == (repository / "train.py").read_text()
    assert (clone / "new.py").read_text() == "staged = True\n"


def test_a_users_taste_does_not_change_the_diff(repository: Path) -> None:
    (repository / "train.py").write_text("".join(f"{number}\n" for number in range(20)))
    run_git(repository, "commit", "-am", "longer")
    (repository / "train.py").write_text("".join(f"{number}\n" for number in range(20) if number != 10))
    plain = snapshot(repository)["diff"]
    for name, value in {
        "color.ui": "always",
        "diff.noprefix": "true",
        "diff.mnemonicPrefix": "true",
        "diff.context": "0",
        "status.branch": "false",
        "status.showUntrackedFiles": "no",
        "core.pager": "false",
    }.items():
        run_git(repository, "config", name, value)
    (repository / "other.txt").write_text("")
    assert snapshot(repository)["diff"] == plain
    assert snapshot(repository)["untracked"] == 1


def test_before_the_first_commit(tmp_path: Path) -> None:
    run_git(tmp_path, "init", "--initial-branch=main")
    (tmp_path / "a.py").write_text("a = 1\n")
    run_git(tmp_path, "add", "a.py")
    result = snapshot(tmp_path)
    assert (result["commit"], result["branch"], result["dirty"]) == (None, "main", True)
    assert "+a = 1" in result["diff"]


def test_detached_head(repository: Path) -> None:
    run_git(repository, "checkout", "--detach")
    result = snapshot(repository)
    assert (result["branch"], result["commit"]) == (None, run_git(repository, "rev-parse", "HEAD"))


def test_worktree(repository: Path, tmp_path: Path) -> None:
    run_git(repository, "worktree", "add", "-b", "experiment", str(tmp_path / "tree"))
    result = snapshot(tmp_path / "tree")
    assert (result["branch"], result["root"]) == ("experiment", str(tmp_path / "tree"))


def test_submodule(repository: Path, tmp_path: Path) -> None:
    outer = tmp_path / "outer"
    outer.mkdir()
    run_git(outer, "init", "--initial-branch=main")
    run_git(outer, "-c", "protocol.file.allow=always", "submodule", "add", str(repository), "inner")
    run_git(outer, "commit", "-m", "with a submodule")
    assert snapshot(outer)["dirty"] is False
    assert snapshot(outer / "inner")["root"] == str(outer / "inner")
    (outer / "inner" / "train.py").write_text("lr = 3\n")
    run_git(outer / "inner", "commit", "-am", "second")
    result = snapshot(outer)
    assert result["dirty"] is True
    assert "+Subproject commit" in result["diff"]


def test_remote_and_upstream(repository: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare.git"
    run_git(tmp_path, "init", "--bare", str(bare))
    run_git(repository, "remote", "add", "fork", "https://bob:hunter2@example.com/fork.git")
    assert snapshot(repository)["remote"] == "https://bob:***@example.com/fork.git"
    run_git(repository, "remote", "add", "origin", "git@example.com:team/project.git")
    assert snapshot(repository)["remote"] == "git@example.com:team/project.git"
    run_git(repository, "remote", "add", "backup", str(bare))
    run_git(repository, "push", "--set-upstream", "backup", "main")
    run_git(repository, "commit", "--allow-empty", "-m", "more")
    result = snapshot(repository)
    assert (result["remote"], result["upstream"], result["ahead"]) == (str(bare), "backup/main", 1)


def test_secrets_in_the_diff_are_masked(repository: Path) -> None:
    (repository / "train.py").write_text('lr = 1\napi_key = "abc"\nexport HF_TOKEN=xyz\nmax_tokens = 5\n')
    diff = snapshot(repository)["diff"]
    assert '+api_key = "***"\n+export HF_TOKEN=***\n+max_tokens = 5\n' in diff


def test_a_huge_diff_is_cut_at_a_line(repository: Path) -> None:
    (repository / "train.py").write_text("x = 1234567\n" * 500_000)
    for limit in (10_000, 10_001):  # one of them in the middle of a line
        result = snapshot(repository, max_diff_bytes=limit)
        assert result["diff_cut"] is True
        assert limit - 100 < len(result["diff"]) <= limit
        assert result["diff"].endswith("+x = 1234567\n")


def test_binary_and_odd_files(repository: Path) -> None:
    (repository / "train.py").write_bytes(b"\xff\xfe latin \xe9\n")
    (repository / 'na"me ü.bin').write_bytes(b"\0" * 100)
    run_git(repository, "add", ".")
    assert "Binary files" in snapshot(repository)["diff"]


def test_nothing_is_run_and_nothing_is_locked(repository: Path, tmp_path: Path) -> None:
    tripwire = program(tmp_path, "tripwire", f"touch {tmp_path}/tripped")
    for name in ("core.fsmonitor", "diff.external", "core.pager", "pager.diff", "pager.status", "core.askPass"):
        run_git(repository, "config", name, str(tripwire))
    run_git(repository, "config", "diff.bad.textconv", str(tripwire))
    run_git(repository, "config", "diff.bad.command", str(tripwire))
    (repository / ".git" / "info" / "attributes").write_text("* diff=bad\n")
    for hook in ("post-index-change", "pre-commit", "post-checkout"):
        program(repository / ".git" / "hooks", hook, f"touch {tmp_path}/tripped")
    (repository / "train.py").write_text("lr = 2\n")
    (tmp_path / "tripped").unlink(missing_ok=True)
    (repository / ".git" / "index.lock").write_text("")  # another git is at work
    index = (repository / ".git" / "index").read_bytes()
    assert "+lr = 2" in snapshot(repository)["diff"]
    assert not (tmp_path / "tripped").exists()
    assert (repository / ".git" / "index").read_bytes() == index


def test_the_index_is_not_refreshed(repository: Path) -> None:
    os.utime(repository / "train.py", (1, 1))  # what git would note in the index, under a lock
    index = (repository / ".git" / "index").read_bytes()
    assert snapshot(repository)["dirty"] is False
    assert (repository / ".git" / "index").read_bytes() == index


def test_started_by_a_git_hook(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "other"
    other.mkdir()
    run_git(other, "init", "--initial-branch=other")
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other))
    assert snapshot(repository)["branch"] == "main"


@pytest.mark.parametrize("packed", [False, True])
def test_without_git(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, packed: bool) -> None:
    commit = run_git(repository, "rev-parse", "HEAD")
    run_git(repository, "worktree", "add", "-b", "experiment/a", str(tmp_path / "tree"))
    if packed:
        run_git(repository, "pack-refs", "--all")
    monkeypatch.setenv("PATH", str(tmp_path))
    for folder, branch in ((repository, "main"), (tmp_path / "tree", "experiment/a")):
        result = snapshot(folder)
        assert (result["commit"], result["branch"], result["dirty"]) == (commit, branch, None)
        assert "not installed" in result["problem"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give files away")
def test_the_repository_of_another_user(repository: Path) -> None:
    commit = run_git(repository, "rev-parse", "HEAD")
    for path in (repository, repository / ".git"):
        os.chown(path, 12345, 12345)
    result = snapshot(repository)
    assert (result["commit"], result["branch"], result["diff"]) == (commit, "main", None)
    assert f"safe.directory {repository}" in result["problem"]


def test_a_damaged_repository(repository: Path) -> None:
    (repository / ".git" / "config").write_text("[[[")
    result = snapshot(repository)
    assert result["branch"] == "main"
    assert result["problem"].startswith("git: ")


@pytest.mark.parametrize("slow", ["status", "diff", "anything"])
def test_a_slow_git_is_stopped(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, slow: str) -> None:
    real = run_git(repository, "--exec-path") + "/git"
    (repository / "train.py").write_text("lr = 2\n")
    folder = tmp_path / "bin"
    folder.mkdir()
    # The sleeper keeps the pipe open, as a filter would: the whole group has to be stopped.
    test = {
        "status": '*" status "*"--untracked-files=normal"*',
        "diff": '*" diff "*',
        "anything": "*",
    }[slow]
    program(folder, "git", f'case " $* " in\n{test}) sleep 60 & sleep 60;;\n*) exec "{real}" "$@";;\nesac')
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    before = time.monotonic()
    result = snapshot(repository, timeout_s=2.0)
    assert time.monotonic() - before < 10
    assert result["branch"] == "main"
    if slow == "status":  # asked again without untracked files
        assert (result["dirty"], result["untracked"]) == (True, None)
        assert "+lr = 2" in result["diff"]
    elif slow == "diff":
        assert (result["dirty"], result["diff"]) == (True, None)
        assert "too long" in result["problem"]
    else:
        assert (result["dirty"], result["diff"]) == (None, None)
        assert "too long" in result["problem"]


def test_the_default_is_the_folder_of_the_script(repository: Path, tmp_path: Path) -> None:
    text = "from treering.capture import git\nprint((git.snapshot() or {}).get('root'))\n"
    (repository / "train.py").write_text(text)

    def output(*command: str, cwd: Path) -> str:
        done = subprocess.run(
            [sys.executable, *command], cwd=cwd, capture_output=True, text=True, check=True, timeout=60
        )
        return done.stdout.strip()

    assert output(str(repository / "train.py"), cwd=tmp_path) == str(repository)
    assert output("-c", text, cwd=repository) == str(repository)
    assert output("-c", text, cwd=tmp_path) == "None"
