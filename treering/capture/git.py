"""The state of the code: commit, branch, remote and uncommitted changes, asked from `git` itself.

Only reads: no hook, pager, external diff, file system monitor or prompt is run and no lock is taken, so that a snapshot
disturbs neither the repository nor a git command that the user runs meanwhile.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from treering.secrets import mask_text

if TYPE_CHECKING:
    from treering.plain import Plain

__all__ = ["MAX_DIFF_BYTES", "snapshot"]

MAX_DIFF_BYTES = 1 << 20
_MAX_STATUS_BYTES = 1 << 22  # about 40,000 changed files; what lies beyond is not counted
_OPTIONS = (
    "--no-pager",
    "--literal-pathspecs",
    *("-c", "core.fsmonitor=false"),  # would start a program of the repository's choice
    *("-c", f"core.hooksPath={os.devnull}"),
    *("-c", "core.quotePath=false"),
)
_DIFF = (
    "diff",
    "--no-color",
    "--no-ext-diff",
    "--no-textconv",
    "--submodule=short",
    "--ignore-submodules=dirty",
    "--src-prefix=a/",
    "--dst-prefix=b/",
    "--unified=3",
)


def snapshot(
    path: str | os.PathLike[str] | None = None, *, timeout_s: float = 10.0, max_diff_bytes: int = MAX_DIFF_BYTES
) -> dict[str, Plain] | None:
    """Describe the repository around a folder.

    Args:
        path: a file or folder inside it. Default: the folder of the program's script, else the working directory.
        timeout_s: seconds that all questions to git may take together; what is not answered by then is None.
        max_diff_bytes: the diff is cut there, at the end of a line.

    Returns:
        None outside of a repository, else a mapping of

        - `root`: the working tree's folder.
        - `commit`: the full hash; None before the first commit.
        - `branch`: None when the head is detached.
        - `remote`: URL of the branch's remote, of `origin`, or of the only one; without password.
        - `upstream`, `ahead`: the branch it follows, and how many commits it is ahead of it, where it follows one.
        - `dirty`: whether tracked files or submodules differ from the commit.
        - `untracked`: number of untracked files and folders.
        - `diff`: what `git apply` takes to get from the commit to these tracked files, secrets masked; "" when clean.
          Binary files are only named.
        - `diff_cut`: whether `diff` is incomplete.
        - `problem`: why something above is None, with what to do; absent otherwise.

        Never raises for what it finds. Takes about 10 ms in a small repository: call it on a background thread.
    """
    for folder in _candidates(path):
        root = _find_root(folder)
        if root is not None:
            try:
                return _Repository(folder, root, time.monotonic() + timeout_s).describe(max_diff_bytes)
            except Exception as error:  # never the training's problem
                return {"root": str(root), "problem": f"git could not be asked: {type(error).__name__}: {error}"}
    return None


def _candidates(path: str | os.PathLike[str] | None) -> list[Path]:
    try:
        if path is not None:
            return [_folder(Path(path))]
        script = getattr(sys.modules.get("__main__"), "__file__", None)
        return [*([_folder(Path(script))] if isinstance(script, str) else []), Path.cwd()]
    except OSError:  # the working directory is gone
        return []


def _folder(path: Path) -> Path:
    path = path.resolve()
    return path if path.is_dir() else path.parent


def _find_root(folder: Path) -> Path | None:
    """The nearest folder upward with a `.git` that is a repository or leads to one."""
    for parent in (folder, *folder.parents):
        git = parent / ".git"
        try:
            if git.is_file() or (git / "HEAD").exists() or (git / "HEAD").is_symlink():
                return parent
        except OSError:
            continue
    return None


class _Repository:
    """Questions to git about one working tree, until a deadline."""

    def __init__(self, folder: Path, root: Path, deadline: float) -> None:
        self._folder = folder
        self._root = root
        self._deadline = deadline

    def describe(self, max_diff_bytes: int) -> dict[str, Plain]:
        result = self._status("normal")
        problem = None
        if result is None:
            problem = self._refusal()
            # Untracked files are what takes long: a folder of a million samples, a network disk.
            result = self._status("no") if problem is None else None
        if result is None:
            problem = problem or "git took too long; only .git was read"
            result = {**_read_by_hand(self._root), "dirty": None, "untracked": None}
        result = {"root": str(self._root), **result, "remote": self._remote(result.get("branch"))}
        if problem is None:
            result.update(self._diff(result, max_diff_bytes))
        else:
            result.update({"diff": None, "diff_cut": False, "problem": problem})
        return result

    def _status(self, untracked: str) -> dict[str, Plain] | None:
        """Commit, branch and what changed; None when git gave no whole answer."""
        left = self._deadline - time.monotonic()
        output, complete = self._run(
            "status",
            "--porcelain=v2",
            "--branch",
            "-z",
            "--ignore-submodules=dirty",
            "--no-renames",
            f"--untracked-files={untracked}",
            # Half of the time is kept for the second try.
            timeout_s=left / 2 if untracked != "no" else left,
            max_bytes=_MAX_STATUS_BYTES,
        )
        if output is None or (not complete and len(output) < _MAX_STATUS_BYTES):
            return None
        return _parse_status(output.decode("utf-8", "backslashreplace"), counts_untracked=untracked != "no")

    def _diff(self, status: dict[str, Plain], max_bytes: int) -> dict[str, Plain]:
        if not status.get("dirty"):
            return {"diff": "", "diff_cut": False}
        against = ("HEAD",) if status.get("commit") else ("--cached",)  # before the first commit: what is staged
        output, complete = self._run(*_DIFF, *against, "--", max_bytes=max_bytes)
        if output is None:
            return {"diff": None, "diff_cut": False, "problem": "git took too long over the diff"}
        if not complete:
            output = output[: output.rfind(b"\n") + 1]
        return {"diff": mask_text(output.decode("utf-8", "replace")), "diff_cut": not complete}

    def _remote(self, branch: object) -> str | None:
        output, _ = self._run("config", "--get-regexp", r"^(remote\..*\.url|branch\..*\.remote)$")
        settings: dict[str, str] = {}
        for line in (output or b"").decode("utf-8", "replace").splitlines():
            key, _, value = line.partition(" ")
            settings[key] = value
        names = [key[len("remote.") : -len(".url")] for key in settings if key.startswith("remote.")]
        followed = settings.get(f"branch.{branch}.remote", "")
        name = next((name for name in (followed, "origin", *names) if name in names), None)
        return None if name is None else mask_text(settings[f"remote.{name}.url"])

    def _refusal(self) -> str | None:
        """Why git would say nothing about this folder; None if it does."""
        try:
            output, complete = self._run("rev-parse", "--git-dir", stderr=subprocess.STDOUT)
        except FileNotFoundError:
            return "git is not installed; only .git was read"
        if output is None:
            return "git took too long; only .git was read"
        if complete:
            return None
        if b"dubious ownership" in output or b"safe.directory" in output:
            # Not overruled: another user's repository may name programs that a diff would run.
            return (
                "git refuses this folder, for it belongs to another user; "
                f"if you trust it: git config --global --add safe.directory {self._root}"
            )
        return f"git: {mask_text(output.decode('utf-8', 'replace').strip())[:500]}"

    def _run(
        self, *arguments: str, timeout_s: float = 60.0, max_bytes: int = 1 << 16, stderr: int = subprocess.DEVNULL
    ) -> tuple[bytes | None, bool]:
        """Run git; (what it wrote or None when time ran out, whether that is all and git succeeded)."""
        left = min(timeout_s, self._deadline - time.monotonic())
        if left <= 0:
            return None, False
        try:
            process = subprocess.Popen(
                ["git", *_OPTIONS, *arguments],
                cwd=self._folder,
                env=_environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr,
                creationflags=_NO_WINDOW,
                # A group of its own, so that a filter which git started ends with it.
                start_new_session=sys.platform != "win32",
            )
        except FileNotFoundError:
            if arguments[0] == "rev-parse":
                raise
            return None, False
        late = threading.Event()
        timer = threading.Timer(left, _stop, (process, late))
        timer.daemon = True
        timer.start()
        try:
            with process:
                output = process.stdout.read(max_bytes + 1) if process.stdout else b""
                if len(output) > max_bytes:
                    _kill(process)
        finally:
            timer.cancel()
        if late.is_set():
            return None, False
        return output[:max_bytes], len(output) <= max_bytes and process.returncode == 0


_NO_WINDOW = 0x08000000 if sys.platform == "win32" else 0


def _stop(process: subprocess.Popen[bytes], late: threading.Event) -> None:
    late.set()
    _kill(process)


def _kill(process: subprocess.Popen[bytes]) -> None:
    try:
        if sys.platform == "win32":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)
    except OSError:  # it has ended by itself
        pass


def _environment() -> dict[str, str]:
    """The environment, without what would point git at another repository (a training started by a git hook)."""
    drop = {"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR", "GIT_NAMESPACE"}
    drop |= {"GIT_PREFIX", "GIT_EXTERNAL_DIFF", "GIT_DIFF_OPTS", "GIT_TRACE"}
    kept = {name: value for name, value in os.environ.items() if name not in drop}
    return {**kept, "GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}


def _parse_status(text: str, *, counts_untracked: bool) -> dict[str, Plain]:
    result: dict[str, Plain] = {"commit": None, "branch": None, "upstream": None, "ahead": None, "dirty": False}
    untracked = 0
    for entry in text.split("\0"):
        if entry.startswith("# branch."):
            name, _, value = entry[len("# branch.") :].partition(" ")
            if name == "oid":
                result["commit"] = None if value == "(initial)" else value
            elif name == "head":
                result["branch"] = None if value == "(detached)" else value
            elif name == "upstream":
                result["upstream"] = value
            elif name == "ab":
                result["ahead"] = int(value.split()[0])
        elif entry.startswith("? "):
            untracked += 1
        elif entry[:2] in {"1 ", "2 ", "u "}:
            result["dirty"] = True
    result["untracked"] = untracked if counts_untracked else None
    return result


def _read_by_hand(root: Path) -> dict[str, Plain]:
    """Commit and branch as the files of the repository name them: for when git cannot be asked."""
    nothing: dict[str, Plain] = {"commit": None, "branch": None}
    try:
        folder = root / ".git"
        if folder.is_file():  # a worktree or a submodule: "gitdir: PATH"
            folder = (root / folder.read_text(encoding="utf-8").partition(":")[2].strip()).resolve()
        head = (folder / "HEAD").read_text(encoding="utf-8").strip()
        if not head.startswith("ref: "):
            return {"commit": _hash(head), "branch": None}
        name = head[len("ref: ") :]
        link = folder / "commondir"  # the branches of a worktree lie in the main repository
        common = (folder / link.read_text(encoding="utf-8").strip()).resolve() if link.exists() else folder
        return {"commit": _resolve(common, name), "branch": name.removeprefix("refs/heads/")}
    except (OSError, ValueError):
        return nothing


def _resolve(common: Path, name: str) -> str | None:
    loose = common / name
    if loose.is_file():
        return _hash(loose.read_text(encoding="utf-8").strip())
    packed = common / "packed-refs"
    lines = packed.read_text(encoding="utf-8").splitlines() if packed.is_file() else []
    return next((_hash(line.split(" ")[0]) for line in lines if line.endswith(f" {name}")), None)


def _hash(text: str) -> str | None:
    return text if re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", text) else None
