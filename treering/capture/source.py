"""The code that was started: a script, a module, a command's text, or a notebook's cells."""

from __future__ import annotations

import io
import re
import sys
import tokenize
from pathlib import Path
from typing import Any

from treering.capture import notebook
from treering.secrets import mask_text

__all__ = ["MAX_SOURCE_BYTES", "snapshot"]

MAX_SOURCE_BYTES = 1 << 20


def snapshot() -> dict[str, Any] | None:
    """Return the program's own source, its secrets masked, or None where there is none to be had.

    Returns:
        `kind` ("script", "module", "command", "notebook", or "session" for IPython in a terminal), `path` (None
        without a file), `text`; of a notebook or session `cells` (number and text of each that was run) in place of
        the text. A text is cut at 1 MiB, and has `cut` true then.
    """
    cells = notebook.cells()
    if cells is not None:
        kind = "notebook" if notebook.has_kernel() else "session"
        return {"kind": kind, "path": notebook.path(), "cells": cells}
    main = sys.modules.get("__main__")
    file = getattr(main, "__file__", None)
    if not isinstance(file, str):
        command = _command()
        return None if command is None else {"kind": "command", "path": None, **_kept(command.encode())}
    path = Path(file).absolute()
    source = _read(path)
    if source is None:
        source = _from_archive(main)
    if source is None:
        return None  # deleted since, or compiled
    kind = "module" if getattr(main, "__spec__", None) is not None else "script"
    return {"kind": kind, "path": str(path), **_kept(source)}


def _read(path: Path) -> bytes | None:
    try:
        with path.open("rb") as file:
            return file.read(MAX_SOURCE_BYTES + 1)
    except OSError:
        return None


def _from_archive(main: Any) -> bytes | None:
    """The source of a program that is run from a zip file."""
    try:
        spec = main.__spec__
        source = spec.loader.get_source(spec.name)
    except Exception:  # no such loader, or it has no source
        return None
    return source.encode() if isinstance(source, str) else None


def _command() -> str | None:
    """What followed `-c`; None for an interactive session."""
    arguments = sys.orig_argv
    if not sys.argv or sys.argv[0] != "-c":
        return None
    # The option may stand together with others, as in `python -Ic TEXT`.
    options = (at for at, argument in enumerate(arguments) if at and re.fullmatch(r"-[A-Za-z]*c", argument))
    at = next(options, len(arguments)) + 1
    return arguments[at] if at < len(arguments) else None


def _kept(source: bytes) -> dict[str, Any]:
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(source).readline)
    except SyntaxError:  # neither UTF-8 nor declared
        encoding = "utf-8"
    text = source[:MAX_SOURCE_BYTES].decode(encoding, "replace").replace("\r\n", "\n")
    return {"text": mask_text(text), **({"cut": True} if len(source) > MAX_SOURCE_BYTES else {})}
