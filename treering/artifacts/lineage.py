"""What a version was made from, and what was made of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from treering.artifacts.lookup import Facts, select, used_by

if TYPE_CHECKING:
    from collections.abc import Callable

    from treering.artifacts._artifact import Artifact
    from treering.store.database import Database

__all__ = ["Link", "lineage_of"]

_MAX_DEPTH = 20


class Link(NamedTuple):
    """One step of a lineage.

    Attributes:
        source: "run ID", or a version's name and number.
        target: likewise.
        how: "made", "used", or "started from" for a version that another one was begun with.
        depth: steps between it and the version that was asked for; negative for what came before.
    """

    source: str
    target: str
    how: str
    depth: int


def lineage_of(artifact: Artifact) -> list[Link]:
    """Return the steps that led to a version, the farthest first, then those that it led to."""
    with artifact.home.reading() as database:
        (facts,) = select(database, "id = :id", {"id": artifact.id})
        before = _walk(database, facts, _before)
        after = _walk(database, facts, _after)
    deepest = max((link.depth for link in before), default=-1) + 1
    up = [link._replace(depth=deepest - 1 - link.depth) for link in sorted(before, key=lambda link: -link.depth)]
    return up + [link._replace(depth=deepest + link.depth) for link in after]


_Step = tuple[Link, Facts | None]


def _walk(database: Database, facts: Facts, look: Callable[[Database, Facts, int], list[_Step]]) -> list[Link]:
    links: list[Link] = []
    seen = {facts.id}
    level, depth = [facts], 0
    while level and depth < _MAX_DEPTH:
        steps = [step for one in level for step in look(database, one, depth)]
        known = {link[:3] for link in links}
        links += list({link[:3]: link for link, _ in reversed(steps) if link[:3] not in known}.values())
        level = [other for _, other in steps if other is not None and other.id not in seen]
        seen.update(other.id for other in level)
        depth += 2
    return links


def _before(database: Database, one: Facts, depth: int) -> list[_Step]:
    steps: list[_Step] = []
    if one.run_id:
        run = f"run {one.run_id}"
        steps.append((Link(run, one.title, "made", depth), None))
        used = select(database, "id IN (SELECT version_id FROM version_uses WHERE run_id = :id)", {"id": one.run_id})
        steps += [(Link(other.title, run, "used", depth + 1), other) for other in used if other.id != one.id]
    bases = select(database, "id = :id", {"id": one.base_id}) if one.base_id else []
    return steps + [(Link(base.title, one.title, "started from", depth), base) for base in bases]


def _after(database: Database, one: Facts, depth: int) -> list[_Step]:
    steps: list[_Step] = []
    for run_id in used_by(database, one.id):
        run = f"run {run_id}"
        made = select(database, "run_id = :id", {"id": run_id})
        steps.append((Link(one.title, run, "used", depth), None))
        steps += [(Link(run, other.title, "made", depth + 1), other) for other in made if other.id != one.id]
    started = select(database, "base_id = :id", {"id": one.id})
    return steps + [(Link(one.title, other.title, "started from", depth), other) for other in started]
