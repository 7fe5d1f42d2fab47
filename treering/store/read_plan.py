"""How a page of runs is found: what a database cannot know of a filter and an order is looked at first.

Looks that cost next to nothing save most of the work. How few values a comparison leaves says whether to begin with
those or with the runs; a page in the order of time that is soon full asks no more runs than it has to. And a page in
the order of a value is nearly always among the first few thousand values: so an index is walked from its front until
the page is full. Where that comes to the end of the numbers, those without one follow in the order of what is left of
it; and only where neither is so are all runs sorted.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from treering.store.read_filter import All, AnyOf, Compare, Not
from treering.store.read_query import NUMBERED, Front, Page, RunQuery

if TYPE_CHECKING:
    from collections.abc import Sequence

    from treering.store.database import Database
    from treering.store.read_filter import Node

__all__ = ["Plan", "count", "find_page", "planned"]

# This share of as many values as there are runs is walked: in vain it costs a third more.
_FRONT = 0.25
# How often the page should be among them, going by how many runs fit the filter.
_SURE = 4
# The same where the values of other projects lie between them, of which is known how many they are.
_SURE_OF_PROJECT = 2
# Nothing is counted any further: more than that is many.
_MANY = 100_000
# PostgreSQL counts runs of other projects up to so many times those of the one that is asked for.
_OTHERS = 8


class Plan(NamedTuple):
    """How to find runs.

    Attributes:
        where: the condition, in the order in which it is quickest.
        each: whether each run is to be asked for its values.
        share: of the runs that may fit, 0 to 1; those that do fit may be fewer.
    """

    where: Node
    each: bool = False
    share: float = 1.0


def find_page(
    database: Database, columns: Sequence[str], page: Page, *, counted: bool = False
) -> list[tuple[Any, ...]]:
    """Return rows of `RunQuery.select`, found the quickest way that is known.

    Args:
        database: of the runs.
        columns: of `runs`.
        page: which runs.
        counted: whether each row ends with how many runs there are in all.
    """
    look = _Look(database, page.where)
    rows = _quickly(look, columns, page)
    if rows is None:
        plan = look.planned()
        query = RunQuery(database.dialect, counted=counted, each=plan.each)
        return database.query(query.select(columns, page._replace(where=plan.where)), query.parameters)
    if counted and rows:
        total = look.count()
        rows = [(*row, total) for row in rows]
    return rows


def count(database: Database, where: Node) -> int:
    """Return how many runs fit a condition."""
    return _Look(database, where).count()


def planned(database: Database, where: Node, wanted: int | None = None) -> Plan:
    """Return how a condition is quickest.

    PostgreSQL knows the distribution of what it holds; SQLite would have to be told by ANALYZE, again and again.

    Args:
        database: of the runs.
        where: which runs.
        wanted: so many are looked for, one after the other in the order of an index; None for all.
    """
    return _Look(database, where).planned(wanted)


class _Look:
    """What is found out of a condition, each once."""

    def __init__(self, database: Database, where: Node) -> None:
        self.database = database
        self.where = where
        self._nodes = _flat(where)
        self._projects = tuple(node for node in self._nodes if isinstance(node, Compare) and _names_project(node))
        self._fits: dict[Compare, int] = {}

    @cached_property
    def runs(self) -> int:
        """How many runs there are in the project that is asked for, or in all; no more than `_MANY` are counted."""
        return self._ask(RunQuery(self.database.dialect), All(self._projects), _MANY)

    def _ask(self, query: RunQuery, where: Node, most: int | None = None) -> int:
        return int(self.database.query(query.count(where, most), query.parameters)[0][0])

    def count(self) -> int:
        """How many runs fit."""
        others = [node for node in self._nodes if node not in self._projects]
        query = RunQuery(self.database.dialect)
        if len(others) == 1 and isinstance(others[0], Compare) and others[0].field.scope != "run":
            statement = query.matches(others[0])
            # A run has a key once, so where all runs are of the project an index alone knows it.
            if statement is not None and self._is_whole():
                return int(self.database.query(statement, query.parameters)[0][0])
        plan = self.planned()
        return self._ask(RunQuery(self.database.dialect, each=plan.each), plan.where)

    def _is_whole(self) -> bool:
        """Whether all runs there are are of the project."""
        # Two ends of an index, where "is another one" would read all of it.
        return not any(
            self._ask(RunQuery(self.database.dialect), Compare(node.field, beyond, node.values), 1)
            for node in self._projects
            for beyond in ("<", ">")
        )

    def share_of_project(self) -> float:
        """Which part of all runs are those of the project: values are of all projects."""
        if not self._projects or not self.runs or self.runs == _MANY:
            return 1.0
        # SQLite counts whole tables by their pages.
        most = None if self.database.dialect == "sqlite" else _OTHERS * self.runs
        return self.runs / max(self._ask(RunQuery(self.database.dialect), All(()), most), 1)

    def planned(self, wanted: int | None = None) -> Plan:
        """See `planned`."""
        asking = [node for node in self._nodes if _values(node)]
        if self.database.dialect != "sqlite" or not asking:
            return Plan(self.where)
        fewest, few = None, self.runs
        for node in asking:
            found = self._fitting(node)
            if found < few:
                fewest, few = node, found
        # In an index's order one run in `runs / few` is found.
        asked = self.runs if wanted is None else min(self.runs, 2 * wanted * self.runs // max(few, 1))
        share = few / max(self.runs, 1)
        if fewest is None:
            # A list of all values that fit is made once, and is worth it if it is shorter than the runs to be asked.
            every = [self._matches(one) for node in asking for one in _values(node)]
            return Plan(All(tuple(self._nodes)), each=all(found >= asked for found in every), share=share)
        if asked < few:
            return Plan(All(tuple(self._nodes)), each=True, share=share)
        return Plan(All((fewest, *(node for node in self._nodes if node is not fewest))), share=share)

    def _fitting(self, node: Node) -> int:
        """Return how many values a condition takes from an index; as many as there are runs if no index has them."""
        if isinstance(node, AnyOf):
            return min(sum(self._fitting(one) for one in node.nodes), self.runs)
        if not isinstance(node, Compare) or node.field.scope == "run":
            return self.runs
        return self._matches(node)

    def _matches(self, node: Compare) -> int:
        if node not in self._fits:
            query = RunQuery(self.database.dialect)
            statement = query.matches(node, self.runs)
            rows = [] if statement is None else self.database.query(statement, query.parameters)
            self._fits[node] = int(rows[0][0]) if rows else self.runs
        return self._fits[node]


def _quickly(look: _Look, columns: Sequence[str], page: Page) -> list[tuple[Any, ...]] | None:
    """Return the page, if there is a quick way to it."""
    if page.limit is None:
        return None
    wanted = page.limit + page.offset
    if not page.order or page.order[0][0] == ("run", "created"):
        plan = look.planned(wanted)
        if not plan.each:
            return None
        query = RunQuery(look.database.dialect, each=True)
        return look.database.query(query.select(columns, page._replace(where=plan.where)), query.parameters)
    if page.order[0][0].scope == "run":
        return None
    most = int(_FRONT * look.runs)
    likely = most * look.planned().share if most >= _SURE * wanted else 0
    if likely < _SURE * wanted or likely * look.share_of_project() < _SURE_OF_PROJECT * wanted:
        return None
    return _at_the_front(look.database, columns, page, page.limit, most)


def _at_the_front(
    database: Database, columns: Sequence[str], page: Page, limit: int, most: int
) -> list[tuple[Any, ...]] | None:
    """Return the page if it begins among the `most` first values of the order, and ends there or behind all numbers."""
    after, rows = page.after, list[tuple[Any, ...]]()
    if after is not None and len(after) != 2 + sum(1 if field.scope == "run" else 2 for field, _ in page.order):
        return None  # no place in this order, which the other way says
    start = after[0] if after else None
    if after and start is None and after[1] is not None:
        return None  # among the texts
    if isinstance(start, str):
        return None
    query = RunQuery(database.dialect)
    ends = database.query(query.front(*page.order[0], start, most), query.parameters)
    if not after or start is not None:
        query = RunQuery(database.dialect, each=True)
        # What is as good as the first value that is not looked at might have to come before what was found.
        front = Front(start, ends[0][0] if ends else None)
        whole = page._replace(limit=limit + page.offset, offset=0)
        rows = database.query(query.select(columns, whole, front), query.parameters)
    found = rows[page.offset :]
    if len(found) == limit:
        return found
    field = page.order[0][0]
    query = RunQuery(database.dialect)
    if ends or database.query(query.texts(field), query.parameters):
        return None
    rest = Page(
        All((page.where, Not(Compare(field, NUMBERED, ())))),
        page.order[1:],
        limit - len(found),
        after[2:] if after and start is None else None,
        max(page.offset - len(rows), 0),
    )
    at = len(columns)
    return found + [(*row[:at], None, None, *row[at:]) for row in find_page(database, columns, rest)]


def _values(node: Node) -> list[Compare]:
    """Return the comparisons of a condition that ask for values."""
    if isinstance(node, (All, AnyOf)):
        return [one for child in node.nodes for one in _values(child)]
    if isinstance(node, Not):
        return _values(node.node)
    return [] if node.field.scope == "run" else [node]


def _names_project(node: Compare) -> bool:
    return node.field == ("run", "project") and node.operator == "="


def _flat(node: Node) -> list[Node]:
    return [part for child in node.nodes for part in _flat(child)] if isinstance(node, All) else [node]
