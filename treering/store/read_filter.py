"""The language that chooses runs: text or dicts in, a small tree out. Nothing is ever evaluated as Python or SQL.

    state = 'failed' and config.lr < 0.01 and summary.val/loss <= 0.2
    tag in ('baseline', 'v2') or not (name ~ 'lstm-*')
    created > '7 days ago' and duration > '1h30m' and summary.accuracy exists

Fields are those of a run (`FIELDS`), `config.KEY` and `summary.KEY`; keys with other characters than letters, digits
and `_ . / - @ : %` are quoted: `config."my key"`. Dicts as MongoDB and W&B write them mean the same:
`{"config.lr": {"$lt": 0.01}, "$or": [{"state": "failed"}, {"tags": "x"}]}`.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import Any, NamedTuple, TypeAlias, cast

from treering.errors import UsageError

__all__ = ["FIELDS", "All", "AnyOf", "Compare", "Field", "Node", "Not", "parse_field", "parse_filter", "parse_order"]

#: Fields of a run, and the sort of value that each takes.
FIELDS = {
    "id": "text",
    "name": "text",
    "project": "text",
    "state": "text",
    "group": "text",
    "job_type": "text",
    "notes": "text",
    "parent": "text",
    "sweep": "text",
    "tag": "text",
    "created": "time",
    "updated": "time",
    "ended": "time",
    "duration": "seconds",
    "attempts": "number",
}
_ALIASES = {
    "tags": "tag",
    "display_name": "name",
    "displayName": "name",
    "jobType": "job_type",
    "run_id": "id",
    "created_at": "created",
    "createdAt": "created",
    "heartbeat_at": "updated",
    "heartbeatAt": "updated",
    "attempt": "attempts",
    "runtime": "duration",
    "_runtime": "duration",
}
_SCOPES = {"config": "config", "summary": "summary", "summary_metrics": "summary", "summaryMetrics": "summary"}
_SHOWN_FIELDS = f"{', '.join(FIELDS)}, config.KEY and summary.KEY"

Value: TypeAlias = str | float | bool | None


class Field(NamedTuple):
    """What is compared: `scope` is "run", "config" or "summary"."""

    scope: str
    key: str

    @property
    def sort(self) -> str:
        """Sort of value: text, number, time, seconds, or any for config and summary."""
        return FIELDS[self.key] if self.scope == "run" else "any"


class Compare(NamedTuple):
    """One comparison. Times are microseconds since 1970, durations seconds.

    Attributes:
        field: what is compared.
        operator: = < <= > >= in contains ~ or exists; `mentions` is `contains` in any case, and has no word in the
            language.
        values: one; for `in` any number, for `exists` none.
    """

    field: Field
    operator: str
    values: tuple[Value, ...]


class Not(NamedTuple):
    """The opposite, which holds for runs without the field too."""

    node: Node


class All(NamedTuple):
    """Every one of them holds; true when there are none."""

    nodes: tuple[Node, ...]


class AnyOf(NamedTuple):
    """At least one of them holds."""

    nodes: tuple[Node, ...]


Node: TypeAlias = Compare | Not | All | AnyOf

# Compiled when a filter is read, for most listings have none.
_WORDS = r"""\s*(?:
        (?P<number>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?(?![\w./]))
      | (?P<string>'(?:[^'\\]|\\.|'')*'|"(?:[^"\\]|\\.)*")
      | (?P<operator><=|>=|!=|==|<>|=|<|>|~|!~|\(|\)|,)
      | (?P<word>[^\W\d][\w./@%:-]*\.(?="))
      | (?P<name>[^\W\d](?:[\w/@%-]|[.:](?=[\w/@%-]))*)
    )"""


_EXACT = 2**53


class _Token(NamedTuple):
    kind: str
    text: str
    at: int


def parse_filter(given: str | Mapping[str, Any] | None) -> Node:
    """Read a filter.

    Raises:
        UsageError: what cannot be read; the text shows the place and what is taken there.
    """
    if given is None:
        return All(())
    if isinstance(given, str):
        return _Parser(given).parse() if given.strip() else All(())
    if not isinstance(given, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]  # callers without types
        raise UsageError(f"filters got {type(given).__name__}; give a text such as \"state = 'failed'\", or a dict")
    return _from_dict(given)


def parse_field(text: str, *, where: str = "filter") -> Field:
    """Read a field's name, such as `state` or `config.lr`.

    Raises:
        UsageError: a run has no such field.
    """
    scope, dot, key = text.partition(".")
    if dot and scope in _SCOPES and key:
        return Field(_SCOPES[scope], key.removesuffix(".value") if scope == "config" else key)
    name = _ALIASES.get(text, text)
    if name in FIELDS:
        return Field("run", name)
    hint = f"; did you mean config.{text} or summary.{text}?" if text else "."
    raise UsageError(f"{where}: a run has no field {text!r}{hint} Fields are {_SHOWN_FIELDS}.")


def parse_order(given: str | Sequence[str] | None) -> list[tuple[Field, bool]]:
    """Read an order such as "-summary.val/loss, name" as (field, descending) pairs.

    Raises:
        UsageError: a run has no such field, or it cannot be sorted by.
    """
    words = given.split(",") if isinstance(given, str) else list(given or ())
    order: list[tuple[Field, bool]] = []
    for word in words:
        name = word.strip()
        descending = name.startswith("-")
        field = parse_field(name.lstrip("+-").strip(), where=f"order {given!r}")
        if field == Field("run", "tag"):
            raise UsageError("order got 'tag'; a run has any number of tags, so it cannot be sorted by them")
        order.append((field, descending))
    return order


class _Parser:
    """Recursive descent: or, and, not, comparison."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = self._tokens()
        self.at = 0

    def _tokens(self) -> list[_Token]:
        tokens: list[_Token] = []
        position = 0
        end = len(self.text.rstrip())
        pattern = re.compile(_WORDS, re.VERBOSE)
        while position < end:
            match = pattern.match(self.text, position)
            if match is None or match.lastgroup is None:
                raise self._error(position, "cannot be read; texts are quoted, as in name = 'x'")
            tokens.append(_Token(match.lastgroup, match[match.lastgroup], match.start(match.lastgroup)))
            position = match.end()
        tokens.append(_Token("end", "", end))
        return tokens

    def _error(self, at: int, problem: str) -> UsageError:
        rest = self.text[at : at + 20] or "the end"
        return UsageError(f"filter {self.text!r}, at {rest!r} (character {at + 1}): {problem}")

    def _next(self) -> _Token:
        token = self.tokens[self.at]
        self.at += 1
        return token

    def _take(self, *texts: str) -> str | None:
        token = self.tokens[self.at]
        if token.kind in {"name", "operator"} and token.text.lower() in texts:
            self.at += 1
            return token.text.lower()
        return None

    def parse(self) -> Node:
        node = self._either()
        token = self._next()
        if token.kind != "end":
            raise self._error(token.at, "expected 'and', 'or' or the end")
        return node

    def _either(self) -> Node:
        nodes = [self._both()]
        while self._take("or"):
            nodes.append(self._both())
        return nodes[0] if len(nodes) == 1 else AnyOf(tuple(nodes))

    def _both(self) -> Node:
        nodes = [self._one()]
        while self._take("and"):
            nodes.append(self._one())
        return nodes[0] if len(nodes) == 1 else All(tuple(nodes))

    def _one(self) -> Node:
        if self._take("not"):
            return Not(self._one())
        if self._take("("):
            node = self._either()
            if not self._take(")"):
                raise self._error(self.tokens[self.at].at, "expected ')'")
            return node
        return self._comparison()

    def _comparison(self) -> Node:
        token = self._next()
        if token.kind == "word":
            name = token.text + _unquoted(self._next().text)
        elif token.kind == "name":
            name = token.text
        else:
            raise self._error(token.at, f"expected a field: {_SHOWN_FIELDS}")
        field = parse_field(name, where=f"filter {self.text!r}")
        negated = bool(self._take("not"))
        node = self._operation(field, negated=negated)
        return Not(node) if negated else node

    def _operation(self, field: Field, *, negated: bool) -> Node:
        if self._take("exists"):
            return Compare(field, "exists", ())
        if self._take("is"):
            return _comparison(field, "!=" if self._take("not") else "=", self._value(field))
        if self._take("in"):
            return Compare(field, "in", self._list(field))
        if self._take("contains"):
            return _comparison(field, "contains", self._value(field))
        if negated:
            raise self._error(self.tokens[self.at].at, "expected 'in', 'contains' or 'exists' after 'not'")
        operator = self._take("=", "==", "!=", "<>", "<", "<=", ">", ">=", "~", "!~")
        if operator is None:
            raise self._error(self.tokens[self.at].at, "expected = != < <= > >= ~ in, contains or exists")
        return _comparison(field, operator, self._value(field))

    def _list(self, field: Field) -> tuple[Value, ...]:
        if not self._take("("):
            raise self._error(self.tokens[self.at].at, "expected a list such as ('a', 'b')")
        values = [_converted(field, self._value(field))]
        while self._take(","):
            values.append(_converted(field, self._value(field)))
        if not self._take(")"):
            raise self._error(self.tokens[self.at].at, "expected ',' or ')'")
        return tuple(values)

    def _value(self, field: Field) -> Value:
        token = self._next()
        if token.kind == "number":
            number = float(token.text)
            return int(number) if number.is_integer() and abs(number) < _EXACT else number
        if token.kind == "string":
            return _unquoted(token.text)
        words: dict[str, Value] = {"true": True, "false": False, "null": None, "none": None}
        word = token.text.lower()
        if token.kind == "name" and word in words:
            return words[word]
        if token.kind == "name" and word in {"nan", "inf"}:
            return word
        if token.kind == "name" and field.sort == "text":
            return token.text  # state = failed: nothing else can be meant
        raise self._error(token.at, "expected a value: a number, a quoted text, true, false or null")


def _unquoted(text: str) -> str:
    if text[:1] not in {"'", '"'}:
        return text
    return re.sub(r"\\(.)", r"\1", text[1:-1].replace("''", "'") if text[0] == "'" else text[1:-1])


def _comparison(field: Field, operator: str, value: Value) -> Node:
    """Make one comparison of any operator out of the few that a database needs to know."""
    if operator in {"!=", "<>", "!~"}:
        return Not(_comparison(field, "~" if operator == "!~" else "=", value))
    operator = "=" if operator == "==" else operator
    if value is None:
        if operator != "=":
            raise UsageError(f"filter: {field.key} {operator} null means nothing; use '=', '!=' or 'exists'")
        return Not(Compare(field, "exists", ()))
    if operator in {"contains", "~"}:
        if not isinstance(value, str):
            raise UsageError(f"filter: {field.key} {operator} takes a quoted text, not {value!r}")
        return Compare(field, operator, (value,))
    return Compare(field, operator, (_converted(field, value),))


_UNITS_S = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_SPAN = r"(\d+(?:\.\d+)?)\s*([a-z]+)\s*"


def _converted(field: Field, value: Value) -> Value:
    if field.sort == "text" and not isinstance(value, str):
        raise UsageError(f"filter: {field.key} is text and got {value!r}; quote it: '{value}'")
    if field.sort == "time":
        return _time_us(field, value)
    if field.sort == "seconds" and isinstance(value, str):
        seconds = _span_s(value)
        if seconds is None:
            raise UsageError(f"filter: {field.key} got {value!r}; it takes seconds, or a text such as '1h30m'")
        return seconds
    if field.sort == "number" and isinstance(value, str):
        raise UsageError(f"filter: {field.key} is a number and got {value!r}")
    return value


def _span_s(text: str) -> float | None:
    """Read '90', '1h30m' or '7 days' as seconds."""
    text = text.strip().lower()
    parts = re.findall(_SPAN, text)
    if not parts or "".join(re.split(_SPAN, text)[::3]).strip() or any(unit[0] not in _UNITS_S for _, unit in parts):
        return None
    return sum(float(number) * _UNITS_S[unit[0]] for number, unit in parts)


def _time_us(field: Field, value: Value) -> float:
    if isinstance(value, str):
        text = value.strip()
        seconds = _span_s(text.lower().removesuffix("ago").removeprefix("-"))
        if seconds is not None:
            return int((time.time() - seconds) * 1e6)
        try:
            moment = datetime.fromisoformat(re.sub(r"[zZ]$", "+00:00", text))
        except ValueError:
            raise UsageError(
                f"filter: {field.key} got {value!r}; it takes a date such as '2026-01-31' or '2026-01-31T12:00', or a "
                "span such as '7 days ago'"
            ) from None
        if moment.tzinfo is None:
            moment = moment.astimezone()  # what a person types is the local time
        return int(moment.astimezone(timezone.utc).timestamp() * 1e6)
    return float(value or 0) * 1e6


_MONGO = {"$eq": "=", "$ne": "!=", "$lt": "<", "$lte": "<=", "$gt": ">", "$gte": ">=", "$contains": "contains"}


def _from_dict(given: Mapping[str, Any]) -> Node:
    nodes: list[Node] = []
    for key, value in given.items():
        if key in {"$and", "$or", "$nor"}:
            if not isinstance(value, (list, tuple)):
                raise UsageError(f"filters: {key} takes a list of dicts, not {type(value).__name__}")
            parts = tuple(_from_dict(part) for part in cast("Sequence[Mapping[str, Any]]", value))
            nodes.append(All(parts) if key == "$and" else AnyOf(parts) if key == "$or" else Not(AnyOf(parts)))
        elif key == "$not":
            nodes.append(Not(_from_dict(value)))
        else:
            nodes.extend(_conditions(parse_field(key, where="filters"), value))
    return nodes[0] if len(nodes) == 1 else All(tuple(nodes))


def _conditions(field: Field, value: Any) -> list[Node]:
    if not isinstance(value, Mapping):
        if isinstance(value, (list, tuple)):
            raise UsageError(f"filters: {field.key} got a list; write {{'$in': [...]}}")
        return [_comparison(field, "=", value)]
    return [_condition(field, operator, operand) for operator, operand in cast("Mapping[str, Any]", value).items()]


def _condition(field: Field, operator: str, operand: Any) -> Node:
    if operator in _MONGO:
        return _comparison(field, _MONGO[operator], operand)
    if operator in {"$in", "$nin"}:
        values = Compare(field, "in", tuple(_converted(field, item) for item in operand))
        return Not(values) if operator == "$nin" else values
    if operator == "$exists":
        exists = Compare(field, "exists", ())
        return exists if operand else Not(exists)
    if operator == "$regex":
        return Compare(field, "~", (_glob_of(operand),))
    if operator == "$not":
        return Not(All(tuple(_conditions(field, operand))))
    known = ", ".join((*_MONGO, "$in", "$nin", "$exists", "$regex", "$not"))
    raise UsageError(f"filters: {field.key} got the operator {operator!r}; known are {known}")


def _glob_of(pattern: str) -> str:
    """Turn the plain sort of regular expression, as people write it for names, into a glob."""
    begin = "" if pattern.startswith("^") else "*"
    end = "" if pattern.endswith("$") and not pattern.endswith(r"\$") else "*"
    body = pattern.removeprefix("^")
    body = body[:-1] if not end else body
    glob = ""
    for match in re.finditer(r"\\(\W)|(\.\*)|(\.\+)|(\.)|(\\\w|[\^$*+?()\[\]{}|])|(.)", body, re.DOTALL):
        escaped, anything, something, one, special, plain = match.groups()
        if special is not None:
            raise UsageError(
                f"filters: $regex {pattern!r} has {special!r}, and here it takes literal text, '.', '.*', '.+', '^' "
                "and '$' only; combine several conditions with $or"
            )
        literal = escaped or plain
        glob += (
            f"[{literal}]"
            if literal and literal in "*?["
            else literal or ("*" if anything else "?*" if something else "?" if one else "")
        )
    return f"{begin}{glob}{end}"
