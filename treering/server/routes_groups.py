"""Runs in groups, with what their values have in common and how far they are apart."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel
from pydantic import Field as Described

from treering.api._listing import leaves
from treering.server.routes_runs import Open, run_rows, searched
from treering.server.shapes import RunRow
from treering.server.shelf import Library, stored, within
from treering.server.wire import clean, plain
from treering.store.grouping import Group, Key, Tally, find_groups, find_members
from treering.store.read_filter import Field, Node, parse_field, parse_filter, parse_order

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["router"]

router = APIRouter(tags=["groups"])

Statistic = Literal["mean", "min", "max", "std", "count"]
_COUNT = "runs"


class GroupKey(BaseModel):
    """What all runs of a group have in common."""

    field: str
    value: Any = Described(description="null for runs without the field")
    condition: str = Described(description="a filter that holds for the runs with this value")


class Spread(BaseModel):
    """A field over the runs of a group; the numbers among its values in the first five."""

    mean: Any
    min: Any
    max: Any
    std: Any = Described(description="of the sample; null for fewer than two numbers")
    numbers: int
    count: int = Described(description="runs that have the field")
    first: str | None = Described(description="the first of the texts among its values, in order")
    last: str | None


class GroupRow(BaseModel):
    """Some runs."""

    keys: list[GroupKey]
    runs: int
    states: dict[str, int]
    newest_us: int
    values: dict[str, Spread]
    members: list[RunRow] = Described(description="the newest runs, when `members` asked for some")


class GroupsPage(BaseModel):
    """Some groups, in order."""

    groups: list[GroupRow]
    total: int = Described(description="of groups")
    runs: int = Described(description="in all of them")


@router.get("/groups")
def groups(
    library: Open,
    by: Annotated[list[str], Query(min_length=1, max_length=20)],
    project: str | None = None,
    filters: Annotated[str | None, Query(alias="filter", max_length=20_000)] = None,
    search: Annotated[str | None, Query(max_length=1000)] = None,
    columns: Annotated[list[str], Query(alias="column", max_length=200)] = [],  # noqa: B006  # FastAPI copies it
    order: Annotated[str, Query(max_length=2000)] = "",
    statistic: Statistic = "mean",
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    offset: Annotated[int, Query(ge=0, le=10_000_000)] = 0,
    members: Annotated[int, Query(ge=0, le=1000, description="most runs to show, evenly from all groups")] = 0,
) -> GroupsPage:
    """Group runs `by` fields such as config.lr or state; each `column` is tallied, and `order` takes the `statistic`.

    `order` takes `runs` for their number, too; without one, groups are in the order of what they have in common.
    """
    where = searched(within(project, parse_filter(filters)), search)
    keys = [parse_field(one, where="by") for one in by]
    ordered = _order(order)
    tallied = {one: parse_field(one, where="column") for one in columns}
    wanted = [*tallied.values(), *(one for one, _ in ordered if one is not None and one not in keys and _has_mean(one))]
    databases = [source.database for source in library.sources]
    found = find_groups(databases, where, keys, list(dict.fromkeys(wanted)))
    shown = _sorted(found, keys, ordered, statistic)[offset : offset + limit]
    newest = _members(library, where, keys, len(shown), members) if members else {}
    return GroupsPage(
        groups=_rows(library, shown, by, keys, tallied, newest),
        total=len(found),
        runs=sum(group.runs for group in found),
    )


def _order(text: str) -> list[tuple[Field | None, bool]]:
    """Read an order; None stands for the number of runs."""
    found: list[tuple[Field | None, bool]] = []
    for word in filter(None, (part.strip() for part in text.split(","))):
        if word.lstrip("+-") == _COUNT:
            found.append((None, word.startswith("-")))
        else:
            found.extend(parse_order(word))
    return found


def _has_mean(field: Field) -> bool:
    return field.scope != "run" or field.key in {"duration", "attempts"}


def _sorted(
    found: list[Group], keys: Sequence[Field], ordered: Sequence[tuple[Field | None, bool]], statistic: Statistic
) -> list[Group]:
    """Return groups in order: what has no such value last, equal ones by what they have in common."""
    groups = sorted(found, key=lambda group: [key.order for key in group.keys])
    for field, descending in reversed(ordered):

        def place(group: Group, field: Field | None = field) -> tuple[float, str] | None:
            if field is not None and field in keys:
                key = group.keys[keys.index(field)]
                if key == Key(None, None):
                    return None
                return (key.number, "") if key.number is not None else (math.inf, key.text or "")
            return _measure(group, field, statistic)

        placed = [(place(group), group) for group in groups]
        having = [(where, group) for where, group in placed if where is not None]
        having.sort(key=lambda one: one[0], reverse=descending)
        groups = [group for _, group in having] + [group for where, group in placed if where is None]
    return groups


def _measure(group: Group, field: Field | None, statistic: Statistic) -> tuple[float, str] | None:
    """Return what a group is sorted by; None where it has no such number."""
    if field is None:
        return float(group.runs), ""
    if field == Field("run", "created"):
        return float(group.newest_us), ""
    tally = group.tallies.get(field)
    value = None if tally is None else _statistics(tally)[statistic]
    return None if value is None else (float(value), "")


def _statistics(tally: Tally) -> dict[Statistic, float | None]:
    return {"mean": tally.mean, "min": tally.low, "max": tally.high, "std": tally.std, "count": tally.count}


def _members(
    library: Library, where: Node, keys: Sequence[Field], count: int, most: int
) -> dict[tuple[Key, ...], list[RunRow]]:
    databases = [source.database for source in library.sources]
    ids = find_members(databases, where, keys, max(1, most // max(count, 1)))
    runs = library.by_ids([run_id for some in ids.values() for run_id in some][: 2 * most])
    rows = {row.id: row for row in run_rows(list(runs.values()), [])}
    return {group: [rows[run_id] for run_id in some if run_id in rows] for group, some in ids.items()}


def _rows(
    library: Library,
    shown: Sequence[Group],
    by: Sequence[str],
    keys: Sequence[Field],
    tallied: dict[str, Field],
    members: dict[tuple[Key, ...], list[RunRow]],
) -> list[GroupRow]:
    samples = _samples(library, shown, keys)
    return [
        GroupRow(
            keys=[
                GroupKey(field=name, value=_value(field, key, samples.get(group.sample)), condition=_holds(field, key))
                for name, field, key in zip(by, keys, group.keys, strict=True)
            ],
            runs=group.runs,
            states=group.states,
            newest_us=group.newest_us,
            values={clean(name): _spread(group.tallies[one]) for name, one in tallied.items() if one in group.tallies},
            members=members.get(group.keys, []),
        )
        for group in shown
    ]


def _samples(library: Library, shown: Sequence[Group], keys: Sequence[Field]) -> dict[str, dict[Field, Any]]:
    """Return the values of one run of each group as they were given: the database knows only numbers and texts."""
    runs = list(library.by_ids([group.sample for group in shown]).values())
    found: dict[str, dict[Field, Any]] = {}
    for scope in {field.scope for field in keys if field.scope != "run"}:
        wanted = [field for field in keys if field.scope == scope]
        for run_id, whole in stored(runs, scope).items():
            values = leaves(whole)
            found.setdefault(run_id, {}).update({field: values.get(field.key) for field in wanted})
    return found


def _value(field: Field, key: Key, sample: dict[Field, Any] | None) -> Any:
    if sample is not None and field in sample:
        return plain(sample[field])
    return plain(key.number if key.number is not None else key.text)


def _holds(field: Field, key: Key) -> str:
    name = _name(field)
    if key.number is not None:
        return f"{name} = {key.number!r}"
    return f"{name} is null" if key.text is None else f"{name} = '{_escaped(key.text, quote=chr(39))}'"


def _name(field: Field) -> str:
    """Return a field as filters take it."""
    if field.scope == "run":
        return field.key
    plainly = re.fullmatch(r"(?:[\w/@%-]|[.:](?=[\w/@%-]))+", field.key)
    return f"{field.scope}.{clean(field.key)}" if plainly else f'{field.scope}."{_escaped(field.key, quote=chr(34))}"'


def _escaped(text: str, quote: str) -> str:
    return clean(text).replace("\\", "\\\\").replace(quote, f"\\{quote}")


def _spread(tally: Tally) -> Spread:
    statistics = {name: plain(value) for name, value in _statistics(tally).items() if name != "count"}
    return Spread(
        **statistics,
        numbers=tally.numbers,
        count=tally.count,
        first=None if tally.first is None else clean(tally.first),
        last=None if tally.last is None else clean(tally.last),
    )
