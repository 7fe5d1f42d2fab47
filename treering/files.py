"""What a run keeps and uses: artifacts."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from treering._rows import Rows
from treering.errors import CorruptData, NotFound, StoreError, UsageError
from treering.store import DATABASE, Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from datetime import timedelta

    from treering._run import Run
    from treering.artifacts import Artifact
    from treering.artifacts.home import Home
    from treering.artifacts.lookup import Facts
    from treering.artifacts.retention import Keep

__all__ = ["Keeping"]

_USE_TIMEOUT_S = 600.0


class Keeping(Rows):
    """The part of a run that keeps and uses artifacts."""

    id: str
    project: str

    def flush(self, timeout_s: float | None = None) -> bool:
        """Wait until everything logged so far is in the store.

        Returns:
            False when `timeout_s` runs out first, or when the store cannot be written now.
        """
        return self._recording.flush(timeout_s)

    def log_artifact(  # noqa: PLR0913  # what an artifact is made of
        self,
        source: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | Artifact,
        *,
        name: str | None = None,
        type: str | None = None,  # noqa: A002  # the word of the field
        aliases: str | Sequence[str] | None = (),
        tags: str | Sequence[str] | None = (),
        metadata: Mapping[str, object] | None = None,
        description: str | None = None,
        ttl: timedelta | None = None,
        linkable: bool = False,
    ) -> Artifact:
        """Keep a file, several, a folder, or an `Artifact` as the next version of its name.

        The present content is secured before this returns, so the source may be changed or deleted at once; it is
        hashed and stored in the background. The same content again is the same version.

        Args:
            source: a file, a folder with all below it, several of them, or an artifact.
            name: of the versions' collection; default the file's own name after the run's id.
            type: what kind of thing it is, such as "model" or "dataset"; default "file".
            aliases: names that point to this version from now on, beside "latest".
            tags: words to find it by.
            metadata: plain data kept with the version.
            description: for people.
            ttl: how long it is kept unless an alias other than "latest" is on it; default for ever.
            linkable: whoever wrote the files makes new ones each time instead of writing over them, so a hard link
                secures them without copying.

        Returns:
            The artifact; `wait` makes sure that it is stored.

        Raises:
            UsageError: a name, alias or path that cannot be taken.
            FileNotFoundError: no such file.
        """
        from treering.artifacts import Artifact
        from treering.artifacts.names import words

        recording = self._recording
        if recording.inert:
            return _unrecorded(source if isinstance(source, Artifact) else Artifact(name or "nothing", type or "file"))
        if not isinstance(source, Artifact):
            source = self._made_of(source, name, type)
        elif name is not None or type is not None:
            raise UsageError("log_artifact() got an Artifact, which has its name and type, and another name or type")
        source.aliases = (*source.aliases, *words(aliases))
        source.tags = (*source.tags, *words(tags))
        if metadata is not None:
            source.metadata = {**source.metadata, **metadata}
        if description is not None:
            source.description = description
        if ttl is not None:
            source.ttl = ttl
        return self._hand_over(source, linkable=linkable)

    def _made_of(
        self,
        source: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
        name: str | None,
        kind: str | None,
    ) -> Artifact:
        from treering.artifacts import Artifact

        paths = [Path(source)] if isinstance(source, (str, os.PathLike)) else [Path(path) for path in source]
        if not paths:
            raise UsageError("log_artifact() got no files; it takes a file, a folder, or several of them")
        if name is None:
            name = f"{self.id}-{re.sub('[^A-Za-z0-9_.-]', '-', paths[0].name)}"
        artifact = Artifact(name, kind or "file")
        seen: set[str] = set()
        for path in paths:
            if not path.exists():
                raise FileNotFoundError(f"log_artifact() found no file at {path}")
            added = artifact.add_dir(path) if path.is_dir() else [artifact.add_file(path, _readable(path.name))]
            if not added:
                raise FileNotFoundError(f"log_artifact() found no files below {path}")
            twice = seen.intersection(added)
            if twice:
                raise UsageError(f"log_artifact() got two files called {twice.pop()!r}; put them into one folder")
            seen.update(added)
        return artifact

    def log_code(
        self,
        root: str | os.PathLike[str] = ".",
        name: str | None = None,
        include_fn: Callable[[str], bool] | None = None,
        exclude_fn: Callable[[str], bool] | None = None,
    ) -> Artifact | None:
        """Keep source files as a version of type "code"; the program's own source is recorded without it.

        Args:
            root: folder of the files; what lies in hidden folders and in virtual environments is left out.
            name: of the collection; default "source-PROJECT".
            include_fn: says of a path whether to take it; default every file that ends in ".py".
            exclude_fn: says of a path whether to leave it out all the same.

        Returns:
            The artifact; None where there are no such files.
        """
        from treering.artifacts import Artifact

        artifact = Artifact(name or re.sub("[^A-Za-z0-9_.-]", "-", f"source-{self.project}"), "code")
        found = 0
        for path in _source_files(Path(root)):
            wanted = path.suffix == ".py" if include_fn is None else include_fn(str(path))
            if wanted and not (exclude_fn is not None and exclude_fn(str(path))):
                artifact.add_file(path, path.relative_to(root).as_posix())
                found += 1
        return self.log_artifact(artifact) if found else None

    def log_checkpoint(  # what a checkpoint is made of
        self,
        source: Path | Sequence[Path],
        *,
        aliases: Sequence[str],
        metadata: Mapping[str, object],
        linkable: bool,
        upload: bool,
        keep: Keep | None,
        keep_first: bool,
    ) -> Artifact:
        """Keep a checkpoint of this run; for callbacks.

        Args:
            source: as for `log_artifact`, like the next three.
            aliases: of the version.
            metadata: of the version.
            linkable: whether a hard link secures the files.
            upload: whether a server that the run is brought to gets it.
            keep: how many stay; None leaves the rule that there is.
            keep_first: this rule is for a run that has no checkpoint yet, for nobody has asked for it.
        """
        from treering.artifacts import Artifact

        name = f"model-{self.id}"
        if self._recording.inert:
            return _unrecorded(Artifact(name, "model"))
        artifact = self._made_of(source, name, "model")
        artifact.aliases, artifact.metadata = aliases, metadata
        return self._hand_over(artifact, linkable=linkable, upload=upload, keep=keep, keep_first=keep_first)

    def _hand_over(  # what becomes of it
        self,
        artifact: Artifact,
        *,
        linkable: bool,
        project: str = "",
        stage: str = "",
        upload: bool = True,
        keep: Keep | None = None,
        keep_first: bool = False,
    ) -> Artifact:
        import msgspec

        from treering.artifacts.saving import pin

        recording = self._recording
        request, draft = artifact.request()
        request.run_id, request.project, request.stage = self.id, project, stage
        request.upload, request.keep_first = upload, keep_first
        request.keep = None if keep is None else msgspec.to_builtins(keep.check())
        self._check_names(project or self.project, request.aliases, stage)
        request.metadata = recording.to_plain(artifact.metadata)
        try:
            pin(recording.start.folder, request, draft.files, draft.kept.values(), linkable=linkable)
        except StoreError as error:
            artifact.begin_saving(request, None)
            artifact.fail(error.strerror or str(error))
            recording.warn_once("files", f"run {self.id}: {error.strerror or error}. The training goes on without.")
            return artifact
        artifact.begin_saving(request, self._home(), recording.hurry)
        recording.expect_artifact(artifact)
        self.operate("version", msgspec.to_builtins(request))
        return artifact

    def _check_names(self, project: str, aliases: Sequence[str], stage: str) -> None:
        from treering.artifacts import registry

        if registry.is_registry(project) or stage:
            with self._home().reading() as database:
                registry.check_words(database, project, aliases)
                if stage:
                    registry.check_stage(database, project, stage)

    def _home(self) -> Home:
        from treering.artifacts.home import Home

        start = self._recording.start
        path = Store.bundle_path(start.folder, start.id) if start.bundle else start.folder / DATABASE
        return Home(start.folder, path=path)

    def use_artifact(self, artifact: str | Artifact, *, type: str | None = None) -> Artifact:  # noqa: A002  # the word of the field
        """Return an artifact and note that this run uses it.

        Args:
            artifact: "name:v3", "name:best", "name" (the latest), "project/name:alias", or an artifact.
            type: that it must have.

        Raises:
            NotFound: no such version.
            UsageError: it has another type.
        """
        found = self._found(artifact) if isinstance(artifact, str) else artifact.wait(_USE_TIMEOUT_S)
        if type is not None and found.type != type:
            raise UsageError(f"{found.name}:v{found.version} is a {found.type!r}, and type={type!r} was asked for")
        asked = artifact if isinstance(artifact, str) else f"{found.name}:v{found.version}"
        self.operate("use", {"version": found.id, "asked": asked})
        return found

    def _found(self, text: str) -> Artifact:
        from treering.artifacts import Artifact
        from treering.artifacts.home import Home
        from treering.artifacts.lookup import find

        start = self._recording.start
        if not self._recording.inert:
            self.flush(_USE_TIMEOUT_S)  # what this run has just logged can be used, too
        homes = [self._home()] if not self._recording.inert else []
        if start.bundle or not homes:
            folder = start.folder
            if not homes:
                from treering.settings import find_store

                folder = find_store(start.settings)
            homes.append(Home(folder, path=folder / DATABASE))
        missing: NotFound | None = None
        fetched = self._fetch(text)
        for home in homes:
            try:
                with home.reading() as database:
                    found = find(database, text, self.project)
            except NotFound as error:
                missing = missing or error
            else:
                # What this run has logged may not be there yet, and what others have logged not here.
                newer = fetched is not None and fetched.created_us > found.created_us
                return Artifact.of(homes[0] if newer else home, fetched if newer and fetched is not None else found)
        if fetched is not None:
            return Artifact.of(homes[0], fetched)
        assert missing is not None  # noqa: S101  # there is one home at least
        raise missing

    def fetch_checkpoint(self) -> None:
        """Bring this run's last checkpoint here where the run's server has one that another machine made."""
        try:
            self._fetch(f"model-{self.id}:last")
        except (CorruptData, OSError) as error:
            self._recording.warn_once("checkpoint", f"the server's checkpoint could not be brought here: {error}")

    def _fetch(self, text: str) -> Facts | None:
        """Bring a version that the run's server has into the store; None where there is none, or no server."""
        start = self._recording.start
        if start.server is None or self._recording.inert:
            return None
        from treering.artifacts.fetching import fetch_version
        from treering.online.client import Client, RefusedKey, Unreachable

        try:
            with self._recording.open_store() as store, Client(start.server.url, start.server.key) as client:
                return fetch_version(store, client, text, self.project)
        except NotFound:
            return None
        except (Unreachable, RefusedKey) as error:
            self._recording.warn_once("server", f"the server cannot be asked for {text!r} ({error}); looking here only")
            return None

    def log_model(
        self,
        path: str | os.PathLike[str],
        name: str | None = None,
        aliases: str | Sequence[str] | None = (),
        **options: Any,
    ) -> Artifact:
        """Keep a model: `log_artifact` with the type "model"."""
        return self.log_artifact(path, name=name, type="model", aliases=aliases, **options)

    def use_model(self, name: str) -> Path:
        """Download a model and note that this run uses it; returns its file, or the folder of several.

        Raises:
            NotFound: no such version.
        """
        artifact = self.use_artifact(name)
        folder = artifact.download()
        files = artifact.files()
        return folder / files[0].path if len(files) == 1 else folder

    def link_model(
        self,
        path: str | os.PathLike[str] | Artifact,
        registered_model_name: str,
        *,
        name: str | None = None,
        aliases: str | Sequence[str] | None = (),
        stage: str | None = None,
    ) -> Artifact:
        """Keep a model with this run, and as the next version of a name that all projects share.

        Args:
            path: a file, a folder, or an artifact that has been logged.
            registered_model_name: "project/name", or a name in the project "model-registry".
            name: of the collection in this run's project.
            aliases: names that point to the registered version.
            stage: of the registry, such as "staging", to put it into.

        Returns:
            The registered version. Its bytes are stored once.

        Raises:
            UsageError: there is no such stage, or an alias is one: stages move only on purpose.
        """
        from treering.artifacts import Artifact
        from treering.artifacts.registry import REGISTRY

        logged = path if isinstance(path, Artifact) else self.log_model(path, name)
        if self._recording.inert:
            return logged
        if logged.state == "draft":
            logged = self.log_artifact(logged)
        project, _, model = registered_model_name.rpartition("/")
        registered = logged.wait(_USE_TIMEOUT_S).new_draft(model)
        registered.aliases = aliases
        return self._hand_over(registered, linkable=False, project=project or REGISTRY, stage=stage or "")

    def restore_checkpoint(
        self,
        name: str = "latest",
        *,
        into: object = None,
        trusted: bool = False,
        as_path: bool = False,
        folder: str | os.PathLike[str] | None = None,
    ) -> Any:
        """Return a checkpoint of this run, or another one, checked byte by byte: the object in it, or its file.

        Args:
            name: an alias of this run's checkpoints ("latest", "best", "step-1000", "v3"), or what `load_checkpoint`
                takes: "model:best", "RUN:best".
            into: see `treering.load_checkpoint`, as for all below.
            trusted: run whatever code the file brings.
            as_path: return the file or folder.
            folder: where files go.

        Raises:
            NotFound, CorruptData, UsageError: see `treering.load_checkpoint`.
        """
        from treering.checkpoints import restore, restore_in_run

        version = restore_in_run(cast("Run", self), name)
        return restore(version, folder, into=into, trusted=trusted, as_path=as_path)

    def save(self, pattern: str | os.PathLike[str], base_path: str | os.PathLike[str] | None = None) -> list[Artifact]:
        """Keep files with the run.

        Args:
            pattern: a file, a folder or a glob.
            base_path: names are relative to it; default the working folder, or the file's own.

        Raises:
            FileNotFoundError: nothing there.
        """
        if self._recording.inert:
            return []
        base = Path(base_path) if base_path is not None else Path.cwd()
        text = os.fspath(pattern)
        found = [Path(text)] if Path(text).exists() else sorted(_glob(base, text))
        if not found:
            raise FileNotFoundError(f"save() found nothing at {text!r}")
        kept: list[Artifact] = []
        for path in found:
            relative = os.path.relpath(path, base)
            label = path.name if relative.startswith("..") else relative
            kept.append(self.log_artifact(path, name=f"{self.id}-{_safe(label)}", metadata={"path": label}))
        return kept


def _unrecorded(artifact: Artifact) -> Artifact:
    """Return what a run that records nothing hands out."""
    from treering.artifacts.committing import Filed, Request

    if artifact.state == "draft":
        artifact.begin_saving(Request(id="", name=artifact.name), None)
        artifact.resolve(Filed("", -1, ""))
    return artifact


def _readable(name: str) -> str:
    from treering.artifacts.pinning import readable

    return readable(name)


def _glob(base: Path, pattern: str) -> Iterable[Path]:
    import glob

    return (Path(path) for path in glob.glob(os.path.join(base, pattern), recursive=True))


def _safe(label: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in label.replace(os.sep, "-"))


def _source_files(root: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(root):
        at = Path(folder)
        folders[:] = sorted(
            one
            for one in folders
            if not one.startswith((".", "__pycache__")) and not (at / one / "pyvenv.cfg").exists()
        )
        yield from (at / name for name in sorted(names))
