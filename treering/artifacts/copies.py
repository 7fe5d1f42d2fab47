"""Copies of checkpoints that were fetched to be loaded: the store's folder `restored`, which a collection clears."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from treering.artifacts.depot import Depot

__all__ = ["RESTORED", "delete_copy", "old_copies"]

#: Name of the folder, below the store's.
RESTORED = "restored"
# Somebody may still read one; what is in it can be fetched again at any time.
_AGE_S = 7 * 86400.0


def old_copies(depot: Depot, now_s: float) -> list[tuple[Path, int]]:
    """Return the folders that nobody has written to or read from for a week, and the bytes in each.

    Args:
        depot: of the store; one of a bundle has none of its own.
        now_s: the time, in seconds since 1970.
    """
    if depot.folder is None or depot.prefix != "packs":
        return []
    found: list[tuple[Path, int]] = []
    try:
        folders = sorted(depot.folder.joinpath(RESTORED).iterdir())
    except OSError:
        return []
    for folder in folders:
        used_s, size = _looked_at(folder)
        if used_s < now_s - _AGE_S:
            found.append((folder, size))
    return found


def _looked_at(folder: Path) -> tuple[float, int]:
    """Return when something in a folder was last used, and the bytes of its files."""
    used_s, size = folder.lstat().st_mtime, 0
    for root, _, names in os.walk(folder):
        for name in names:
            known = os.lstat(os.path.join(root, name))
            used_s, size = max(used_s, known.st_mtime, known.st_atime), size + known.st_size
    return used_s, size


def delete_copy(folder: Path) -> None:
    """Delete one; a file in it that is open stays readable to whoever has it open."""
    shutil.rmtree(folder, ignore_errors=True)
