"""What is wrong, or looks wrong, in a sweep's configuration: collected with its place, told all at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from treering.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Finding", "Findings", "Mark", "Place", "SweepError", "Told", "spelled"]

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


class Told(NamedTuple):
    """A finding as people and editors are told of it.

    Attributes:
        line, column: counted from 1; 0 where the configuration was no text.
        path: of the key, with dots.
        fix: what to do; "" where the message says it all.
    """

    line: int
    column: int
    path: str
    message: str
    fix: str


class SweepError(UsageError):
    """A sweep's configuration that cannot be taken; the text has one line for each thing to correct.

    Attributes:
        told: the same, one by one.
    """

    def __init__(self, message: str, told: Sequence[Told] = ()) -> None:
        super().__init__(message)
        self.told = tuple(told)


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
            found = self._sorted(self.errors)
            raise SweepError("\n".join(map(self.told, found)), self.listed(found))

    def listed(self, found: Sequence[Finding]) -> list[Told]:
        """Return findings with their places, what is wrong and what to do apart."""
        told: list[Told] = []
        for one in found:
            line, column = self._mark(one.place) or (0, 0)
            message, _, fix = one.text.rpartition("; ") if "; " in one.text else (one.text, "", "")
            told.append(Told(line, column, ".".join(map(str, one.place)), message, fix))
        return told

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
