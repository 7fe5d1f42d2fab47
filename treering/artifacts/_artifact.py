"""The artifact: the face that a user sees, before and after it is in the store."""

from __future__ import annotations

import threading
import time
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from treering.artifacts import names
from treering.artifacts._file import ArtifactFile
from treering.artifacts._filling import Filling
from treering.artifacts.drafts import Draft
from treering.errors import NotFound, StoreError, UsageError

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from contextlib import AbstractContextManager
    from datetime import datetime

    from treering.api import ApiRun
    from treering.artifacts.committing import Filed, Request
    from treering.artifacts.depot import Depot
    from treering.artifacts.home import Home
    from treering.artifacts.lookup import Facts
    from treering.artifacts.manifest import Entry

__all__ = ["Artifact"]

State = Literal["draft", "saving", "saved", "failed", "deleted"]


class Artifact(Filling):
    """Files that belong together, kept as one version of `name`.

    A new one is a draft: add files to it, then hand it to `run.log_artifact`, or `save` it without a run. From then on
    it does not change; `new_draft` starts the next version from it.

    Args:
        name: of the collection; versions are numbered v0, v1, ... under it.
        type: what kind of thing it is, such as "model" or "dataset".
        metadata: plain data kept with the version.
        description: for people.

    Raises:
        UsageError: a name or type that cannot be taken.
    """

    def __init__(
        self,
        name: str,
        type: str = "file",  # noqa: A002  # the word of the field
        *,
        metadata: Mapping[str, object] | None = None,
        description: str | None = None,
    ) -> None:
        self._name = names.check_name(name)
        self._type = names.check_type(type)
        self._metadata: dict[str, Any] = dict(metadata or {})
        self._description = description
        self._aliases: list[str] = []
        self._tags: list[str] = []
        self._ttl: timedelta | None = None
        self._base_id: str | None = None
        self._draft: Draft | None = Draft()
        self._home: Home | None = None
        self._facts: Facts | None = None
        self._entries: list[Entry] | None = None
        self._failure = ""
        self._state: State = "draft"
        self._id = ""
        self._filed: Filed | None = None
        self._done = threading.Event()
        self._hurry: Callable[[float | None], bool] = _nothing_to_hurry

    # -- what it is ---------------------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """Of its collection."""
        return self._name

    @property
    def type(self) -> str:
        """What kind of thing it is."""
        return self._type

    @property
    def state(self) -> State:
        """One of draft, saving (logged, but not in the store yet), saved, failed (a warning says why), deleted."""
        if self._state == "saving" and self._done.is_set():
            self._state = "saved" if self._filed is not None else "failed"
        return self._state

    @property
    def id(self) -> str:
        """Of the version, random; "" for a draft."""
        return self._filed.id if self._filed is not None else self._id

    @property
    def version(self) -> int:
        """Its number; waits for it."""
        return self._known().version

    @property
    def digest(self) -> str:
        """BLAKE3 over paths and content of its files; waits for it."""
        return self._known().digest

    @property
    def project(self) -> str:
        """That its collection belongs to."""
        return self._saved().project

    @property
    def run_id(self) -> str:
        """Of the run that made it, "" for none."""
        return self._saved().run_id

    @property
    def created(self) -> datetime:
        """When it was logged, in UTC."""
        from treering.api._records import moment

        return moment(self._saved().created_us)

    @property
    def size(self) -> int:
        """Bytes of all its files; those that it refers to not counted."""
        if self._draft is not None:
            kept = sum(max(entry.size, 0) for entry in self._draft.kept.values() if entry.reference is None)
            return kept + sum(file.stat().st_size for file in self._draft.files.values())
        return self._saved().size

    @property
    def stored(self) -> int:
        """Bytes that it has added to the store."""
        return self._saved().stored

    @property
    def metadata(self) -> dict[str, Any]:
        """Plain data kept with it; may be set."""
        return self._metadata if self._draft is not None or self._facts is None else self._facts.metadata

    @metadata.setter
    def metadata(self, metadata: Mapping[str, object]) -> None:
        from treering.plain import to_plain

        plain = cast("dict[str, Any]", to_plain(dict(metadata)))
        self._metadata = plain
        if self._draft is None:
            self._change(metadata=plain)

    @property
    def description(self) -> str | None:
        """For people; may be set."""
        return self._description if self._draft is not None or self._facts is None else self._facts.description

    @description.setter
    def description(self, description: str | None) -> None:
        self._description = description
        if self._draft is None:
            self._change(description=description)

    @property
    def aliases(self) -> tuple[str, ...]:
        """Names that point to it; may be set to any others ("latest" is treering's to give)."""
        return tuple(self._aliases) if self._draft is not None or self._home is None else self._saved().aliases

    @aliases.setter
    def aliases(self, aliases: Iterable[str]) -> None:
        wanted = list(dict.fromkeys([aliases] if isinstance(aliases, str) else aliases))
        if self._draft is not None:
            self._aliases = [names.check_alias(alias) for alias in wanted]
            return
        from treering.artifacts.changing import set_aliases

        facts = self._fresh()
        add = [alias for alias in wanted if alias not in facts.aliases]
        remove = [alias for alias in facts.aliases if alias not in wanted and alias != "latest"]
        with self.home.writing() as database:
            set_aliases(database, facts, add, remove)
        self._fresh()

    @property
    def tags(self) -> tuple[str, ...]:
        """Words to find it by; may be set."""
        return tuple(self._tags) if self._draft is not None or self._home is None else self._saved().tags

    @tags.setter
    def tags(self, tags: Iterable[str]) -> None:
        if self._draft is not None:
            self._tags = names.check_tags(tags)
            return
        from treering.artifacts.changing import set_tags

        with self.home.writing() as database:
            set_tags(database, self._saved(), tags)
        self._fresh()

    @property
    def ttl(self) -> timedelta | None:
        """How long after it was logged it may go, unless an alias other than "latest" keeps it; None: for ever."""
        if self._draft is not None or self._home is None:
            return self._ttl
        facts = self._saved()
        return None if facts.expires_us is None else timedelta(microseconds=facts.expires_us - facts.created_us)

    @ttl.setter
    def ttl(self, ttl: timedelta | None) -> None:
        if ttl is not None and ttl <= timedelta(0):
            raise UsageError(f"ttl got {ttl}; it takes a timedelta above zero, or None to keep the version for ever")
        self._ttl = ttl
        if self._draft is None:
            facts = self._saved()
            self._change(expires_us=None if ttl is None else facts.created_us + ttl // timedelta(microseconds=1))

    # -- into the store -----------------------------------------------------------------------------------------------

    def save(self, project: str | None = None, *, dir: str | os.PathLike[str] | None = None) -> Artifact:  # noqa: A002  # as in init
        """Put it into the store now, with the active run or without any, and return when it is there.

        Args:
            project: when there is no run; default what the settings say.
            dir: folder of the store when there is no run.

        Raises:
            StoreError: it cannot be stored.
        """
        from treering.active import active_run

        run = active_run()
        if run is not None and dir is None and project in {None, run.project}:
            return run.log_artifact(self).wait()
        from treering.artifacts.alone import save_alone

        save_alone(self, project, dir)
        return self

    def wait(self, timeout_s: float | None = None) -> Artifact:
        """Wait until it is in the store, whole and visible.

        Raises:
            TimeoutError: it is not, after `timeout_s` or because the run ended without it.
        """
        if self._draft is not None:
            raise UsageError(f"{self._name!r} has not been logged; hand it to run.log_artifact(), or save() it")
        if not self._done.is_set():
            started_s = time.monotonic()
            self._hurry(timeout_s)
            left_s = None if timeout_s is None else max(timeout_s - (time.monotonic() - started_s), 0.1)
            if not self._done.wait(left_s):
                raise TimeoutError(f"{self._name!r} is not in the store yet; see the run's warnings, or wait longer")
        if self._filed is None:
            raise TimeoutError(f"{self._name!r} is not in the store: {self._failure or 'the run ended without it'}")
        return self

    # -- out of the store ---------------------------------------------------------------------------------------------

    def new_draft(self, name: str | None = None) -> Artifact:
        """Return a draft of the next version, which holds the same files; only what is added is stored.

        Args:
            name: of another collection to go on in.
        """
        facts = self._saved()
        draft = Artifact(name or facts.name, facts.type, metadata=facts.metadata, description=facts.description)
        draft._draft = Draft(self._content())  # one of ours
        draft._base_id = facts.id
        draft._home = self._home
        return draft

    def files(self, patterns: str | Sequence[str] | None = None) -> list[ArtifactFile]:
        """Return its files in order of their paths.

        Args:
            patterns: paths, folders or globs ("*.json"); None for all.
        """
        from treering.artifacts.reading import matching

        return [ArtifactFile(self, entry) for entry in matching(self._content(), patterns, self._title)]

    def get_path(self, name: str) -> ArtifactFile:
        """Return one of its files.

        Raises:
            NotFound: it has no such file.
        """
        for entry in self._content():
            if entry.path == name:
                return ArtifactFile(self, entry)
        known = ", ".join(repr(entry.path) for entry in self._content()[:10])
        raise NotFound(f"{self._title} has {len(self._content())} files and none called {name!r}: {known}")

    def read(self, path: str | None = None) -> bytes:
        """Return the bytes of one file, checked; `path` may be left out when there is only one."""
        if path is None:
            content = self._content()
            if len(content) != 1:
                known = ", ".join(repr(entry.path) for entry in content[:10])
                raise NotFound(f"{self._title} has {len(content)} files and none called None: {known}")
            path = content[0].path
        return self.get_path(path).read()

    def download(
        self,
        folder: str | os.PathLike[str] | None = None,
        patterns: str | Sequence[str] | None = None,
        *,
        progress: Callable[[int], None] | None = None,
    ) -> Path:
        """Copy its files into a folder and return it. Every byte is checked; files that are there already are kept.

        Args:
            folder: made when missing; default "artifacts/NAME-vN" in the working folder.
            patterns: only these paths, folders or globs.
            progress: told the number of bytes of each piece that is done.

        Raises:
            NotFound: a pattern that fits nothing, or bytes that are gone.
            CorruptData: bytes that are not what was stored; nothing of that file is written.
        """
        from treering.artifacts.usage import download

        target = Path(folder) if folder is not None else Path("artifacts", f"{self._name}-v{self.version}")
        download(self.home, self._content(), target, patterns, self._title, progress)
        return target

    def checkout(self, folder: str | os.PathLike[str]) -> Path:
        """Make a folder hold exactly its files: as `download`, and everything else in it is deleted."""
        from treering.artifacts.usage import remove_others

        target = self.download(folder)
        remove_others(self._content(), target)
        return target

    def verify(self, folder: str | os.PathLike[str] | None = None) -> None:
        """Read and check all of it in the store, or compare a folder with it.

        Raises:
            NotFound: something is missing.
            CorruptData: something is not what was logged; the text names it.
        """
        from treering.artifacts.usage import compare, verify

        if folder is not None:
            compare(self._content(), Path(folder), self._title)
        else:
            verify(self.home, self._content(), self._title)

    def logged_by(self) -> ApiRun | None:
        """Return the run that made it, or None."""
        facts = self._saved()
        return self._runs([facts.run_id])[0] if facts.run_id else None

    def used_by(self) -> list[ApiRun]:
        """Return the runs that used it."""
        from treering.artifacts.lookup import used_by

        with self.home.reading() as database:
            return self._runs(used_by(database, self._saved().id))

    def _runs(self, ids: list[str]) -> list[ApiRun]:
        from treering.artifacts.usage import runs_of

        return runs_of(self.home, ids)

    def delete(self, *, with_aliases: bool = False) -> None:
        """Delete this version. Its bytes go with the next `treering artifact gc`, unless others share them.

        Args:
            with_aliases: also when it is called something other than "latest".

        Raises:
            UsageError: it has such an alias.
        """
        from treering.artifacts.changing import delete_version

        with self.home.writing() as database:
            delete_version(database, self._saved(), with_aliases=with_aliases)
        self._state = "deleted"

    def depot(self) -> AbstractContextManager[Depot]:
        """Lend the chunks that it is made of; for treering itself."""
        return self.home.depot()

    # -- inside -------------------------------------------------------------------------------------------------------

    @classmethod
    def of(cls, home: Home, facts: Facts) -> Artifact:
        """Return a version that is in a store; for treering itself."""
        from treering.artifacts.committing import Filed

        artifact = cls.__new__(cls)
        Artifact.__init__(artifact, "x")
        artifact._name, artifact._type = facts.name, facts.type
        artifact._draft, artifact._home, artifact._facts = None, home, facts
        artifact._filed = Filed(facts.id, facts.version, facts.digest)
        artifact._state = "saved"
        artifact._done.set()
        return artifact

    def begin_saving(
        self, request: Request, home: Home | None, hurry: Callable[[float | None], bool] | None = None
    ) -> None:
        """Take note that its content is secured; for treering itself."""
        self._id = request.id
        self._aliases = list(request.aliases)
        self._home = home
        self._hurry = hurry or _nothing_to_hurry
        draft, self._draft = self._draft, None
        self._state = "saving"
        if draft is not None:
            draft.close()

    def resolve(self, filed: Filed) -> None:
        """Take note that it is in the store; for treering itself."""
        self._filed = filed
        self._done.set()

    def fail(self, why: str) -> None:
        """Take note that it will never be; for treering itself."""
        self._failure = why
        self._done.set()

    def _known(self) -> Filed:
        self.wait()
        if self._filed is None:  # pragma: no cover  # `wait` has raised
            raise TimeoutError(f"{self._name!r} was not saved")
        return self._filed

    @property
    def _title(self) -> str:
        return f"{self._name}:v{self._filed.version}" if self._filed is not None else self._name

    @property
    def home(self) -> Home:
        """The store that it is in; for treering itself."""
        if self._home is None:
            raise StoreError(f"{self._name!r} is in no store; its run records nothing")
        return self._home

    def _saved(self) -> Facts:
        if self._draft is not None:
            raise UsageError(f"{self._name!r} is a draft; log it with run.log_artifact(), or save() it, first")
        if self._facts is None:
            return self._fresh()
        return self._facts

    def _fresh(self) -> Facts:
        from treering.artifacts.lookup import select

        filed = self._known()
        with self.home.reading() as database:
            found = select(database, "id = :id", {"id": filed.id})
        if not found:
            raise NotFound(f"{self._title} has been deleted")
        self._facts = found[0]
        return found[0]

    def _change(self, **fields: Any) -> None:
        from treering.artifacts.changing import set_fields

        with self.home.writing() as database:
            set_fields(database, self._saved(), **fields)
        self._fresh()

    def _content(self) -> list[Entry]:
        if self._draft is not None:
            raise UsageError(f"{self._name!r} is a draft; log it with run.log_artifact(), or save() it, first")
        if self._entries is None:
            from treering.artifacts.reading import entries_of

            filed = self._known()
            with self.home.reading() as database:
                self._entries = entries_of(database, filed.id, self._title)
        return self._entries

    def __repr__(self) -> str:
        kind = f" ({self._type})" if self._type != "file" else ""
        return f"<Artifact {self._title}{kind}, {self.state}>"


def _nothing_to_hurry(_timeout_s: float | None) -> bool:
    return True
