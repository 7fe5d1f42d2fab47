"""Readers: from what a user or a variable says to a setting's own type, or `Refused`."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_TRUE = frozenset({"1", "true", "yes", "on", "y", "t"})
_FALSE = frozenset({"0", "false", "no", "off", "n", "f"})
_LONGEST_ID = 128


class ForkPoint(NamedTuple):
    """Where a forked run leaves its parent; `step` None is the parent's end."""

    run_id: str
    step: int | None = None


class Refused(Exception):  # noqa: N818  # a control flow, never seen outside
    """A reader cannot take the value; its text, if any, is a better advice than the general one."""


def text(value: object) -> str:
    if not isinstance(value, str):
        raise Refused(f"Write str({value!r})." if isinstance(value, (int, float)) else "")
    if not value.strip():
        raise Refused
    return value


def label(longest: int, forbidden: str) -> Callable[[object], str]:
    def read(value: object) -> str:
        words = text(value)
        if len(words) > longest:
            raise Refused(f"It has {len(words)} characters; shorten it.")
        for character in words:
            if character in forbidden or not character.isprintable():
                raise Refused(f"Leave out {character!r}.")
        return words

    return read


def run_id(value: object) -> str:
    # An id names files and folders of the store, so it can hold nothing that means something in a path.
    words = text(value)
    plain = all(c.isascii() and (c.isalnum() or c in "-_.") for c in words)
    if not plain or words[0] == "." or len(words) > _LONGEST_ID:
        raise Refused("A free text belongs into `name`.")
    return words


def yes_no(value: object) -> bool:
    if isinstance(value, str):
        word = value.strip().lower()
        if word in _TRUE or word in _FALSE:
            return word in _TRUE
    elif isinstance(value, (bool, int)) and value in (0, 1):
        return bool(value)
    raise Refused


def number(minimum: float) -> Callable[[object], float]:
    def read(value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float, str)):
            raise Refused
        try:
            number = float(value)
        except (ValueError, OverflowError):
            raise Refused from None
        if not math.isfinite(number) or number < minimum:
            raise Refused
        return number

    return read


def integer(minimum: int | None = None) -> Callable[[object], int]:
    def read(value: object) -> int:
        if isinstance(value, str):
            try:
                value = int(value)
            except ValueError:
                raise Refused from None
        # NumPy's integers are no `int`, but say that they are whole by `__index__`.
        if isinstance(value, bool) or not hasattr(value, "__index__"):
            raise Refused
        number = int(cast("int", value))
        if minimum is not None and number < minimum:
            raise Refused
        return number

    return read


def choice(*words: str, also: Mapping[object, str] | None = None, hints: Mapping[str, str] | None = None) -> Any:
    """Make a reader of one of `words`; `also` maps other spellings to them, `hints` has advice for likely mistakes."""
    spellings: dict[object, str] = {**{word: word for word in words}, **(also or {})}

    def read(value: object) -> str:
        if isinstance(value, str):
            value = value.strip().lower()
        if isinstance(value, (str, bool)) and value in spellings:
            return spellings[value]
        hint = (hints or {}).get(str(value), "")
        raise Refused(hint or did_you_mean(str(value), words))

    return read


def tags(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        value = value.split(",")
    if not isinstance(value, (list, tuple, set, frozenset)):
        raise Refused
    tags: dict[str, None] = {}
    for tag in cast("Sequence[object]", value):
        if not isinstance(tag, str):
            raise Refused(f"{tag!r} is no text.")
        if tag.strip():
            tags[tag.strip()] = None
    return tuple(tags)


def folder(value: object) -> Path:
    if not isinstance(value, (str, os.PathLike)):
        raise Refused
    path = os.fsdecode(cast("str | os.PathLike[str]", value))
    if not path.strip() or "\0" in path:
        raise Refused
    # An address would silently become a folder of that name. Cheap, for it is in every start.
    if "://" in path:
        raise Refused("An address is no folder: for a server set mode to online and url to its address.")
    return Path(path)


def fork_point(value: object) -> ForkPoint:
    if isinstance(value, tuple):
        given = cast("tuple[object, ...]", value)
        if len(given) != len(ForkPoint._fields):
            raise Refused
        return ForkPoint(run_id(given[0]), None if given[1] is None else integer()(given[1]))
    parent, question_mark, query = text(value).partition("?")
    if not question_mark:
        return ForkPoint(run_id(parent))
    axis, _, step = query.partition("=")
    if axis not in {"step", "_step"}:
        raise Refused
    return ForkPoint(run_id(parent), integer()(step))


def did_you_mean(word: str, words: Sequence[str]) -> str:
    from difflib import get_close_matches

    by_lower = {one.lower(): one for one in words}
    close = get_close_matches(word.lower(), by_lower, n=1, cutoff=0.6)
    return f"Did you mean {by_lower[close[0]]!r}?" if close else ""
