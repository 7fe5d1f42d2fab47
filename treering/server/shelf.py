"""The store that a server shows, kept open, and looked at anew as bundles come and runs die."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from treering.api import Api
from treering.api._run import Batch
from treering.api._sources import recover_dead
from treering.errors import NotFound
from treering.store.read_filter import All, Compare, Field, Node
from treering.store.read_plan import count

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from treering.api import ApiRun
    from treering.api._sources import Source
    from treering.store.read_query import Page

__all__ = ["Library", "Shelf", "stored", "within"]

_LOOK_S = 2.0
_RECOVER_S = 20.0


@dataclass
class Tally:
    """A project at a glance; one run that is in two databases counts twice."""

    runs: int = 0
    running: int = 0
    changed_us: int = 0


class Library(Api):
    """Reads a store for many requests at once."""

    @property
    def sources(self) -> list[Source]:
        """What is open."""
        return self._sources

    def committed(self) -> list[object] | None:
        """Return what is another value after others have committed; None where the database does not tell."""
        if any(source.database.dialect != "sqlite" for source in self._sources):
            return None
        return [(id(source.database), source.database.query("PRAGMA data_version")) for source in self._sources]

    def page(self, asked: Page, counts: list[int] | None = None) -> tuple[list[ApiRun], list[Any] | None]:
        """Return runs and, when there are more of them, what to give as `after` for the next page.

        Args:
            asked: which runs; with a limit.
            counts: gets how many runs fit, in one number or more; nothing if the page is empty.
        """
        limit = asked.limit or 0
        found = self._found(asked._replace(limit=limit + 1), counts)
        if len(found) <= limit:
            return [run for run, _ in found], None
        last, keys = found[limit - 1]
        return [run for run, _ in found[:limit]], [*keys, round(last.created.timestamp() * 1e6), last.id]

    def listed(self, asked: Page) -> list[ApiRun]:
        """Return some runs of a condition, in order."""
        return [run for run, _ in self._found(asked)]

    def count(self, where: Node) -> int:
        """Return how many runs there are; one that is in two databases counts twice."""
        return sum(count(source.database, where) for source in self._sources)

    def tallies(self) -> dict[str, Tally]:
        """Return how many runs each project has, in one look, and when something last happened there."""
        found: dict[str, Tally] = {}
        for source in self._sources:
            statement = "SELECT project, state, COUNT(*), MAX(updated_us) FROM runs GROUP BY project, state"
            for project, state, runs, changed_us in source.database.query(statement):
                tally = found.setdefault(project, Tally())
                tally.runs += runs
                tally.running += runs if state == "running" else 0
                tally.changed_us = max(tally.changed_us, changed_us)
        return found

    def chosen(self, where: Node) -> list[ApiRun]:
        """Return all runs of a condition, the newest first."""
        return list(self._find(where, [], None))

    def by_id(self, run_id: str) -> ApiRun:
        """Return the run of exactly this id.

        Raises:
            NotFound: no such run.
        """
        found = self.by_ids([run_id])
        if not found:
            raise NotFound(f"there is no run {run_id!r}")
        return found[run_id]

    def by_ids(self, ids: Sequence[str]) -> dict[str, ApiRun]:
        """Return those of the runs that there are."""
        if not ids:
            return {}
        return {run.id: run for run in self.chosen(Compare(Field("run", "id"), "in", tuple(ids)))}


def stored(runs: Sequence[ApiRun], column: str) -> dict[str, dict[str, Any]]:
    """Return `config` or `summary` of runs as stored: media as what is kept of them, not as objects."""
    batches: dict[int, tuple[Source, list[str]]] = {}
    for run in runs:
        batches.setdefault(id(run.source), (run.source, []))[1].append(run.id)
    found: dict[str, dict[str, Any]] = {}
    for source, ids in batches.values():
        batch = Batch(source, ids)
        found.update({run_id: batch.get(column, run_id) or {} for run_id in ids})
    return found


def within(project: str | None, where: Node) -> Node:
    """Return the condition narrowed to one project."""
    return where if project is None else All((Compare(Field("run", "project"), "=", (project,)), where))


class Shelf:
    """Gives the open store to any thread.

    Args:
        place: as for `Api`.
    """

    def __init__(self, place: str | Path | None) -> None:
        self._place = place
        self._lock = threading.Lock()
        self._library: Library | None = None
        self._bundles: frozenset[Path] = frozenset()
        self._looked_s = self._recovered_s = 0.0

    def library(self) -> Library:
        """Return the store as it is now.

        Raises:
            NotFound: there is none yet.
            StoreError: it cannot be opened.
        """
        with self._lock:
            now_s = time.monotonic()
            if self._library is None:
                self._open(now_s)
            elif now_s - self._looked_s > _LOOK_S:
                self._look(self._library, now_s)
            assert self._library is not None  # noqa: S101  # for type checkers: it is open now
            return self._library

    @property
    def folder(self) -> Path | None:
        """Folder of the store, if it is open and has one."""
        library = self._library
        return None if library is None else library.folder

    def _open(self, now_s: float) -> None:
        self._library = Library(self._place)
        self._bundles = _bundles(self._library)
        self._looked_s = self._recovered_s = now_s

    def _look(self, library: Library, now_s: float) -> None:
        self._looked_s = now_s
        folder = library.folder
        if folder is None:
            return
        if now_s - self._recovered_s > _RECOVER_S:
            self._recovered_s = now_s
            recover_dead(folder)
        if _bundles(library) != self._bundles:
            # The old one stays open for the requests that hold it, and closes with the last of them.
            self._open(now_s)

    def close(self) -> None:
        """Close the store."""
        with self._lock:
            if self._library is not None:
                self._library.close()
                self._library = None


def _bundles(library: Library) -> frozenset[Path]:
    return frozenset() if library.folder is None else frozenset((library.folder / "bundles").glob("*.db"))
