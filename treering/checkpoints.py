"""Checkpoints back from the store: `treering.load_checkpoint("model:best")`, `run.restore_checkpoint()`.

A checkpoint comes back as a file or folder that was checked byte by byte, or as the object in it. How an object is made
is its framework's business: a version whose metadata names the framework X, or whose files say so, is loaded by `load`
of `treering.integrations._X_loading`, where there is one; nothing here imports a framework. Nothing is unpickled that
could run code unless the caller says `trusted=True`.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import shutil
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from treering.errors import NotFound, UsageError

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Sequence

    from treering._run import Run
    from treering.api import Api, ApiRun
    from treering.artifacts import Artifact

__all__ = ["Restoring", "find_checkpoint", "format_of", "load_checkpoint", "restore"]

# What files say of a checkpoint that no callback has described; the first that fits counts.
_ENDINGS = (
    (".keras", "keras"),
    (".weights.h5", "keras"),
    (".ckpt", "torch"),
    (".pt", "torch"),
    (".pth", "torch"),
    (".safetensors", "torch"),
    (".bin", "torch"),
)


@dataclass(frozen=True)
class Restoring:
    """A checkpoint that lies in a folder, checked, and what is to become of it.

    Attributes:
        title: the version's name and number, for errors.
        folder: where its files are.
        files: their paths below it.
        into: a model, or a class of models, that takes it; None for a new object.
        trusted: whether whatever runs when it is unpickled may run.
        metadata: the version's.
    """

    title: str
    folder: Path
    files: Sequence[str]
    into: object = None
    trusted: bool = False
    metadata: dict[str, Any] = field(default_factory=dict[str, Any])

    @property
    def path(self) -> Path:
        """The file, where there is one at the top and no other; else the folder."""
        alone = len(self.files) == 1 and "/" not in self.files[0]
        return self.folder / self.files[0] if alone else self.folder

    def ending(self, *endings: str) -> list[Path]:
        """The files whose names end so, in order."""
        return [self.folder / one for one in sorted(self.files) if one.endswith(endings)]

    def refused(self, why: str) -> UsageError:
        """The error for a checkpoint that only a caller who trusts it may load."""
        return UsageError(
            f"{self.title} is not loaded: {why}. Loading it could run code that is in the file. as_path=True gives the "
            "checked file; if you trust whoever made it, trusted=True loads it"
        )


def load_checkpoint(
    name: str,
    *,
    into: object = None,
    trusted: bool = False,
    as_path: bool = False,
    folder: str | os.PathLike[str] | None = None,
    dir: str | os.PathLike[str] | None = None,  # noqa: A002  # as in init
) -> Any:
    """Return a checkpoint from the store, checked byte by byte: the object in it, or its file or folder.

    A run that is active is noted as one that used it.

    Args:
        name: "model:best", "project/model:v3", or a run's id or name with an alias of its checkpoints, "RUN:best".
        into: a model that takes the weights and is returned, or a class of models that is made with them.
        trusted: run whatever code the file brings, as pickle does. Only for files whose maker you trust.
        as_path: return the file or folder in any case, for what loads it itself.
        folder: where files go; default the store's folder `restored`. An object's are deleted when it is loaded.
        dir: of the store; default what the settings say.

    Returns:
        By what the version holds: tensors or a state dict (PyTorch), the checkpoint's dict, or the module with `into`
        (Lightning), a model (Keras; Transformers). A path where the object would have to be unpickled
        (Stable-Baselines3), or where nobody knows it.

    Raises:
        NotFound: no such version or run.
        CorruptData: bytes that are not what was stored.
        UsageError: it cannot be loaded safely; the text says how to.
        MissingFramework: what would load it is not installed.
    """
    from treering.active import active_run
    from treering.api import Api

    run = active_run()
    if run is not None and run.mode != "disabled" and dir is None:
        return run.restore_checkpoint(name, into=into, trusted=trusted, as_path=as_path, folder=folder)
    with Api(None if dir is None else Path(dir)) as api:
        version = find_checkpoint(api, name)
        return restore(version, folder, into=into, trusted=trusted, as_path=as_path)


def find_checkpoint(api: Api, name: str, project: str | None = None) -> Artifact:
    """Return the version that "artifact:alias" or "RUN:alias" means.

    Args:
        api: where to look.
        name: the words; without an alias the newest.
        project: to look in when the words name none.

    Raises:
        NotFound: neither an artifact nor a run with checkpoints is called so.
    """
    place, _, alias = name.partition(":")
    with contextlib.suppress(NotFound):
        return api.version(name, None if "/" in place else project)
    with contextlib.suppress(NotFound):
        return api.version(name)
    try:
        run = api.run(place)
    except NotFound:
        raise NotFound(
            f"there is no artifact and no run {name!r}; `treering artifact ls` and `treering runs` list them"
        ) from None
    return checkpoint_of(run, alias or "latest")


def checkpoint_of(run: ApiRun, alias: str) -> Artifact:
    """Return a checkpoint that a run made, by its alias or number.

    Raises:
        NotFound: there is none.
        UsageError: several of its models are called so.
    """
    models = [one for one in run.versions() if one.type == "model" and one.project == run.project]
    own = [one for one in models if one.name == f"model-{run.id}"]
    known = own or models
    found = [one for one in known if alias in one.aliases or alias == f"v{one.version}"]
    if len(found) == 1:
        return found[0]
    if found:
        listed = ", ".join(sorted(f"{one.name}:{alias}" for one in found))
        raise UsageError(f"run {run.id} has several models called {alias!r}: {listed}; say which")
    words = sorted({word for one in known for word in one.aliases})
    has = f"; its checkpoints are called {', '.join(words)}" if words else ", and no checkpoints"
    raise NotFound(f"run {run.id} has no checkpoint {alias!r}{has}")


def restore_in_run(run: Run, name: str) -> Artifact:
    """Return the version that words mean to a run: an alias of its own checkpoints, or as in `load_checkpoint`."""
    from treering.api import Api

    records = run.mode != "disabled"
    run.flush()
    api = Api(run.store_dir if records else None)  # what it returns reads from it
    if records and ":" not in name:
        try:
            return checkpoint_of(api.run(run.id), name)
        except NotFound:
            if name in {"latest", "last", "best"}:
                raise
    if run.mode == "online":
        with contextlib.suppress(NotFound):
            return run.use_artifact(name)  # asks the server, too
    found = find_checkpoint(api, name, run.project)
    if found.run_id != run.id:
        run.use_artifact(found)
    return found


def format_of(version: Artifact) -> str:
    """Return the framework that a version was written by, as far as it or its files say; "" for unknown."""
    said = version.metadata.get("framework")
    if isinstance(said, str) and said:
        return {"pytorch": "torch"}.get(said, said)
    return _format_by_files([one.path for one in version.files()])


def _format_by_files(paths: Iterable[str]) -> str:
    names = {path.rpartition("/")[2] for path in paths}
    if "config.json" in names and any(name.endswith((".safetensors", ".bin")) for name in names):
        return "transformers"
    return next((form for ending, form in _ENDINGS if any(name.endswith(ending) for name in names)), "")


def restore(
    version: Artifact,
    folder: str | os.PathLike[str] | None,
    *,
    into: object = None,
    trusted: bool = False,
    as_path: bool = False,
) -> Any:
    """Bring a version here and load it; see `load_checkpoint`."""
    form = format_of(version)
    module = f"treering.integrations._{form}_loading"
    known = form.isidentifier() and importlib.util.find_spec(module) is not None
    if into is not None and (as_path or not known):
        raise UsageError(
            f"{version.name}:v{version.version} cannot be loaded into {type(into).__name__}: "
            + ("as_path=True was said, too" if as_path else f"its format {form!r} is not one that treering loads")
        )
    place = _place(version) if folder is None else Path(folder)
    what = Restoring(
        title=f"{version.name}:v{version.version}",
        folder=place,
        files=[one.path for one in version.files()],
        into=into,
        trusted=trusted,
        metadata=version.metadata,
    )
    if as_path or not known or folder is not None:
        version.download(place)
        loaded = None if as_path or not known else _loaded(module, what)
        return what.path if loaded is None else loaded
    # Of its own, since the copy goes when the object is there, and another caller may have been given the place.
    place.parent.mkdir(parents=True, exist_ok=True)
    own = Path(tempfile.mkdtemp(prefix="loading-", dir=place.parent))
    try:
        version.download(own)
        loaded = _loaded(module, replace(what, folder=own))
        if loaded is None:
            with contextlib.suppress(OSError):  # somebody was given it before; then its files are compared
                own.rename(place)
            version.download(place)
    finally:
        shutil.rmtree(own, ignore_errors=True)
    return what.path if loaded is None else loaded


def _loaded(module: str, what: Restoring) -> Any:
    return cast("Any", importlib.import_module(module)).load(what)


def _place(version: Artifact) -> Path:
    from treering.artifacts.copies import RESTORED

    home = version.home.folder
    if home is None:
        raise UsageError("this store has no folder of its own; say folder=, where the checkpoint's files are to go")
    return home / RESTORED / f"{version.name}-v{version.version}-{version.id[:8]}"
