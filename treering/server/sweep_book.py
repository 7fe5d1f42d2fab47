"""The sweeps that a server shows and gives work of: each kept read, so that a look at it reads what has changed."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, NamedTuple

from treering.errors import NotFound
from treering.sweeps.importance import Correlation, correlations, front, importances, measured
from treering.sweeps.shared import SharedSweeps
from treering.sweeps.store import StoredSweeps

if TYPE_CHECKING:
    from treering.server.shelf import Library
    from treering.sweeps.config import SweepConfig
    from treering.sweeps.importance import Evaluator
    from treering.sweeps.records import Sweep, Trial

__all__ = ["Look", "SweepBook", "Told"]

_REMEMBERED = 64


class Look(NamedTuple):
    """A sweep at one moment, with all of its trials in order."""

    sweep: Sweep
    config: SweepConfig
    trials: list[Trial]

    @property
    def revision(self) -> int:
        """The last one of a trial: what is newer than it has not been seen."""
        return max((trial.revision for trial in self.trials), default=-1)


class Told(NamedTuple):
    """What a sweep tells of its parameters."""

    trials: int
    shares: dict[str, float]
    reason: str
    correlations: list[Correlation]


class _Kept:
    """A sweep that was looked at.

    Args:
        sweeps: where it is.
        whole: what those are made of; another one makes this old.
    """

    def __init__(self, sweeps: StoredSweeps, whole: object) -> None:
        self.sweeps = sweeps
        self.whole = whole
        self.lock = threading.Lock()
        self.thinking = threading.Lock()
        self.told: OrderedDict[tuple[Any, ...], Told] = OrderedDict()
        self.front: tuple[int, list[int]] = (-1, [])


class SweepBook:
    """Reads sweeps for any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, _Kept] = OrderedDict()

    def sweeps(self, library: Library, project: str | None) -> list[Sweep]:
        """Return all sweeps, the newest first: those of the database, and those of a folder that machines share."""
        found = StoredSweeps(library.sources[0].database).sweeps(project)
        folder = library.folder
        if folder is not None and (folder / "sweeps").is_dir():
            found += SharedSweeps(folder).sweeps(project)
        return sorted(found, key=lambda sweep: -sweep.created_us)

    def look(self, library: Library, sweep_id: str) -> Look:
        """Return a sweep with its trials.

        Raises:
            NotFound: there is no such sweep.
        """
        kept = self._find(library, sweep_id)
        with kept.lock:
            sweep = kept.sweeps.sweep(sweep_id)
            return Look(sweep, kept.sweeps.config(sweep), kept.sweeps.history(sweep_id))

    def stored(self, library: Library, sweep_id: str) -> StoredSweeps:
        """Return where a sweep is, for reading what `look` does not tell; to be used for one call.

        Raises:
            NotFound: there is no such sweep.
        """
        return self._place(library, sweep_id)

    def _find(self, library: Library, sweep_id: str) -> _Kept:
        whole = library.sources[0].database
        with self._lock:
            kept = self._kept.get(sweep_id)
            if kept is None or kept.whole is not whole:
                kept = self._kept[sweep_id] = _Kept(self._place(library, sweep_id), whole)
                while len(self._kept) > _REMEMBERED:
                    self._kept.popitem(last=False)
            self._kept.move_to_end(sweep_id)
            return kept

    @staticmethod
    def _place(library: Library, sweep_id: str) -> StoredSweeps:
        stored = StoredSweeps(library.sources[0].database)
        try:
            stored.sweep(sweep_id)
        except NotFound:
            if library.folder is None or not is_shared(library, sweep_id):
                raise
            return SharedSweeps(library.folder).of(sweep_id)
        return stored

    def front(self, library: Library, look: Look) -> list[int]:
        """Return the numbers of the trials that none is better than."""
        kept = self._find(library, look.sweep.id)
        known = kept.front
        if known[0] != look.revision or look.revision < 0:
            known = kept.front = (look.revision, front(look.config, look.trials))
        return known[1]

    def importance(self, library: Library, look: Look, index: int, evaluator: Evaluator) -> Told:
        """Return which parameters matter; worked out once for each number of trials that have ended."""
        kept = self._find(library, look.sweep.id)
        count = len(measured(look.trials, index))
        key = (evaluator, index, count)
        with kept.thinking:  # whoever asks meanwhile gets the same answer, and not the same work
            told = kept.told.get(key)
            if told is None:
                shares, reason = importances(look.config, look.trials, index, evaluator)
                told = kept.told[key] = Told(count, shares, reason, correlations(look.config, look.trials, index))
                while len(kept.told) > _REMEMBERED:
                    kept.told.popitem(last=False)
        return told


def is_shared(library: Library, sweep_id: str) -> bool:
    """Tell whether a sweep has a file of its own in a folder that machines share."""
    folder = library.folder
    return folder is not None and sweep_id.isalnum() and (folder / "sweeps" / f"{sweep_id}.db").is_file()
