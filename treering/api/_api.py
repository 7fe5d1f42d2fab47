"""Finding runs."""

from __future__ import annotations

import re
from functools import cmp_to_key
from typing import TYPE_CHECKING, Any

from treering.api._listing import Runs
from treering.api._run import PLAIN_COLUMNS, ApiRun, Batch
from treering.api._sources import open_sources
from treering.errors import NotFound, UsageError
from treering.store.read_filter import All, Compare, Field, Node, parse_filter, parse_order
from treering.store.read_plan import find_page
from treering.store.read_query import Page

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from typing_extensions import Self, Unpack

    from treering.api._keeping import Rule
    from treering.api._records import DroppedVersion
    from treering.api._registry import Registry
    from treering.api._reports import ApiReport
    from treering.api._sources import Source
    from treering.artifacts import Artifact
    from treering.artifacts.retention import KeepOptions
    from treering.online.mirror import Mirror


__all__ = ["Api"]

_SHOWN_RUNS = 20


class Api:
    """Reads what has been recorded; needs no run, and works while runs are being written.

    Args:
        dir: a store's folder, the file of one bundle, or a "postgresql://" address. None: what the settings say
            (`TREERING_DIR`, `treering.toml`, the nearest `.treering/` upward, your data folder).
        url: read from a server instead: its address, or True for that of `TREERING_URL` or the last
            `treering login`. What is read is kept in a temporary folder until `close`; only what is new comes again.
        key: of the server; else `TREERING_API_KEY`, or what `treering login` has kept.

    Raises:
        NotFound: there is no store.
        StoreError: it cannot be opened, or the server does not answer.
        UsageError: both a store and a server, or no key.
    """

    def __init__(
        self,
        dir: str | Path | None = None,  # noqa: A002  # the name that init() and the settings use
        *,
        url: str | bool | None = None,
        key: str | None = None,
    ) -> None:
        self._place = dir
        self._mirror: Mirror | None = None
        if url:
            from treering.online.mirror import open_mirror

            if dir is not None:
                raise UsageError(f"Api got dir={str(dir)!r} and url={url!r}; give one of them")
            self._mirror = open_mirror(None if url is True else url, key)
            self._place = self._mirror.url
        self._sources: list[Source] = open_sources(dir) if self._mirror is None else [self._mirror]

    def _local(self, what: str) -> list[Source]:
        """Return where to do what no server does for an `Api`."""
        if self._mirror is not None:
            raise UsageError(
                f"{what} is not done through a server's Api; use the dashboard at {self._mirror.url}, or Api(dir) "
                "where its store is"
            )
        return self._sources

    @property
    def folder(self) -> Path | None:
        """Folder of the store; None for one without a folder."""
        return self._sources[0].folder

    def projects(self) -> list[str]:
        """Return the projects' names in order of the alphabet."""
        if self._mirror is not None:
            return self._mirror.projects()
        names = {name for one in self._sources for (name,) in one.database.query("SELECT DISTINCT project FROM runs")}
        return sorted(names, key=str.casefold)

    def runs(
        self,
        project: str | None = None,
        filters: str | Mapping[str, Any] | None = None,
        order: str | Sequence[str] | None = "-created",
        limit: int | None = None,
    ) -> Runs:
        """Return runs, chosen and sorted inside the database.

        Args:
            project: only runs of this project.
            filters: such as "state = 'failed' and config.lr < 0.01 and summary.val/loss <= 0.2 and tag = 'x'", or a
                dict as W&B and MongoDB write it.
            order: fields such as "-summary.accuracy, name"; a minus means descending. Runs without a field come last.
            limit: at most this many.

        Raises:
            UsageError: a filter or order that cannot be read; the text shows the place.
        """
        where = parse_filter(filters)
        if project is not None:
            where = All((Compare(Field("run", "project"), "=", (project,)), where))
        return self._find(where, parse_order(order), limit)

    def _find(self, where: Node, order: list[tuple[Field, bool]], limit: int | None) -> Runs:
        return Runs(run for run, _ in self._found(Page(where, order, limit)))

    def _found(self, page: Page, counts: list[int] | None = None) -> list[tuple[ApiRun, tuple[Any, ...]]]:
        """Return runs with the keys that they are ordered by.

        How many there are in all is added to `counts`, once for each database that has some of them.
        """
        if self._mirror is not None:
            batch = Batch(self._mirror, ids := self._mirror.find(page.where, list(page.order), page.limit, page.offset))
            known = {row[0]: row for row in self._mirror.rows(PLAIN_COLUMNS, ids)}
            return [(ApiRun(known[run_id], batch), ()) for run_id in ids]
        found: list[tuple[ApiRun, tuple[Any, ...]]] = []
        # What is left out of several databases is left out after they are merged.
        merged = len(self._sources) > 1
        whole = page
        if merged and page.limit is not None:
            whole = page._replace(limit=page.limit + page.offset, offset=0)
        for source in self._sources:
            rows = find_page(source.database, PLAIN_COLUMNS, whole, counted=counts is not None)
            if counts is not None and rows:
                counts.append(rows[0][-1])
                rows = [row[:-1] for row in rows]
            batch = Batch(source, [row[0] for row in rows])
            found += [(ApiRun(row[: len(PLAIN_COLUMNS)], batch), row[len(PLAIN_COLUMNS) :]) for row in rows]
        return _merged(found, page.order)[page.offset - whole.offset : whole.limit] if merged else found

    def run(self, name: str) -> ApiRun:
        """Return one run.

        Args:
            name: its id, the unique beginning of its id, its name, any of these behind "project/", or "latest".

        Raises:
            NotFound: no such run.
            UsageError: several runs are called that; the text lists them.
        """
        project, slash, rest = name.rpartition("/")
        places = [(None, name)] + ([(project, rest)] if slash and project else [])
        if "/" in project:
            places.append((project.rpartition("/")[2], rest))  # W&B's entity/project/run
        for within, word in places:
            for condition in (
                Compare(Field("run", "id"), "=", (word,)),
                Compare(Field("run", "name"), "=", (word,)),
                Compare(Field("run", "id"), "~", (_begins(word),)) if word else None,
                All(()) if word == "latest" else None,
            ):
                if condition is None:
                    continue
                where = (
                    condition if within is None else All((Compare(Field("run", "project"), "=", (within,)), condition))
                )
                runs = self._find(where, [], 1 if condition == All(()) else _SHOWN_RUNS)
                if len(runs) == 1:
                    return runs[0]
                if runs:
                    listed = ", ".join(f"{run.id} ({run.name}, {run.created:%Y-%m-%d %H:%M})" for run in runs)
                    raise UsageError(f"{name!r} may be any of these runs: {listed}; give an id")
        raise NotFound(self._unknown(name))

    def _unknown(self, name: str) -> str:
        from difflib import get_close_matches

        runs = self.runs(limit=1000)
        if not runs:
            return f"there is no run {name!r}; {self._called()} has no runs yet"
        close = get_close_matches(name, [word for run in runs for word in (run.name, run.id)], n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(map(repr, dict.fromkeys(close)))}?" if close else "`treering runs` lists all"
        return f"there is no run {name!r} in {self._called()}; {hint}"

    def version(self, name: str, project: str | None = None) -> Artifact:
        """Return a version by "name:v3", "name:alias" or "project/name:alias"; "name" alone is its latest.

        Raises:
            NotFound: no such version.
            UsageError: several projects have one; give `project`.
        """
        from treering.artifacts import Artifact
        from treering.artifacts.lookup import find

        if self._mirror is not None:
            return Artifact.of(self._mirror.home, self._mirror.fetch(name, project))
        found: list[Artifact] = []
        missing: NotFound | None = None
        for source in self._sources:
            try:
                found.append(Artifact.of(source.home, find(source.database, name, project)))
            except NotFound as error:
                missing = missing or error
        if not found:
            raise missing or NotFound(f"there is no version {name} in the store")
        if len(found) > 1:
            projects = ", ".join(sorted(version.project for version in found))
            raise UsageError(f"several runs have a {name}: {projects}; merge them with `treering merge`")
        return found[0]

    def versions(self, name: str | None = None, project: str | None = None) -> list[Artifact]:
        """Return versions, the oldest first: all, those of one name, those of one project."""
        from treering.api._versions import versions_of

        return [
            version
            for source in self._sources
            for version in versions_of(source, "1 = 1" if name is None else "name = :value", name or "")
            if project in {None, version.project}
        ]

    def dropped_versions(self, name: str | None = None, project: str | None = None) -> list[DroppedVersion]:
        """Return what the versions were that rules and expiry have taken, the oldest first; as `versions`."""
        from treering.api._versions import dropped_of

        return [
            version
            for source in self._sources
            for version in dropped_of(source, "1 = 1" if name is None else "name = :value", name or "")
            if project in {None, version.project}
        ]

    def keep(self, name: str, project: str | None = None, **rule: Unpack[KeepOptions]) -> Rule:
        """Say how much of a collection stays; the next `treering artifact gc` deletes the rest.

        The newest version always stays, and so does one that has an alias, is in a stage of a registry, or is used by a
        run that is going on. "latest" and "step-1000" come by themselves and keep nothing.

        Args:
            name: of the collection, or "project/name".
            project: that it is in.
            **rule: `last=3`: the newest three; `best=2`: the best two by `metric`, a key of the versions' metadata
                (default what their callback judged them by), where `mode` "min" or "max" says what is good; `days=30`:
                what is younger; `aliases=["release-*"]`: only such aliases keep a version. What one of these keeps
                stays.

        Returns:
            The rule, with the versions that leave because of it.

        Raises:
            NotFound: no such collection.
            UsageError: no such rule, or several projects have the collection.
        """
        from treering.api._keeping import set_rule

        return set_rule(self._local("retention"), name, project, dict(rule))

    def keep_all(self, name: str, project: str | None = None) -> None:
        """Have no rule for a collection any more: everything stays.

        Raises:
            NotFound: no such collection.
        """
        from treering.api._keeping import forget

        forget(self._local("retention"), name, project)

    def rules(self, name: str | None = None, project: str | None = None) -> list[Rule]:
        """Return the rules that `keep` has set: all, that of one collection, those of one project."""
        from treering.api._keeping import rules

        return rules(self._local("retention"), name, project)

    def reports(self, project: str | None = None) -> list[ApiReport]:
        """Return the reports of a project, or of all: the last changed first."""
        from treering.api._reports import ApiReport
        from treering.reports import Reports

        kept = Reports(self._local("reading reports")[0].database)
        return [ApiReport(self, kept, one) for one in kept.all(project)]

    def report(self, name: str, project: str | None = None) -> ApiReport:
        """Return a report.

        Args:
            name: its id, or its title.
            project: that it is in.

        Raises:
            NotFound: no such report.
            UsageError: several are called that; the text lists them.
        """
        from treering.api._reports import find_report

        return find_report(self.reports(project), name)

    def create_report(self, project: str, title: str, text: str, author: str = "") -> ApiReport:
        """Keep a new report.

        Args:
            project: that it belongs to.
            title: for people.
            text: Markdown, with ```` ```chart ```` and ```` ```runs ```` blocks in it.
            author: who wrote it.

        Raises:
            UsageError: no title, or more than there is room for.
            StoreError: the store is read-only.
        """
        from treering.api._reports import ApiReport
        from treering.reports import Reports, open_reports

        with open_reports(self._local("writing reports")[0]) as kept:
            report = kept.create(project, title, text, author)
        return ApiReport(self, Reports(self._sources[0].database), report)

    def registry(self, project: str = "model-registry") -> Registry:
        """Return the registry: collections that all projects share, with stages and a log of what happened.

        Args:
            project: its name, which ends in "-registry".

        Raises:
            UsageError: a project of another name.
        """
        from treering.api._registry import Registry

        return Registry(self._local("a registry"), project)

    def delete(self, name: str | ApiRun, *, versions: bool = False) -> ApiRun:
        """Delete a run and everything it logged. Media and files that no other run shares go with `treering doctor`.

        Args:
            name: as in `run`, or the run.
            versions: also delete the file versions that it made.

        Returns:
            The run, as it was.

        Raises:
            NotFound: no such run.
            UsageError: it is still running.
            StoreError: the store is read-only.
        """
        from treering.api._delete import delete_run

        self._local("deleting")
        run = self.run(name) if isinstance(name, str) else name
        delete_run(run, versions=versions)
        return run

    def close(self) -> None:
        """Close the store; runs of this `Api` can no longer be read."""
        for source in self._sources:
            source.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def _repr_html_(self) -> str:
        from treering.notebook.cards import api_card

        return api_card(self)

    def _called(self) -> str:
        return f"the store {self.folder}" if self._mirror is None else self._mirror.url

    def __repr__(self) -> str:
        given = "" if self._mirror is None else "url="
        return f"Api({given}{str(self._place or self.folder)!r})"


