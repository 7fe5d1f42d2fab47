"""The recorded streams of a run."""

from __future__ import annotations

__all__ = ["CONSOLE", "EVENTS", "HISTORY", "STREAMS", "SYSTEM"]

#: Stream numbers, as journals have them, are positions in this tuple.
STREAMS = ("history", "system", "console", "events")
HISTORY, SYSTEM, CONSOLE, EVENTS = range(4)
