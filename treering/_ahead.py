"""What the first version of files of a run takes, loaded before it is asked for, off the training thread."""

from __future__ import annotations

import importlib
import sys
import threading

__all__ = ["make_ready", "make_ready_soon"]

# What `Run.log_artifact` and what comes of it import where they need it; together some 20 ms.
_MODULES = (
    "getpass",
    "msgspec",
    "treering.artifacts._artifact",
    "treering.artifacts.committing",
    "treering.artifacts.home",
    "treering.artifacts.leasing",
    "treering.artifacts.registry",
    "treering.artifacts.saver",
    "treering.artifacts.saving",
)
_begun = False


def make_ready() -> None:
    """Load it now; once in a process. For threads that have nothing better to do."""
    global _begun  # of this process
    if _begun:
        return
    _begun = True
    for name in _MODULES:
        if sys.is_finalizing():
            return
        try:
            importlib.import_module(name)
        except Exception:  # whoever needs it says what is wrong
            return


def make_ready_soon() -> None:
    """Load it on a thread of its own."""
    if not _begun and not sys.is_finalizing():
        try:
            threading.Thread(target=make_ready, name="treering-ahead", daemon=True).start()
        except RuntimeError:  # the interpreter is ending
            return
