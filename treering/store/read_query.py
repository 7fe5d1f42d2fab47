"""Filters and orders as SQL: fixed text for what is asked, bound parameters for every name and value in it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from treering.errors import UsageError
from treering.store.read_filter import All, AnyOf, Compare, Field, Node, Not, Value

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["LISTED", "NUMBERED", "Front", "Page", "RunQuery"]

#: A list of texts that a statement takes as one parameter, `:ids`, of JSON: naming each takes longer than finding it.
LISTED = {
    "sqlite": "SELECT value FROM json_each(:ids)",
    "postgresql": "SELECT json_array_elements_text(CAST(:ids AS json))",
}

_COLUMNS = {
    "id": "r.id",
    "name": "r.name",
    "project": "r.project",
    "state": "r.state",
    "group": "r.group_name",
    "job_type": "r.job_type",
    "notes": "r.notes",
    "parent": "r.parent_id",
    "sweep": "r.sweep",
    "created": "r.created_us",
    "updated": "r.updated_us",
    "ended": "r.ended_us",
    "duration": "(COALESCE(r.ended_us, r.updated_us) - r.created_us) / 1000000.0",
    "attempts": "r.attempt",
}
# How each dialect writes wildcards, and characters that its patterns would take for something else.
_WILD = {"sqlite": {"*": "*", "?": "?"}, "postgresql": {"*": "%", "?": "_"}}
_ESCAPED = {
    "sqlite": {"*": "[*]", "?": "[?]", "[": "[[]"},
    "postgresql": {"%": r"\%", "_": r"\_", "\\": r"\\"},
}
#: An operator that no filter has: the value is a number.
NUMBERED = "numbered"
_NULLABLE = frozenset({"group", "job_type", "notes", "parent", "sweep", "ended"})
_COMPARISONS = frozenset({"=", "<", "<=", ">", ">="})


class Page(NamedTuple):
    """Which runs are asked for.

    Attributes:
        where: those that fit.
        order: fields and whether each is descending; runs without the field come last. Then the newest first.
        limit: at most this many.
        after: the order's keys of a run, when it was created (microseconds since 1970) and its id: only the runs that
            follow it.
        offset: how many runs to leave out; needs a limit.
    """

    where: Node
    order: Sequence[tuple[Field, bool]] = ()
    limit: int | None = None
    after: Sequence[Any] | None = None
    offset: int = 0


class Front(NamedTuple):
    """The first values of an order: from `start` on, None for all, to before `end`, None for the last."""

    start: float | None
    end: float | None


class RunQuery:
    """One SELECT over the table `runs`, named `r`, being put together.

    Args:
        dialect: "sqlite" or "postgresql".
        counted: whether each row of `select` ends with how many runs there are in all, whatever the limit.
        each: whether each run is asked for the values that a condition compares; otherwise the first comparison finds
            runs by an index.

    Attributes:
        parameters: the values bound so far.
    """

    def __init__(self, dialect: str, *, counted: bool = False, each: bool = False) -> None:
        self.dialect = dialect
        self._counted = counted
        self._each = each
        self.parameters: dict[str, Any] = {}
        self._joins: list[str] = []

    def select(self, columns: Sequence[str], page: Page, front: Front | None = None) -> str:
        """Return the statement.

        Args:
            columns: of `runs`. The order's keys follow them, two for each field: number (or value) and text.
            page: which runs.
            front: of the order's first field, one of config or summary: only runs whose value is a number in there,
                walked in order.

        Raises:
            UsageError: `after` is no place in this order.
        """
        where, order, limit, after, offset = page
        condition = self._condition(where)
        keys: list[str] = []
        terms: list[str] = []
        descents: list[bool] = []
        for field, descending in order:
            for key in self._order_keys(field):
                keys.append(key)
                descents.append(descending)
                # What is never NULL is ordered by itself alone: an index has that order.
                terms += [f"{key} IS NULL"] if field.scope != "run" or field.key in _NULLABLE else []
                terms.append(f"{key}{' DESC' if descending else ''}")
        listed = ", ".join([f"r.{name}" for name in columns] + keys + ["COUNT(*) OVER ()"] * self._counted)
        joins = "".join(self._joins)
        terms += ["r.created_us DESC", "r.id"]
        if after is not None:
            beyond = self._beyond([*keys, "r.created_us", "r.id"], [*descents, True, False], after)
            condition = f"{condition} AND {beyond}"
        tail = "" if limit is None else f" LIMIT {self._bind(int(limit))}"
        tail += f" OFFSET {self._bind(offset)}" if offset else ""
        tables = f"runs r{joins}"
        if front is not None:
            # A cross join keeps SQLite in this order; a number is never NULL there, so an index has the order.
            tables = f"run_values o0 CROSS JOIN runs r{''.join(self._joins[1:])}"
            condition = f"r.id = o0.run_id AND {self._within('o0', order[0], front)} AND {condition}"
            terms = terms[1:]
        return f"SELECT {listed} FROM {tables} WHERE {condition} ORDER BY {', '.join(terms)}{tail}"

    def front(self, field: Field, descending: bool, start: float | None, most: int) -> str:
        """Return the statement for the first value that is not among the `most` first ones of an order by `field`."""
        within = self._within("v", (field, descending), Front(start, None))
        return (
            f"SELECT v.number FROM run_values v WHERE {within} "
            f"ORDER BY v.number{' DESC' if descending else ''} LIMIT 1 OFFSET {self._bind(most)}"
        )

    def _within(self, table: str, ordered: tuple[Field, bool], front: Front) -> str:
        field, descending = ordered
        parts = [
            f"{table}.scope = {self._bind(field.scope)}",
            f"{table}.key = {self._bind(field.key)}",
            f"{table}.number IS NOT NULL",
        ]
        if front.start is not None:
            parts.append(f"{table}.number {'<=' if descending else '>='} {self._bind(front.start)}")
        if front.end is not None:
            parts.append(f"{table}.number {'>' if descending else '<'} {self._bind(front.end)}")
        return " AND ".join(parts)

    def matches(self, node: Compare, most: int | None = None) -> str | None:
        """Return the statement that counts, up to `most`, the values that fit a comparison of a key with numbers.

        None for other comparisons, which no index answers.
        """
        if not node.values or not all(isinstance(value, (bool, int, float)) for value in node.values):
            return None
        scope, key = self._bind(node.field.scope), self._bind(node.field.key)
        test = self._comparison("v.number", node.operator, [float(value) for value in node.values if value is not None])
        fitting = f"FROM run_values v WHERE v.scope = {scope} AND v.key = {key} AND {test}"
        if most is None:
            return f"SELECT COUNT(*) {fitting}"
        return f"SELECT COUNT(*) FROM (SELECT 1 {fitting} LIMIT {self._bind(most)}) found"

    def texts(self, field: Field) -> str:
        """Return the statement for one value of a key that is a text, if any is."""
        scope, key = self._bind(field.scope), self._bind(field.key)
        return (
            f"SELECT 1 FROM run_values v WHERE v.scope = {scope} AND v.key = {key} AND v.number IS NULL "
            "AND v.text IS NOT NULL LIMIT 1"
        )

    def count(self, where: Node, most: int | None = None) -> str:
        """Return the statement that counts the runs, up to `most`."""
        if most is None:
            # Without any condition SQLite counts by pages.
            fitting = "" if where == All(()) else f" WHERE {self._condition(where)}"
            return f"SELECT COUNT(*) FROM runs r{fitting}"
        found = f"SELECT 1 FROM runs r WHERE {self._condition(where)} LIMIT {self._bind(most)}"
        return f"SELECT COUNT(*) FROM ({found}) found"

    def groups(self, by: Sequence[Field], where: Node) -> str:
        """Return the statement that counts the runs of each group and state.

        Its columns: number and text of each field, the state, the runs, one of them, when the newest was created.
        """
        keys, tables = self._grouped(by, where)
        return (
            f"SELECT {', '.join(keys)}, r.state, COUNT(*), MIN(r.id), MAX(r.created_us) FROM {tables} "
            f"GROUP BY {', '.join(keys)}, r.state"
        )

    def members(self, by: Sequence[Field], where: Node, most: int) -> str:
        """Return the statement for the newest runs of each group: its keys, then id and time of a run."""
        keys, tables = self._grouped(by, where)
        named = ", ".join(f"{key} AS k{at}" for at, key in enumerate(keys))
        return (
            f"SELECT {', '.join(f'k{at}' for at in range(len(keys)))}, id, made FROM (SELECT {named}, r.id AS id, "
            f"r.created_us AS made, ROW_NUMBER() OVER (PARTITION BY {', '.join(keys)} ORDER BY r.created_us DESC, r.id)"
            f" AS place FROM {tables}) ranked WHERE place <= {self._bind(most)}"
        )

    def tallies(self, by: Sequence[Field], where: Node, scope: str, names: Sequence[str]) -> str:
        """Return the statement for how far the values of some keys are apart in each group.

        Args:
            by: as in `groups`.
            where: which runs.
            scope: "config" or "summary"; "run" for the numbers that a run has itself.
            names: keys of that scope; of a run one alone.

        Its columns: number and text of each field of `by`; the key; how many runs have it, how many as a number, mean,
        least and largest number, sum of the squared distances from the mean, first and last text.
        """
        keys, tables = self._grouped(by, where)
        if scope == "run":
            column = f"CAST({_COLUMNS[names[0]]} AS DOUBLE PRECISION)"
            listed = f"{', '.join(keys)}, {self._bind(names[0])}, {self._spread(column)}, NULL, NULL"
            return f"SELECT {listed} FROM {tables} GROUP BY {', '.join(keys)}"
        named = ", ".join(f"{key} AS k{at}" for at, key in enumerate(keys))
        listed = ", ".join([f"p.k{at}" for at in range(len(keys))] + ["v.key"])
        wanted = ", ".join(self._bind(name) for name in names)
        # A cross join keeps SQLite from walking all values of a key first.
        return (
            f"SELECT {listed}, {self._spread('v.number')}, MIN(SUBSTR(v.text, 1, 300)), MAX(SUBSTR(v.text, 1, 300)) "
            f"FROM (SELECT r.id AS id, {named} FROM {tables}) p CROSS JOIN run_values v "
            f"WHERE v.run_id = p.id AND v.scope = {self._bind(scope)} AND v.key IN ({wanted}) GROUP BY {listed}"
        )

    def _spread(self, column: str) -> str:
        square = f"VAR_POP({column}) * COUNT({column})" if self.dialect == "postgresql" else f"squares({column})"
        return f"COUNT(*), COUNT({column}), AVG({column}), MIN({column}), MAX({column}), {square}"

    def _grouped(self, by: Sequence[Field], where: Node) -> tuple[list[str], str]:
        """Return number and text of each field, and the tables with the condition that they are read from."""
        nothing = {"number": "CAST(NULL AS DOUBLE PRECISION)", "text": "CAST(NULL AS TEXT)"}
        keys: list[str] = []
        for field in by:
            found = self._order_keys(field)
            if field.scope == "run":
                is_text = field.sort == "text"
                found = [nothing["number"], *found] if is_text else [*found, nothing["text"]]
            keys += found
        return keys, f"runs r{''.join(self._joins)} WHERE {self._condition(where)}"

    def _beyond(self, keys: Sequence[str], descents: Sequence[bool], after: Sequence[Any]) -> str:
        """Return the condition for what an order by `keys` puts behind the values `after`, NULL being the last."""
        if len(after) != len(keys):
            raise UsageError(f"a place in this order has {len(keys)} values, and {len(after)} were given")
        alternatives: list[str] = []
        same: list[str] = []
        for key, descending, value in zip(keys, descents, after, strict=True):
            if value is None:
                same.append(f"{key} IS NULL")
                continue
            bound = self._bind(value)
            further = f"({key} {'<' if descending else '>'} {bound} OR {key} IS NULL)"
            alternatives.append(" AND ".join([*same, further]))
            same.append(f"{key} = {bound}")
        return f"({' OR '.join(alternatives) or '1 = 0'})"

    def _bind(self, value: Value) -> str:
        name = f"p{len(self.parameters)}"
        self.parameters[name] = value
        return f":{name}"

    def _order_keys(self, field: Field) -> list[str]:
        if field.scope == "run":
            return [_COLUMNS[field.key]]
        alias = f"o{len(self._joins)}"
        self._joins.append(
            f" LEFT JOIN run_values {alias} ON {alias}.run_id = r.id AND {alias}.scope = {self._bind(field.scope)} "
            f"AND {alias}.key = {self._bind(field.key)}"
        )
        return [f"{alias}.number", f"{alias}.text"]

    def _condition(self, node: Node, *, each: bool | None = None) -> str:
        each = self._each if each is None else each
        if isinstance(node, Not):
            return f"NOT {self._condition(node.node, each=each)}"
        if isinstance(node, All):
            return self._all(node.nodes, each=each)
        if isinstance(node, AnyOf):
            return f"({' OR '.join(self._condition(one, each=each) for one in node.nodes) or '1 = 0'})"
        if node.field.scope != "run":
            return self._value_condition(node, each=each)
        if node.field.key == "tag":
            return self._tag_condition(node)
        column = _COLUMNS[node.field.key]
        if node.operator == "exists":
            return f"({column} IS NOT NULL)"
        if node.field.key not in _NULLABLE:
            return self._comparison(column, node.operator, node.values)
        # NULL compares as unknown, and the opposite of unknown is not true; COALESCE makes it false.
        return f"COALESCE({self._comparison(column, node.operator, node.values)}, {self._false()})"

    def _false(self) -> str:
        return "FALSE" if self.dialect == "postgresql" else "0"

    def _all(self, nodes: Sequence[Node], *, each: bool) -> str:
        """Return the condition that all hold; values are looked up singly for the runs that the first leaves."""
        parts: list[str] = []
        for node in nodes:
            parts.append(self._condition(node, each=each))
            each = each or (isinstance(node, Compare) and node.field.scope != "run")
        return f"({' AND '.join(parts) or '1 = 1'})"

    def _tag_condition(self, node: Compare) -> str:
        test = "1 = 1" if node.operator == "exists" else self._comparison("t.tag", node.operator, node.values)
        return f"r.id IN (SELECT t.run_id FROM run_tags t WHERE {test})"

    def _value_condition(self, node: Compare, *, each: bool = False) -> str:
        scope, key = self._bind(node.field.scope), self._bind(node.field.key)
        numbers = tuple(float(value) for value in node.values if isinstance(value, (bool, int, float)))
        texts = tuple(value for value in node.values if isinstance(value, str))
        tests = [
            self._comparison(column, node.operator, values)
            for column, values in (("v.number", numbers), ("v.text", texts))
            if values
        ]
        if not tests:
            tests = [{"exists": "1 = 1", NUMBERED: "v.number IS NOT NULL"}.get(node.operator, "1 = 0")]
        wanted = f"v.scope = {scope} AND v.key = {key} AND ({' OR '.join(tests)})"
        if each:
            return f"EXISTS (SELECT 1 FROM run_values v WHERE v.run_id = r.id AND {wanted})"
        # IN, not EXISTS: the few runs that an index finds are then looked up, instead of asking each run.
        if self.dialect == "sqlite" and not texts:
            # The index alone has the numbers and the rows' places: read in the order of those, rows that lie side by
            # side come together, which takes two thirds of the time.
            placed = f"SELECT v.rowid FROM run_values v WHERE {wanted}"
            return f"r.id IN (SELECT w.run_id FROM run_values w WHERE w.rowid IN ({placed}))"
        return f"r.id IN (SELECT v.run_id FROM run_values v WHERE {wanted})"

    def _comparison(self, column: str, operator: str, values: Sequence[Value]) -> str:
        if operator == "in":
            return f"{column} IN ({', '.join(self._bind(value) for value in values)})"
        bound = [self._bind(self._pattern(value) if operator == "~" else value) for value in values]
        if operator in {"contains", "mentions"}:
            function = "strpos" if self.dialect == "postgresql" else "instr"
            if operator == "mentions":
                column, bound[0] = f"LOWER({column})", f"LOWER({bound[0]})"
            return f"{function}({column}, {bound[0]}) > 0"
        if operator == "~":
            return f"{column} {'LIKE' if self.dialect == 'postgresql' else 'GLOB'} {bound[0]}"
        if operator not in _COMPARISONS:
            raise ValueError(operator)
        return f"{column} {operator} {bound[0]}"

    def _pattern(self, glob: Value) -> Value:
        """Return a glob (`*`, `?`, and `[x]` for a literal x) as SQLite's GLOB or PostgreSQL's LIKE takes it."""
        wild, escaped = _WILD[self.dialect], _ESCAPED[self.dialect]
        parts: list[tuple[str, str, str]] = re.findall(r"\[(.)\]|([*?])|(.)", str(glob), re.DOTALL)
        return "".join(wild[star] if star else escaped.get(quoted + one, quoted + one) for quoted, star, one in parts)
