"""`define_metric`: which x axis a metric is drawn over, and what of it goes into the summary."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import msgspec

from treering.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from treering.store.stats import ColumnStats

__all__ = ["Definition", "Definitions", "parse_definition"]

SUMMARIES = ("last", "first", "min", "max", "mean", "best", "copy", "none")
GOALS = ("minimize", "maximize")


class Definition(msgspec.Struct, frozen=True):
    """What a user said of one metric, or of all that a glob names.

    Attributes:
        name: a key or a glob such as "val/*".
        x: key of the metric that is its x axis; None for the step.
        summary: rules of `SUMMARIES`; empty for the default, the last value.
        goal: "minimize" or "maximize", which of two values is the better one.
        hidden: not drawn by itself.
    """

    name: str
    x: str | None = None
    summary: tuple[str, ...] = ()
    goal: str | None = None
    hidden: bool = False


def parse_definition(
    name: str, x: str | None, summary: str | Iterable[str] | None, goal: str | None, *, hidden: bool
) -> Definition:
    """Check the arguments of `Run.define_metric`.

    Raises:
        UsageError: an unknown rule or goal; the text lists the known ones.
    """
    if not (isinstance(name, str) and name):  # type: ignore[redundant-expr]  # callers may be untyped
        raise UsageError(f"define_metric() got the name {name!r}; it takes a metric's key or a glob such as 'val/*'")
    words = summary.split(",") if isinstance(summary, str) else list(summary or ())
    rules = tuple(word.strip() for word in words)
    for rule in rules:
        if rule not in SUMMARIES:
            raise UsageError(f"define_metric({name!r}) got summary={rule!r}; it takes {', '.join(SUMMARIES)}")
    if goal is not None and goal not in GOALS:
        raise UsageError(f"define_metric({name!r}) got goal={goal!r}; it takes {' or '.join(GOALS)}")
    return Definition(name, x, rules, goal, hidden)


class Definitions:
    """All definitions of a run; an exact name wins over a glob, a later one over an earlier one."""

    def __init__(self, definitions: Iterable[Definition] = ()) -> None:
        self._by_name: dict[str, Definition] = {}
        self._found: dict[str, Definition | None] = {}
        for definition in definitions:
            self.add(definition)

    def add(self, definition: Definition) -> None:
        """Take a definition, in place of an earlier one of the same name."""
        self._by_name.pop(definition.name, None)
        self._by_name[definition.name] = definition
        self._found.clear()

    def find(self, key: str) -> Definition | None:
        """Return what was said of the metric `key`."""
        if not self._by_name:
            return None
        if key not in self._found:
            self._found[key] = self._by_name.get(key) or next(
                (d for name, d in reversed(self._by_name.items()) if fnmatchcase(key, name)), None
            )
        return self._found[key]

    def to_plain(self) -> list[dict[str, Any]]:
        """Return them as MessagePack-able data."""
        return [msgspec.to_builtins(definition) for definition in self._by_name.values()]

    @classmethod
    def from_plain(cls, plain: Iterable[Mapping[str, Any]]) -> Definitions:
        """The way back from `to_plain`."""
        return cls(msgspec.convert(item, Definition) for item in plain)

    def summarise(self, key: str, stats: ColumnStats) -> dict[str, Any]:
        """Return the summary entries that the metric `key` makes.

        One rule's value stands under the metric's own key; of several, each stands under `key.rule` and the last
        value under the key.
        """
        definition = self.find(key)
        rules = definition.summary if definition else ()
        if rules == ("none",):
            return {}
        if len(rules) <= 1:
            return {key: _value(rules[0] if rules else "last", definition, stats)}
        entries = {f"{key}.{rule}": _value(rule, definition, stats) for rule in rules if rule != "none"}
        return {key: stats.last, **entries}


def _value(rule: str, definition: Definition | None, stats: ColumnStats) -> Any:
    if rule == "best":
        rule = "max" if definition and definition.goal == "maximize" else "min"
    if rule == "copy":
        rule = "last"
    return getattr(stats, rule)
