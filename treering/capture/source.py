"""The code that was started: a script, a module, a command's text, or a notebook's cells."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from treering.capture import notebook
from treering.secrets import mask_text

__all__ = ["snapshot"]

_MAX_CHARACTERS = 1 << 20


def snapshot() -> dict[str, Any] | None:
    """Return the program's own source, its secrets masked, or None where there is none to be had.

    Returns:
        kind ("script", "module", "command" or "notebook"), path (None without a file), text; of a notebook cells
        (number and text of each that was run) in place of the text. Texts are cut at 1 MiB.
    """
    cells = notebook.cells()
    if cells is not None:
        return {"kind": "notebook", "path": notebook.path(), "cells": cells}
    main = sys.modules.get("__main__")
    file = getattr(main, "__file__", None)
    if file is None:
        command = _command()
        return None if command is None else {"kind": "command", "path": None, "text": _tidied(command)}
    path = Path(file).absolute()
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None  # run from an archive, or deleted since
    kind = "module" if getattr(main, "__spec__", None) is not None else "script"
    return {"kind": kind, "path": str(path), "text": _tidied(text)}


def _command() -> str | None:
    """Return what followed `-c`; None for an interactive session."""
    arguments = getattr(sys, "orig_argv", [])
    if "-c" not in arguments or not sys.argv or sys.argv[0] != "-c":
        return None
    position = arguments.index("-c") + 1
    return arguments[position] if position < len(arguments) else None


def _tidied(text: str) -> str:
    return mask_text(text[:_MAX_CHARACTERS])
