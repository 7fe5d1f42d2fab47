"""What was run in an IPython session: Jupyter, Colab, VS Code's notebooks, the terminal."""

from __future__ import annotations

import os
import sys
from typing import Any

from treering.secrets import mask_text

__all__ = ["cells", "has_kernel", "path", "session"]

_MAX_CELL = 100_000
_MAX_CELLS = 2_000


def session() -> Any:
    """Return this process's IPython session, or None; loads nothing."""
    get_ipython = getattr(sys.modules.get("IPython"), "get_ipython", None)
    return get_ipython() if get_ipython is not None else None


def has_kernel() -> bool:
    """Whether the session is a notebook's, or another front end's with a kernel, and not a terminal's."""
    return getattr(session(), "kernel", None) is not None


def cells() -> list[dict[str, Any]] | None:
    """Return number and text of each cell that was run, oldest first, secrets masked; None outside IPython.

    Each is cut at 100,000 characters, and only the newest 2,000 are returned.
    """
    shell = session()
    if shell is None:
        return None
    history: list[str] = list(shell.history_manager.input_hist_raw)
    # The list's first entry is IPython's own and empty, so positions are cell numbers.
    numbered = [(number, text) for number, text in enumerate(history) if number and text]
    return [{"number": number, "text": mask_text(text[:_MAX_CELL])} for number, text in numbered[-_MAX_CELLS:]]


def path() -> str | None:
    """Return the notebook's file as far as its front end tells the kernel."""
    shell = session()
    namespace = getattr(shell, "user_ns", {})
    told = namespace.get("__vsc_ipynb_file__") or os.environ.get("JPY_SESSION_NAME")
    return str(told) if told else None
