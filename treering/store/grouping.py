"""Runs in groups: how many there are, and how far their values are apart, counted inside the database.

Runs belong to one group when they have the same values of some fields. Of each further field a group has a `Tally`;
those of several databases are put together here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from treering.errors import UsageError
from treering.store.read_filter import Field
from treering.store.read_query import RunQuery

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from treering.store.database import Database
    from treering.store.read_filter import Node

__all__ = ["MAX_FIELDS", "Group", "Key", "Tally", "find_groups", "find_members"]

#: Most fields that runs can be grouped by at once.
MAX_FIELDS = 6
_TIMES = frozenset({"time", "seconds"})


class Key(NamedTuple):
    """The value of one field in a group, as the database compares it: one of the two, or neither for runs without it.

    Attributes:
        number: of numbers and truth values.
        text: of everything else.
    """

    number: float | None
    text: str | None

    @property
    def order(self) -> tuple[int, float, str]:
        """Numbers, then texts, then nothing."""
        place = 0 if self.number is not None else 1 if self.text is not None else 2
        return place, self.number or 0.0, self.text or ""


@dataclass
class Tally:
    """What is known of a field over the runs of a group.

    Attributes:
        count: runs that have it.
        numbers: runs in which it is a finite number; the next four are of these.
        mean: their mean.
        square: sum of the squares of their distances from the mean.
        low: the smallest.
        high: the largest.
        first: the first of the texts, in the order of the database; None where there are none.
        last: the last of them.
    """

    count: int
    numbers: int
    mean: float | None
    square: float
    low: float | None
    high: float | None
    first: str | None
    last: str | None

    @property
    def std(self) -> float | None:
        """Standard deviation of the sample; None for fewer than two numbers."""
        return math.sqrt(self.square / (self.numbers - 1)) if self.numbers > 1 else None

    def add(self, other: Tally) -> None:
        """Take in what is known of other runs."""
        if self.mean is not None and other.mean is not None:
            apart = other.mean - self.mean
            both = self.numbers + other.numbers
            self.square += other.square + apart * apart * self.numbers * other.numbers / both
            self.mean += apart * other.numbers / both
        else:
            self.mean = other.mean if self.mean is None else self.mean
            self.square += other.square
        self.count += other.count
        self.numbers += other.numbers
        self.low = min((end for end in (self.low, other.low) if end is not None), default=None)
        self.high = max((end for end in (self.high, other.high) if end is not None), default=None)
        self.first = min((end for end in (self.first, other.first) if end is not None), default=None)
        self.last = max((end for end in (self.last, other.last) if end is not None), default=None)


@dataclass
class Group:
    """Some runs.

    Attributes:
        keys: the values that all of them have, one for each field.
        sample: id of one of them.
        runs: how many there are.
        states: how many are in each state.
        newest_us: when the newest began, microseconds since 1970.
        tallies: by the fields that were asked for.
    """

    keys: tuple[Key, ...]
    sample: str
    runs: int = 0
    states: dict[str, int] = field(default_factory=dict[str, int])
    newest_us: int = 0
    tallies: dict[Field, Tally] = field(default_factory=dict[Field, Tally])


def find_groups(
    databases: Iterable[Database], where: Node, by: Sequence[Field], fields: Sequence[Field]
) -> list[Group]:
    """Return the groups of the runs of a condition, in no order.

    Args:
        databases: a run that is in two of them counts twice.
        where: which runs.
        by: fields of which the runs of a group have the same value.
        fields: what is tallied: of config and summary, and a run's duration and attempts.

    Raises:
        UsageError: runs cannot be grouped by such a field, or it cannot be tallied.
    """
    _check(by, fields)
    found: dict[tuple[Key, ...], Group] = {}
    for database in databases:
        query = RunQuery(database.dialect)
        for row in database.query(query.groups(by, where), query.parameters):
            keys = _keys(row, by)
            state, runs, sample, newest_us = row[2 * len(by) :]
            group = found.setdefault(keys, Group(keys, sample))
            group.runs += runs
            group.states[state] = group.states.get(state, 0) + runs
            group.newest_us = max(group.newest_us, newest_us)
        if fields:
            _tally(database, where, by, fields, found)
    return list(found.values())


def _tally(
    database: Database, where: Node, by: Sequence[Field], fields: Sequence[Field], found: dict[tuple[Key, ...], Group]
) -> None:
    named = {scope: [one.key for one in fields if one.scope == scope] for scope in ("config", "summary")}
    asked = [(scope, keys) for scope, keys in named.items() if keys]
    asked += [("run", [one.key]) for one in fields if one.scope == "run"]
    for scope, names in asked:
        query = RunQuery(database.dialect)
        for row in database.query(query.tallies(by, where, scope, names), query.parameters):
            group = found.get(_keys(row, by))
            if group is None:
                continue  # of a run that came between the two questions
            key, count, numbers, mean, low, high, square, first, last = row[2 * len(by) :]
            tally = Tally(count, numbers, _float(mean), float(square or 0), _float(low), _float(high), first, last)
            known = group.tallies.setdefault(Field(scope, key), tally)
            if known is not tally:
                known.add(tally)


def _keys(row: Sequence[Any], by: Sequence[Field]) -> tuple[Key, ...]:
    return tuple(Key(_float(row[2 * at]), row[2 * at + 1]) for at in range(len(by)))


def _float(value: Any) -> float | None:
    return None if value is None else float(value)  # PostgreSQL gives exact decimals of some


def find_members(
    databases: Iterable[Database], where: Node, by: Sequence[Field], most: int
) -> dict[tuple[Key, ...], list[str]]:
    """Return the ids of the newest runs of each group, at most so many, the newest first."""
    _check(by, ())
    found: dict[tuple[Key, ...], list[tuple[int, str]]] = {}
    for database in databases:
        query = RunQuery(database.dialect)
        for row in database.query(query.members(by, where, most), query.parameters):
            found.setdefault(_keys(row, by), []).append((-row[-1], row[-2]))
    return {keys: [run_id for _, run_id in sorted(runs)[:most]] for keys, runs in found.items()}


def _check(by: Sequence[Field], fields: Sequence[Field]) -> None:
    if not 1 <= len(by) <= MAX_FIELDS or len(set(by)) < len(by):
        raise UsageError(f"runs are grouped by 1 to {MAX_FIELDS} different fields, and {len(by)} were given")
    for one in by:
        if one.scope == "run" and (one.sort in _TIMES or one.key in {"id", "tag"}):
            raise UsageError(
                f"runs cannot be grouped by {one.key}; take a parameter such as config.lr, or state, group, job_type"
            )
    for one in fields:
        if one.scope == "run" and one.key not in {"duration", "attempts"}:
            raise UsageError(f"{one.key} of many runs has no mean; ask for config.KEY, summary.KEY, duration, attempts")
