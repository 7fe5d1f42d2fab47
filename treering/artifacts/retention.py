"""Retention: which versions of a collection may go, because their time is over or because a rule keeps others.

A rule is kept with its collection, in the store. It says what stays: the newest ones, the best ones by a metric, those
that are younger than so many days, those whose alias fits a pattern. What none of these keeps goes with the next
collection. The newest version always stays, and so does what a stage of a registry or a run that is still going holds.
"""

from __future__ import annotations

import math
import time
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypedDict, cast

import msgspec

from treering.artifacts.aliasing import holds
from treering.artifacts.lookup import select
from treering.artifacts.registry import stage_of
from treering.errors import UsageError
from treering.store.values import decode, encode

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from treering.artifacts.lookup import Facts
    from treering.store.database import Database

__all__ = [
    "Keep",
    "KeepOptions",
    "Leaving",
    "forget_rule",
    "leaving",
    "put_rule",
    "rule_of",
    "rules",
    "score_of",
    "set_rule",
]

_DAY_US = 86_400_000_000
_MODES = ("min", "max")


class Keep(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What stays of a collection; whatever one of these keeps stays.

    Attributes:
        last: so many of the newest versions.
        best: so many of the best ones by `metric`.
        metric: a key of the versions' metadata; None for what their callback has judged them by.
        mode: whether small or large values are good; None for what their callback says.
        days: versions that are younger.
        aliases: patterns of aliases; each fits all but "latest" and "step-1000", which come by themselves.
    """

    last: int | None = None
    best: int | None = None
    metric: str | None = None
    mode: Literal["min", "max"] | None = None
    days: float | None = None
    aliases: tuple[str, ...] = ("*",)

    def check(self) -> Keep:
        """Return the rule if it is one.

        Raises:
            UsageError: it says nothing, or something impossible.
        """
        for name in ("last", "best"):
            value = getattr(self, name)
            if value is not None and (type(value) is not int or value < 1):
                raise UsageError(f"keep got {name}={value!r}; it takes a number of versions, 1 or more")
        if self.days is not None and not 0 < self.days < math.inf:
            raise UsageError(f"keep got days={self.days!r}; it takes a number above 0")
        if self.mode not in {None, *_MODES}:
            raise UsageError(f"keep got mode={self.mode!r}; it takes 'min' (small is good) or 'max'")
        if self.best is None and (self.metric is not None or self.mode is not None):
            raise UsageError("keep got a metric and not how many of the best stay by it; say best=3 (--best 3)")
        if (self.last, self.best, self.days) == (None, None, None):
            raise UsageError("keep got nothing that stays; say last=, best= or days=, or several of them")
        return self

    def __str__(self) -> str:
        by = f" by {self.metric}" if self.metric else ""
        mode = f" ({self.mode})" if self.mode else ""
        parts = [
            "" if self.last is None else f"the last {self.last}",
            "" if self.best is None else f"the best {self.best}{by}{mode}",
            "" if self.days is None else f"what is younger than {self.days:g} days",
            "what has an alias" if "*" in self.aliases else f"what is called {' or '.join(self.aliases)}",
        ]
        said = [part for part in parts if part and part != "what is called "]
        return f"{', '.join(said[:-1])} and {said[-1]}" if len(said) > 1 else said[0]


class KeepOptions(TypedDict, total=False):
    """What `Api.keep` takes; see `Keep`."""

    last: int
    best: int
    metric: str
    mode: Literal["min", "max"]
    days: float
    aliases: Sequence[str]


class Leaving(NamedTuple):
    """A version that may go, and why."""

    facts: Facts
    why: str


# -- the rules --------------------------------------------------------------------------------------------------------


def set_rule(database: Database, project: str, name: str, keep: Keep) -> None:
    """Cut a collection down to what `keep` says, from the next collection on.

    Raises:
        UsageError: it is no rule.
    """
    put_rule(database, project, name, msgspec.to_builtins(keep.check()))


def put_rule(database: Database, project: str, name: str, rule: dict[str, Any]) -> None:
    """As `set_rule`, with a rule that has been checked and is plain data by now."""
    database.execute(
        "INSERT INTO retention (project, name, policy) VALUES (:project, :name, :policy) "
        "ON CONFLICT (project, name) DO UPDATE SET policy = excluded.policy",
        {"project": project, "name": name, "policy": encode(rule)},
    )


def forget_rule(database: Database, project: str, name: str) -> bool:
    """Keep all of a collection from now on; tells whether there was a rule."""
    values = {"project": project, "name": name}
    return database.execute("DELETE FROM retention WHERE project = :project AND name = :name", values) > 0


def rules(database: Database) -> dict[tuple[str, str], Keep]:
    """Return the rules by (project, name)."""
    rows = database.query("SELECT project, name, policy FROM retention ORDER BY project, name")
    return {(project, name): msgspec.convert(decode(policy), Keep) for project, name, policy in rows}


def rule_of(database: Database, project: str, name: str) -> Keep | None:
    """Return a collection's rule; None for one that keeps everything."""
    return rules(database).get((project, name))


# -- what they come to ------------------------------------------------------------------------------------------------


def leaving(
    database: Database, now_us: int | None = None, assumed: Mapping[tuple[str, str], Keep | None] | None = None
) -> list[Leaving]:
    """Return the versions that may go, the oldest first.

    Args:
        database: where to look.
        now_us: the time to count from.
        assumed: rules by (project, name) that are taken for those of the store; None for no rule.
    """
    now_us = time.time_ns() // 1000 if now_us is None else now_us
    found: dict[str, Leaving] = {}
    for facts in select(database, "expires_us IS NOT NULL AND expires_us <= :now", {"now": now_us}):
        if not any(map(holds, facts.aliases)):
            found[facts.id] = Leaving(facts, f"its time was over at {_date(facts.expires_us or 0)}")
    for (project, name), keep in {**rules(database), **(assumed or {})}.items():
        if keep is None:
            continue
        versions = select(database, "project = :project AND name = :name", {"project": project, "name": name})
        kept = _kept(versions, keep, now_us)
        for facts in versions:
            if facts.id not in kept:
                found.setdefault(facts.id, Leaving(facts, f"{name} keeps {keep}"))
    held = _held(database, found) if found else set[str]()
    gone = [one for one in found.values() if one.facts.id not in held and stage_of(database, one.facts) is None]
    return sorted(gone, key=lambda one: (one.facts.created_us, one.facts.name, one.facts.version))


def _date(time_us: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.gmtime(time_us / 1e6))


def _held(database: Database, ids: Iterable[str]) -> set[str]:
    """Return those of the versions that a run which is still going uses."""
    rows = database.query(
        "SELECT DISTINCT version_id FROM version_uses JOIN runs ON runs.id = run_id WHERE runs.state = 'running'"
    )
    return {version_id for (version_id,) in rows} & set(ids)


def _kept(versions: Sequence[Facts], keep: Keep, now_us: int) -> set[str]:
    ordered = sorted(versions, key=lambda one: one.version)
    kept = {one.id for one in ordered[-(keep.last or 1) :]}
    kept |= {one.id for one in versions if any(holds(alias) and _fits(alias, keep.aliases) for alias in one.aliases)}
    if keep.days is not None:
        kept |= {one.id for one in versions if one.created_us > now_us - keep.days * _DAY_US}
    if keep.best is not None:
        kept |= _best(ordered, keep, keep.best)
    return kept


def _fits(alias: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(alias, pattern) for pattern in patterns)


def _best(ordered: Sequence[Facts], keep: Keep, count: int) -> set[str]:
    scores = {one.id: score for one in ordered if (score := score_of(one.metadata, keep.metric)) is not None}
    said = [one.metadata.get("mode") for one in reversed(ordered) if one.id in scores]
    mode = keep.mode or next((mode for mode in said if mode in _MODES), None)
    if not scores and keep.metric is None and (keep.last is not None or keep.days is not None):
        return set()  # nothing was judged, so the rest of the rule says what stays
    if not scores or mode is None:
        # A metric that no version has, or that nobody says how to read, is a mistake; nothing goes because of it.
        return {one.id for one in ordered}
    sign = 1.0 if mode == "min" else -1.0
    newest = {one.id: -one.version for one in ordered}
    return set(sorted(scores, key=lambda one: (sign * scores[one], newest[one]))[:count])


def score_of(metadata: dict[str, Any], metric: str | None) -> float | None:
    """Return the number by which a version is judged, None where it has none; "val_loss" and "val/loss" are one."""
    judged = metadata.get("monitor")
    if metric is None:
        value = metadata.get("score")
    elif metric in metadata:
        value = metadata[metric]
    else:
        same = isinstance(judged, str) and judged.replace("/", "_") == metric.replace("/", "_")
        value = metadata.get("score") if same else None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or math.isnan(value):
        return None
    return float(cast("float", value))
