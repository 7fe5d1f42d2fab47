"""Numbers, times and sizes as people read them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datetime import datetime

_LONG_NUMBER = 10**10

__all__ = ["age", "counted", "number", "one_line", "size", "span", "stamp", "value"]


def number(given: float) -> str:
    """Return a number in ten characters or so: whole ones as they are, others with the four figures that count."""
    if abs(given) < _LONG_NUMBER and given == int(given):
        return str(int(given))
    return f"{given:.4g}"


def counted(count: int, what: str) -> str:
    """Return how many of something there are: 1 run, 2 runs, 12,000 runs."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def value(given: Any) -> str:
    """Return any value on one line."""
    if isinstance(given, bool) or given is None:
        return {True: "true", False: "false", None: "null"}[given]
    if isinstance(given, (int, float)):
        return number(given)
    return one_line(given if isinstance(given, str) else repr(given))


def one_line(text: str, longest: int = 200) -> str:
    """Return text without line feeds and control characters, cut where it is long."""
    text = "".join(character if character.isprintable() else " " for character in text[: longest + 1])
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def span(seconds: float) -> str:
    """Return a length of time, such as 3.2s, 5m 10s, 2h 05m or 3d 4h."""
    if seconds < 60:  # noqa: PLR2004
        return f"{seconds:.1f}s" if seconds < 9.95 else f"{seconds:.0f}s"  # noqa: PLR2004
    minutes, rest_s = divmod(round(seconds), 60)
    hours, minutes_left = divmod(minutes, 60)
    if not hours:
        return f"{minutes}m {rest_s:02d}s"
    days, hours_left = divmod(hours, 24)
    return f"{days}d {hours_left}h" if days else f"{hours}h {minutes_left:02d}m"


def age(moment: datetime) -> str:
    """Return how long ago something was, or its date when that is a long time."""
    seconds = time.time() - moment.timestamp()
    for limit_s, unit_s, unit in ((60, 1, "s"), (3600, 60, "min"), (86400, 3600, "h"), (7 * 86400, 86400, "d")):
        if seconds < limit_s:
            return f"{max(int(seconds / unit_s), 0)} {unit} ago"
    return f"{moment.astimezone():%Y-%m-%d}"


def stamp(moment: datetime) -> str:
    """Return a time as the user's clock shows it."""
    return f"{moment.astimezone():%Y-%m-%d %H:%M:%S}"


def size(count: float) -> str:
    """Return a number of bytes."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:  # noqa: PLR2004
            return f"{count:.0f} {unit}" if unit == "B" or count >= 100 else f"{count:.1f} {unit}"  # noqa: PLR2004
        count /= 1024
    return f"{count:.1f} TiB"
