"""What a version was made from, and what was made of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from treering.artifacts.lookup import Facts, select, used_by

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from treering.artifacts._artifact import Artifact
    from treering.store.database import Database

    _Look = Callable[[Database, "Node", int], Iterator[tuple["Node", str]]]

__all__ = ["Graph", "Link", "Node", "graph_of", "lineage_of"]

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


# -- as a picture -----------------------------------------------------------------------------------------------------


class Node(NamedTuple):
    """A run or a version in a picture of a lineage.

    Attributes:
        id: of the run or version.
        kind: "run" or "version".
        label: the run's name, or the version's name and number.
        project: that it is in; "" for a run that is gone.
        state: of a run, "" for one that is gone; of a version its type.
        depth: steps between it and the version that was asked for; negative for what came before.
        hidden: how many neighbours are left out of the picture.
    """

    id: str
    kind: str
    label: str
    project: str
    state: str
    depth: int
    hidden: int = 0


class Graph(NamedTuple):
    """What led to a version, and what came of it; `links` are (id of the source, id of the target, how)."""

    nodes: list[Node]
    links: list[tuple[str, str, str]]


def graph_of(artifact: Artifact, most: int = 200) -> Graph:
    """Return the lineage of a version, its nearest parts first.

    Args:
        artifact: a version.
        most: nodes; what does not fit is counted at its neighbours.
    """
    with artifact.home.reading() as database:
        (facts,) = select(database, "id = :id", {"id": artifact.id})
        picture = _Picture(database, most)
        picture.add(_version_node(facts, 0))
        for look, step in ((_sources, -1), (_results, 1)):
            level = [picture.nodes[facts.id]]
            for depth in range(1, _MAX_DEPTH):
                level = [found for one in level for found in picture.around(one, look, step * depth)]
    return Graph(list(picture.nodes.values()), list(picture.links))


def _version_node(facts: Facts, depth: int) -> Node:
    return Node(facts.id, "version", facts.title, facts.project, facts.type, depth)


class _Picture:
    def __init__(self, database: Database, most: int) -> None:
        self.database = database
        self.most = most
        self.nodes: dict[str, Node] = {}
        self.links: dict[tuple[str, str, str], None] = {}

    def add(self, node: Node) -> bool:
        """Take a node; tells whether there was room for it."""
        if len(self.nodes) >= self.most:
            return False
        self.nodes[node.id] = node
        return True

    def around(self, one: Node, look: _Look, depth: int) -> list[Node]:
        """Take what is next to a node; returns what is new."""
        fresh: list[Node] = []
        hidden = 0
        for node, how in look(self.database, one, depth):
            known = node.id in self.nodes
            if not known and not self.add(node):
                hidden += 1
                continue
            ends = (node.id, one.id) if depth < 0 else (one.id, node.id)
            self.links[ends[0], ends[1], how] = None
            if not known:
                fresh.append(node)
        if hidden:
            self.nodes[one.id] = self.nodes[one.id]._replace(hidden=self.nodes[one.id].hidden + hidden)
        return fresh


def _sources(database: Database, one: Node, depth: int) -> Iterator[tuple[Node, str]]:
    """Yield what a run used, or what a version was made by and begun with."""
    if one.kind == "run":
        used = "id IN (SELECT version_id FROM version_uses WHERE run_id = :id)"
        for facts in select(database, used, {"id": one.id}):
            yield _version_node(facts, depth), "used"
        return
    for facts in select(database, "id = :id", {"id": one.id}):
        if facts.run_id:
            yield _run_node(database, facts.run_id, depth), "made"
        for base in select(database, "id = :id", {"id": facts.base_id}) if facts.base_id else ():
            yield _version_node(base, depth), "started from"


def _results(database: Database, one: Node, depth: int) -> Iterator[tuple[Node, str]]:
    """Yield what a run made, or the runs that used a version and what was begun with it."""
    if one.kind == "run":
        for facts in select(database, "run_id = :id", {"id": one.id}):
            yield _version_node(facts, depth), "made"
        return
    for run_id in used_by(database, one.id):
        yield _run_node(database, run_id, depth), "used"
    for facts in select(database, "base_id = :id", {"id": one.id}):
        yield _version_node(facts, depth), "started from"


def _run_node(database: Database, run_id: str, depth: int) -> Node:
    rows = database.query("SELECT name, project, state FROM runs WHERE id = :id", {"id": run_id})
    name, project, state = rows[0] if rows else (run_id, "", "")
    return Node(run_id, "run", name, project, state, depth)
