"""How a page of runs is found: what a database cannot know of a filter and an order is looked at first.

Two looks that cost next to nothing save most of the work. How few values a comparison leaves says whether to begin with
those or with the runs. And a page in the order of a value is nearly always among the first few thousand values: so an
index is walked from its front until the page is full, and only where it is not are all runs sorted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from treering.store.read_filter import All, Compare
from treering.store.read_query import Front, RunQuery

if TYPE_CHECKING:
    from collections.abc import Sequence

    from treering.store.database import Database
    from treering.store.read_filter import Field, Node

__all__ = ["Plan", "find_page", "planned"]

# This share of as many values as there are runs is walked: in vain it costs a third more.
_FRONT = 0.25
# How often the page should be among them, going by how many runs fit the filter.
_SURE = 4
# Nothing is counted any further: more than that is many.
_MANY = 20_000


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
    database: Database,
    columns: Sequence[str],
    where: Node,
    order: Sequence[tuple[Field, bool]] = (),
    limit: int | None = None,
    after: Sequence[Any] | None = None,
    offset: int = 0,
    *,
    counted: bool = False,
) -> list[tuple[Any, ...]]:
    """Return rows of `RunQuery.select`, found the quickest way that is known.

    Args:
        database: of the runs.
        columns: of `runs`.
        where: which runs.
        order: fields and whether each is descending.
        limit: at most this many.
        after: the order's keys of the run before the page, when it was created and its id.
        offset: how many runs to leave out.
        counted: whether each row ends with how many runs there are in all.
    """
    plan = planned(database, where)
    if limit is not None and not counted and order and order[0][0].scope != "run":
        most = int(_FRONT * _runs(database, where))
        if most * plan.share >= _SURE * limit:
            rows = _at_the_front(database, columns, where, order, limit, after, offset, most)
            if len(rows) == limit:
                return rows
    query = RunQuery(database.dialect, counted=counted, each=plan.each)
    return database.query(query.select(columns, plan.where, order, limit, after, offset), query.parameters)


def _at_the_front(
    database: Database,
    columns: Sequence[str],
    where: Node,
    order: Sequence[tuple[Field, bool]],
    limit: int,
    after: Sequence[Any] | None,
    offset: int,
    most: int,
) -> list[tuple[Any, ...]]:
    """Return the page if the `most` first values of the order hold all of it; fewer rows mean that they do not."""
    start = after[0] if after else None
    if after and not isinstance(start, (int, float)):
        return []  # behind all numbers, or no place in this order, which the other way says
    query = RunQuery(database.dialect)
    ends = database.query(query.front(*order[0], start, most), query.parameters)
    query = RunQuery(database.dialect, each=True)
    # What is as good as the first value that is not looked at might have to come before what was found.
    front = Front(start, ends[0][0] if ends else None)
    return database.query(query.select(columns, where, order, limit, after, offset, front), query.parameters)


def planned(database: Database, where: Node) -> Plan:
    """Return how a condition is quickest.

    PostgreSQL knows the distribution of what it holds; SQLite would have to be told by ANALYZE, again and again.
    """
    if database.dialect != "sqlite" or not isinstance(where, All):
        return Plan(where)
    nodes = _flat(where)
    values = [node for node in nodes if isinstance(node, Compare) and node.field.scope != "run"]
    if not values:
        return Plan(where)
    fewest, runs = None, _runs(database, where)
    few = runs
    for node in values:
        query = RunQuery(database.dialect)
        statement = query.matches(node, few)
        found = few if statement is None else database.query(statement, query.parameters)[0][0]
        if found < few:
            fewest, few = node, found
    if fewest is None:
        return Plan(All(tuple(nodes)), each=True)
    return Plan(All((fewest, *(node for node in nodes if node is not fewest))), share=few / runs)


def _runs(database: Database, where: Node) -> int:
    """Return how many runs there are in the project that is asked for, or in all; no more than `_MANY` are counted."""
    nodes = _flat(where) if isinstance(where, All) else [where]
    named = [node for node in nodes if isinstance(node, Compare) and node.field == ("run", "project")]
    query = RunQuery(database.dialect)
    rows: list[tuple[int]] = database.query(query.count(All(tuple(named)), _MANY), query.parameters)
    return rows[0][0]


def _flat(node: All) -> list[Node]:
    return [part for child in node.nodes for part in (_flat(child) if isinstance(child, All) else [child])]
