"""Warnings to a user, at the user's own line."""

from __future__ import annotations

import warnings

from treering.errors import TreeringWarning

__all__ = ["warn", "warn_once"]

_warned: set[str] = set()


def warn_once(text: str, kind: str | None = None) -> None:
    """Warn, unless this process has done so for the same `kind` (or, without one, in the same words)."""
    kind = text if kind is None else kind
    if kind not in _warned:
        _warned.add(kind)
        warn(text)


def warn(text: str) -> None:
    """Warn at the user's own line, each time."""
    warnings.warn(text, TreeringWarning, stacklevel=_user_level())


def _user_level() -> int:
    """Return the `stacklevel`, for a `warnings.warn` of the caller, of the first line outside treering."""
    from inspect import currentframe

    level, frame = 0, currentframe()
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] == "treering":
        level, frame = level + 1, frame.f_back
    return level
