"""The registry's face: what is registered, which version is in which stage, and what happened."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from treering.api._records import moment
from treering.artifacts import registry as inner
from treering.errors import NotFound, UsageError

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable
    from datetime import datetime

    from treering.api._sources import Source
    from treering.artifacts import Artifact
    from treering.artifacts.registry import Happened
    from treering.store.database import Database

__all__ = ["Registered", "Registry", "RegistryEvent"]


class RegistryEvent(NamedTuple):
    """One thing that happened in a registry; events are only ever added.

    Attributes:
        time: when, in UTC.
        kind: "linked", "staged", "unstaged", "aliased", "tagged", "changed", "deleted", "expired" or "stages".
        name: of the collection, "" for what concerns all.
        version: its number; None for what concerns no version.
        who: user and machine.
        run_id: of the run that did it, "" for none.
        details: what else there is to know, by kind: "stage", "from", "instead_of", "source", "note", ...
    """

    time: datetime
    kind: str
    name: str
    version: int | None
    who: str
    run_id: str
    details: dict[str, Any]

    def __str__(self) -> str:
        what = self.name if self.version is None else f"{self.name}:v{self.version}"
        details = self.details
        said = {
            "linked": f"{what} linked" + (f" from {details['source']}" if "source" in details else ""),
            "staged": f"{what} put into {details.get('stage')}",
            "unstaged": f"{what} taken out of {details.get('from')}",
            "aliased": f"{what} called {_words(details.get('added'))}, no longer {_words(details.get('removed'))}",
            "tagged": f"{what} tagged {_words(details.get('tags'))}",
            "changed": f"{what} changed: {_words(details)}",
            "stages": f"stages set to {_words(details.get('stages'))}",
        }.get(self.kind, f"{what} {self.kind}")
        if self.kind == "staged" and "from" in details:
            said += f" from {details['from']}"
        if "instead_of" in details:
            said += f" instead of v{details['instead_of']}"
        return said + (f": {details['note']}" if details.get("note") else "")


def _words(words: Iterable[str] | None) -> str:
    return ", ".join(words or ()) or "nothing"


class Registered(NamedTuple):
    """A collection of a registry.

    Attributes:
        versions: how many it has.
        latest: the newest one.
        stages: the version in each stage that has one.
    """

    name: str
    type: str
    versions: int
    latest: Artifact
    stages: dict[str, Artifact]


class Registry:
    """Collections that all projects share, with stages and a log of what happened; `Api.registry` returns it.

    Args:
        sources: the databases that it may be in; the first one is written to.
        project: its name, which ends in "-registry".

    Raises:
        UsageError: a project of another name.
    """

    def __init__(self, sources: list[Source], project: str) -> None:
        if not inner.is_registry(project):
            raise UsageError(f"registry() got {project!r}; its name ends in '-registry', as {inner.REGISTRY!r} does")
        self.project = project
        self._sources = sources

    @property
    def stages(self) -> tuple[str, ...]:
        """The stages that versions can be put into, in order; "staging" and "production" unless they were set."""
        return inner.stages(self._sources[0].database)

    def set_stages(self, *words: str) -> None:
        """Have other stages.

        Raises:
            UsageError: words that cannot be taken, or a stage goes that has a version in it.
        """
        with self._writing() as database:
            inner.set_stages(database, words, self.project)

    def collections(self) -> list[Registered]:
        """Return what is registered, in order of the names."""
        by_name: dict[str, list[Artifact]] = {}
        for version in self._versions():
            by_name.setdefault(version.name, []).append(version)
        found: list[Registered] = []
        for name, versions in sorted(by_name.items()):
            stages = {word: one for word in self.stages for one in versions if word in one.aliases}
            found.append(Registered(name, versions[-1].type, len(versions), versions[-1], stages))
        return found

    def versions(self, name: str) -> list[Artifact]:
        """Return the versions of one collection, the oldest first."""
        return [one for one in self._versions() if one.name == name]

    def _versions(self) -> list[Artifact]:
        from treering.api._versions import versions_of

        return [one for source in self._sources for one in versions_of(source, "project = :value", self.project)]

    def version(self, name: str) -> Artifact:
        """Return a version: "shop:production", "shop:v3", or "shop" for the latest.

        Raises:
            NotFound: there is none.
        """
        from treering.artifacts import Artifact
        from treering.artifacts.lookup import find

        missing: NotFound | None = None
        for source in self._sources:
            try:
                return Artifact.of(source.home, find(source.database, name, self.project))
            except NotFound as error:
                missing = missing or error
        raise missing or NotFound(f"there is no version {name} in {self.project!r}")

    def link(self, version: Artifact, name: str | None = None, *, stage: str | None = None) -> Artifact:
        """Register a version: the same files as the next version of a collection here. Its bytes are stored once.

        Args:
            version: that is in this store.
            name: of the collection; default the version's own.
            stage: to put it into.

        Raises:
            UsageError: no such stage, or the version is in a bundle that has not been merged.
        """
        from treering.artifacts.alone import save_alone

        source = self._sources[0]
        if version.home != source.home:
            raise UsageError(f"{version.name!r} lies in a bundle; `treering merge` it first, or name this store")
        if stage is not None:
            inner.check_stage(source.database, self.project, stage)
        linked = version.new_draft(name)
        save_alone(linked, self.project, source.folder, stage=stage or "")
        return linked

    def stage(self, version: str | Artifact, stage: str, *, note: str = "") -> Artifact:
        """Put a version into a stage; one that was in it leaves it, and the version leaves its own.

        Args:
            version: "shop:v3", or the version.
            stage: one of `stages`.
            note: why, for the log.

        Raises:
            NotFound: no such version.
            UsageError: no such stage.
        """
        return self._move(version, stage, note)

    def unstage(self, version: str | Artifact, *, note: str = "") -> Artifact:
        """Take a version out of its stage.

        Args:
            version: "shop:production", or the version.
            note: why, for the log.

        Raises:
            NotFound: no such version.
        """
        return self._move(version, None, note)

    def _move(self, version: str | Artifact, stage: str | None, note: str) -> Artifact:
        found = self.version(version) if isinstance(version, str) else version
        with found.home.writing() as database:
            inner.move_stage(database, found.facts(), stage, note=note)
        found.facts()
        return found

    def events(self, name: str | None = None, *, last: int | None = None) -> list[RegistryEvent]:
        """Return what happened, in order.

        Args:
            name: only what concerns this collection.
            last: only so many, the newest.
        """
        found = [one for source in self._sources for one in inner.happened(source.database, self.project, name, last)]
        found.sort(key=lambda one: one.time_us)  # stable: within a database in order of their numbers
        return [_event(one) for one in (found if last is None else found[-last:])]

    @contextmanager
    def _writing(self) -> Generator[Database]:
        source = self._sources[0]
        database = source.writable()
        try:
            yield database
        finally:
            if database is not source.database:
                database.close()

    def __repr__(self) -> str:
        return f"Registry({self.project!r})"


def _event(one: Happened) -> RegistryEvent:
    return RegistryEvent(moment(one.time_us), one.kind, one.name, one.version, one.who, one.run_id, one.details)
