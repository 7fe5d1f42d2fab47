"""YAML with the place of every part, so that an error can point at its line.

The text is composed into nodes by PyYAML and read from these here: nothing but plain data can come out, whatever tags
a text carries. Two things differ from PyYAML's own reading, which W&B uses: `1e-4` is a number (YAML 1.1 wants a dot in
it and reads a text), and a key given twice is an error (the first would be lost without a word).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml
from yaml import MappingNode, ScalarNode, SequenceNode
from yaml.constructor import SafeConstructor

from treering.sweeps.findings import Findings, Mark, Place

if TYPE_CHECKING:
    from yaml import Node

__all__ = ["Document", "read_yaml"]

_FLOAT = re.compile(r"^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)[eE][-+]?[0-9]+$")
_TAG = "tag:yaml.org,2002:"
_SWITCHES = frozenset({"yes", "no", "on", "off"})
# Aliases may say a thing many times over; a sweep that needs more than this does not exist.
_MAX_PARTS = 200_000


class Document(NamedTuple):
    """A text, read.

    Attributes:
        data: plain data.
        findings: errors of the reading, and the places for those to come.
    """

    data: Any
    findings: Findings


def read_yaml(text: str, name: str = "sweep.yaml") -> Document:
    """Read one YAML (or JSON) document.

    Raises:
        SweepError: no YAML; the text names the line.
    """
    marks: dict[Place, Mark] = {}
    findings = Findings(name, marks)
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        if mark is not None:
            marks[()] = Mark(mark.line + 1, mark.column + 1)
        findings.error((), f"{error.problem or error.context}; correct the YAML there")
        node = None
    except yaml.YAMLError as error:  # a character that YAML has no place for
        findings.error((), f"{error}; save the file as UTF-8 text")
        node = None
    findings.check()
    if node is None:
        return Document(None, findings)
    data = _Reader(SafeConstructor(), findings, marks).read(node, ())
    findings.check()
    return Document(data, findings)


class _Reader:
    """Makes data of nodes."""

    def __init__(self, scalars: SafeConstructor, findings: Findings, marks: dict[Place, Mark]) -> None:
        self._scalars = scalars
        self._findings = findings
        self._marks = marks
        self._open: set[int] = set()
        self._parts = 0

    def read(self, node: Node, place: Place) -> Any:
        """Return the data of a node."""
        self._parts += 1
        self._marks.setdefault(place, _mark(node))
        if id(node) in self._open or self._parts > _MAX_PARTS:
            self._findings.error(place, "an alias that contains itself, or makes the file too large; write it out")
            return None
        self._open.add(id(node))
        try:
            if isinstance(node, MappingNode):
                return self._mapping(node, place)
            if isinstance(node, SequenceNode):
                return self._sequence(node, place)
            return self._scalar(node, place)
        finally:
            self._open.discard(id(node))

    def _sequence(self, node: SequenceNode, place: Place) -> list[Any]:
        return [self.read(child, (*place, number)) for number, child in enumerate(node.value)]

    def _mapping(self, node: MappingNode, place: Place) -> dict[str, Any]:
        found: dict[str, Any] = {}
        below: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if key_node.tag == f"{_TAG}merge":
                below = {**self._merged(value_node, place), **below}
                continue
            key = str(key_node.value) if isinstance(key_node, ScalarNode) else None
            if key is None:
                self._findings.error(place, "a key that is no plain word; use a text")
                continue
            here = (*place, key)
            if key in found:
                first, self._marks[here] = self._marks[here], _mark(key_node)
                self._findings.error(here, f"given twice, first in line {first.line}; delete one of the two")
                continue
            self._marks[here] = _mark(key_node)
            found[key] = self.read(value_node, here)
        return {**below, **found}

    def _merged(self, node: Node, place: Place) -> dict[str, Any]:
        parts: list[Node] = node.value if isinstance(node, SequenceNode) else [node]
        merged: dict[str, Any] = {}
        for part in parts:
            if not isinstance(part, MappingNode):
                self._findings.error(place, "`<<` takes a mapping; give it one, or delete it")
                continue
            merged = {**self._mapping(part, place), **merged}
        return merged

    def _scalar(self, node: Node, place: Place) -> Any:
        plain = getattr(node, "style", None) is None
        if node.tag == f"{_TAG}str":
            return float(node.value) if plain and _FLOAT.match(node.value) else node.value
        if node.tag == f"{_TAG}timestamp":
            return node.value  # nobody means a moment in time here
        if node.tag == f"{_TAG}bool" and node.value.lower() in _SWITCHES:
            self._findings.warn(
                place, f"{node.value} means {node.value.lower() in {'yes', 'on'}}; put the word in quotes"
            )
        if node.tag.removeprefix(_TAG) not in {"bool", "int", "float", "null"}:
            self._findings.error(place, f"the tag {node.tag} is not taken; write a plain value")
            return None
        try:
            return self._scalars.construct_object(node)
        except ValueError as error:
            self._findings.error(place, f"{node.value!r} cannot be read ({error}); put it in quotes")
            return None


def _mark(node: Node) -> Mark:
    return Mark(node.start_mark.line + 1, node.start_mark.column + 1)