def _begins(word: str) -> str:
    """Return the glob for what begins with `word`."""
    return re.sub(r"([*?\[])", r"[\1]", word) + "*"


def _merged(
    found: list[tuple[ApiRun, tuple[Any, ...]]], order: Sequence[tuple[Field, bool]]
) -> list[tuple[ApiRun, tuple[Any, ...]]]:
    """Sort the runs of several databases as each has sorted its own; of two copies of a run the newer one counts."""
    newest: dict[str, tuple[ApiRun, tuple[Any, ...]]] = {}
    for entry in found:
        known = newest.get(entry[0].id)
        if known is None or entry[0].updated > known[0].updated:
            newest[entry[0].id] = entry
    directions = [descending for field, descending in order for _ in range(1 if field.scope == "run" else 2)]

    def compare(one: tuple[ApiRun, tuple[Any, ...]], other: tuple[ApiRun, tuple[Any, ...]]) -> int:
        for first, second, descending in zip(one[1], other[1], directions, strict=True):
            if first != second:
                if first is None or second is None:
                    return 1 if first is None else -1
                return 1 if (first > second) != descending else -1
        if one[0].created != other[0].created:
            return 1 if one[0].created < other[0].created else -1
        return 1 if one[0].id > other[0].id else -1

    return sorted(newest.values(), key=cmp_to_key(compare))
