"""A filter as plain lists, which travel; a filter that somebody else sent is checked as one that he typed is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from treering.errors import UsageError
from treering.store.read_filter import FIELDS, All, AnyOf, Compare, Field, Not

if TYPE_CHECKING:
    from collections.abc import Sequence

    from treering.store.read_filter import Node

__all__ = ["filter_of", "tree_of"]

_OPERATORS = frozenset({"=", "<", "<=", ">", ">=", "in", "contains", "~", "exists", "mentions"})
_DEEPEST = 32
_PARTS = 4


def tree_of(node: Node) -> list[Any]:
    """Return a filter as `[operator, scope, key, values]`, `["not", filter]`, `["all", ...]` or `["any", ...]`."""
    if isinstance(node, Compare):
        return [node.operator, node.field.scope, node.field.key, list(node.values)]
    if isinstance(node, Not):
        return ["not", tree_of(node.node)]
    return ["all" if isinstance(node, All) else "any", *map(tree_of, node.nodes)]


def filter_of(tree: object, depth: int = 0) -> Node:
    """Return the filter that `tree_of` made this of.

    Raises:
        UsageError: it made no such thing.
    """
    parts = cast("Sequence[Any]", tree) if isinstance(tree, (list, tuple)) else ()
    if depth < _DEEPEST and parts:
        kind = parts[0]
        if kind in ("all", "any"):
            nodes = tuple(filter_of(one, depth + 1) for one in parts[1:])
            return All(nodes) if kind == "all" else AnyOf(nodes)
        if kind == "not" and len(parts) == 2:  # noqa: PLR2004  # the word and what it is of
            return Not(filter_of(parts[1], depth + 1))
        if isinstance(kind, str) and kind in _OPERATORS and len(parts) == _PARTS:
            return _comparison(kind, *parts[1:])
    shown = str(cast("Any", tree))[:80]
    raise UsageError(f"a filter got {shown!r}; it is [operator, scope, key, [values]], or not, all, any of such")


def _comparison(operator: str, scope: Any, key: Any, values: Any) -> Compare:
    if not isinstance(key, str) or not (scope in ("config", "summary") or (scope == "run" and key in FIELDS)):
        raise UsageError(f"a filter got the field {scope!r}, {str(key)[:80]!r}, which no run has")
    if not isinstance(values, list) or not all(
        value is None or isinstance(value, (str, int, float)) for value in cast("list[Any]", values)
    ):
        raise UsageError("a filter compares with texts, numbers, true, false and null")
    count = len(cast("list[Any]", values))
    if operator != "in" and count != (operator != "exists"):
        raise UsageError(f"a filter got {count} values for {operator!r}")
    return Compare(Field(scope, key), operator, tuple(cast("list[Any]", values)))
