"""Finishing what a dead process has left: saves that were handed over are completed, everything else is dropped."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from typing import TYPE_CHECKING

from treering.artifacts.pinning import PLAN, PinGone
from treering.artifacts.saver import LOCK
from treering.artifacts.saving import INCOMING, drop_pending, pending_of, save_pending
from treering.errors import NotFound
from treering.lease import Lease, seems_alive_elsewhere

if TYPE_CHECKING:
    from pathlib import Path

    from treering.store import Store

__all__ = ["complete", "has_interrupted", "runs_with_pins"]

# What is on its way without a run's lock, such as a pack, is left alone for so long.
_YOUNG_S = 3600.0


def has_interrupted(folder: Path) -> bool:
    """Tell, cheaply, whether anything may be left below a store's folder."""
    try:
        with os.scandir(folder / INCOMING) as found:
            return any(True for _ in found)
    except OSError:
        return False


def runs_with_pins(folder: Path) -> list[str]:
    """Return the ids of runs that have pins below a store's folder."""
    try:
        return sorted(place.name for place in (folder / INCOMING).iterdir() if place.is_dir())
    except OSError:
        return []


def complete(store: Store, run_id: str | None = None) -> list[str]:
    """Complete or drop what dead processes were saving into this store; returns what was dropped, in words.

    Safe beside any number of processes that save or do the same.

    Args:
        store: open for writing.
        run_id: only what this run, known to be dead, has left; None for everybody without a living process.
    """
    dropped: list[str] = []
    incoming = store.folder / INCOMING
    try:
        places = sorted(incoming.iterdir()) if run_id is None else [incoming / run_id]
    except OSError:
        return dropped
    for place in places:
        if place.is_dir():
            if run_id is not None or not _is_alive(store.folder, place.name):
                dropped += _complete_run(store, place)
        elif _is_old(place):
            with contextlib.suppress(OSError):
                place.unlink()
    return dropped


def _is_alive(folder: Path, run_id: str) -> bool:
    """Tell whether a run's process lives, or is about to be looked after with its journal."""
    return (folder / "journal" / run_id).is_dir() or (folder / "bundles" / f"{run_id}.db").exists()


def _is_old(path: Path) -> bool:
    try:
        return time.time() - path.stat().st_mtime > _YOUNG_S
    except OSError:
        return False


def _complete_run(store: Store, place: Path) -> list[str]:
    lease = Lease(place / LOCK)
    try:
        if seems_alive_elsewhere(lease.path) or not lease.acquire(recovers=True):
            return []
    except FileNotFoundError:
        return []
    dropped: list[str] = []
    try:
        for request in pending_of(store.database, place.name):
            try:
                save_pending(store.database, store.folder, request)
            except (PinGone, NotFound) as error:
                drop_pending(store.database, store.folder, request)
                dropped.append(f"artifact {request.name!r} of run {place.name}: {error}")
        _remove_rest(place)
    finally:
        lease.release(unlink=True)
        with contextlib.suppress(OSError):
            place.rmdir()
    return dropped


def _remove_rest(place: Path) -> None:
    """Delete pins that nobody has been told of: their call had not returned."""
    own = place.name == "none"
    for folder in list(place.iterdir()):
        if folder.is_dir() and not (own and not _is_old(folder / PLAN if (folder / PLAN).exists() else folder)):
            shutil.rmtree(folder, ignore_errors=True)
