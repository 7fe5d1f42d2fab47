"""The artifact: the face that a user sees, before and after it is in the store."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from treering.artifacts._described import Described, nothing_to_hurry
from treering.artifacts._file import ArtifactFile
from treering.artifacts.drafts import Draft
from treering.errors import NotFound, UsageError

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from treering.api import ApiRun
    from treering.artifacts.committing import Filed, Request
    from treering.artifacts.depot import Depot
    from treering.artifacts.home import Home
    from treering.artifacts.lookup import Facts
    from treering.artifacts.manifest import Entry

__all__ = ["Artifact"]


class Artifact(Described):
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
        raise self._not_found(name)

    def read(self, path: str | None = None) -> bytes:
        """Return the bytes of one file, checked; `path` may be left out when there is only one."""
        if path is None:
            content = self._content()
            if len(content) != 1:
                raise self._not_found(None)
            path = content[0].path
        return self.get_path(path).read()

    def _not_found(self, name: str | None) -> NotFound:
        content = self._content()
        known = ", ".join(repr(entry.path) for entry in content[:10])
        return NotFound(f"{self._title} has {len(content)} files and none called {name!r}: {known}")

    def get(self, name: str) -> Any:
        """Return an object that was put in with `add`: text, an array, plain data, a medium; other files as bytes.

        Args:
            name: what it was added as, or its path.

        Raises:
            NotFound: there is no such object.
            CorruptData: its bytes are not what was stored.
        """
        from treering.artifacts.contents import found_name, revived

        content = self._content()
        path = found_name((entry.path for entry in content), name)
        if path is None:
            raise self._not_found(name)

        def beside(folder: str) -> dict[str, Callable[[], bytes]]:
            files = (ArtifactFile(self, entry) for entry in content if entry.path.startswith(f"{folder}/"))
            return {file.path: file.read for file in files}

        return revived(path, self.get_path(path).read(), beside)

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
        self._hurry = hurry or nothing_to_hurry
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

    def _content(self) -> list[Entry]:
        if self._draft is not None:
            raise UsageError(f"{self._name!r} is a draft; log it with run.log_artifact(), or save() it, first")
        if self._entries is None:
            from treering.artifacts.reading import entries_of

            filed = self._known()
            with self.home.reading() as database:
                self._entries = entries_of(database, filed.id, self._title)
        return self._entries

    def _repr_html_(self) -> str:
        from treering.notebook.cards import artifact_card

        return artifact_card(self)

    def __repr__(self) -> str:
        kind = f" ({self._type})" if self._type != "file" else ""
        return f"<Artifact {self._title}{kind}, {self.state}>"
