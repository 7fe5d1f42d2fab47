"""What is wrong, or looks wrong, in a sweep's configuration: collected with its place, told all at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from treering.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Finding", "Findings", "Mark", "Place", "SweepError", "spelled"]

#: Keys and indexes from the top of the configuration down.
Place = tuple[str | int, ...]
_LONGEST_SHOWN = 60


class Mark(NamedTuple):
    """Where something stands in a text; both counted from 1."""

    line: int
    column: int


class Finding(NamedTuple):
    """One thing to correct, or to look at."""

    place: Place
    text: str


class SweepError(UsageError):
    """A sweep's configuration that cannot be taken; the text has one line for each thing to correct."""


class Findings:
    """Collects errors and warnings.

    Args:
        name: of the configuration, a file's.
        marks: where its parts stand; empty for one that was never a text.
    """

    def __init__(self, name: str, marks: Mapping[Place, Mark] | None = None) -> None:
        self.name = name
        self._marks: Mapping[Place, Mark] = {} if marks is None else marks
        self.errors: list[Finding] = []
        self.warnings: list[Finding] = []

    def error(self, place: Place, text: str) -> None:
        """Note what must be corrected; `text` says what was found, what is taken, and what to do."""
        self.errors.append(Finding(place, text))

    def warn(self, place: Place, text: str) -> None:
        """Note what is allowed and looks like a mistake."""
        self.warnings.append(Finding(place, text))

    def check(self) -> None:
        """Raise what was collected.

        Raises:
            SweepError: there are errors.
        """
        if self.errors:
            raise SweepError("\n".join(map(self.told, self._sorted(self.errors))))

    def told(self, finding: Finding) -> str:
        """Return a finding with its place in front: `sweep.yaml:12:5: parameters.lr.min: ...`."""
        mark = self._mark(finding.place)
        where = f"{self.name}:{mark.line}:{mark.column}" if mark else self.name
        path = ".".join(map(str, finding.place))
        return f"{where}: {path}: {finding.text}" if path else f"{where}: {finding.text}"

    def _mark(self, place: Place) -> Mark | None:
        for length in range(len(place), -1, -1):
            mark: Mark | None = self._marks.get(place[:length])
            if mark is not None:
                return mark
        return None

    def _sorted(self, found: list[Finding]) -> list[Finding]:
        return sorted(found, key=lambda one: self._mark(one.place) or Mark(0, 0))


def spelled(value: object) -> str:
    """Return a value as a person would write it, cut where it is long."""
    text = repr(value)
    return text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 3] + "..."
