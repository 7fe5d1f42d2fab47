"""Files handed to a run: secured at the call, filed by the writer, known to the caller as a `Version`."""

from __future__ import annotations

import errno
import os
import re
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from treering.errors import StoreError, UsageError
from treering.store.blobs import pin
from treering.store.versions import FiledVersion

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["Version", "pin_version"]

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]{0,199}")
_RESERVED_ALIAS = re.compile(r"v\d+")
_MAX_ALIAS = 200
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO})


class Version:
    """A version on its way into the store.

    Attributes:
        name: of its collection.
        aliases: given with it.
    """

    def __init__(self, version_id: str, name: str, aliases: Sequence[str]) -> None:
        self.id = version_id
        self.name = name
        self.aliases = tuple(aliases)
        self._filed: FiledVersion | None = None
        self._done = threading.Event()
        self._flush: Callable[[float | None], bool] = lambda _timeout_s: True

    @classmethod
    def nothing(cls, name: str) -> Version:
        """Return what a run that records nothing hands out."""
        version = cls("", name, ())
        version.resolve(FiledVersion("", -1, ""))
        return version

    def resolve(self, filed: FiledVersion) -> None:
        """Take note that the version is in the store."""
        self._filed = filed
        self._done.set()

    def watch(self, flush: Callable[[float | None], bool]) -> None:
        """Learn how to hurry the writer."""
        self._flush = flush

    def wait(self, timeout_s: float | None = None) -> Version:
        """Wait until the version is in the store, hashed and visible.

        Raises:
            TimeoutError: it is not, after `timeout_s` or because the run ended without it.
        """
        if not self._done.is_set():
            self._flush(timeout_s)
            if not self._done.wait(0.1):
                raise TimeoutError(f"{self.name!r} is not in the store yet; see the run's warnings, or wait longer")
        return self

    @property
    def version(self) -> int:
        """Its number; waits for it."""
        return self._known().version

    @property
    def digest(self) -> str:
        """BLAKE3 over its files; waits for it."""
        return self._known().digest

    def _known(self) -> FiledVersion:
        self.wait()
        if self._filed is None:
            raise TimeoutError(f"{self.name!r} was not filed")
        return self._filed

    def __repr__(self) -> str:
        number = f"v{self._filed.version}" if self._filed is not None else "not filed yet"
        return f"<Version {self.name}: {number}>"


def pin_version(  # noqa: PLR0913  # the parts of a version
    store: Path,
    run_id: str,
    source: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    name: str | None,
    type: str,  # noqa: A002  # the word of the field
    aliases: Sequence[str],
    metadata: Mapping[str, Any],
    description: str | None,
    linkable: bool,
) -> tuple[Version, dict[str, Any]]:
    """Secure the present content of files below the store's folder.

    Returns:
        The version as its caller will hold it, and the fields of the journal's operation "version".

    Raises:
        UsageError: a name or an alias that cannot be taken, or two files of one name.
        FileNotFoundError: no such file.
        StoreError: the store has no room for them, or cannot be written.
    """
    sources = [Path(source)] if isinstance(source, (str, os.PathLike)) else [Path(path) for path in source]
    if not sources:
        raise UsageError("log_artifact() got no files; it takes a file, a folder, or several of them")
    name = check_name(name if name is not None else f"{run_id}-{re.sub('[^A-Za-z0-9_.-]', '-', sources[0].name)}")
    aliases = [_checked_alias(alias) for alias in ([aliases] if isinstance(aliases, str) else aliases)]
    version = Version(os.urandom(16).hex(), name, aliases)
    files: dict[str, Path] = {}
    for path in sources:
        for label, file in _files_below(path):
            # Bytes of a name that are no UTF-8 stay visible as \\udcXX.
            label = label.encode("utf-8", "backslashreplace").decode()  # noqa: PLW2901  # a clean one
            if label in files:
                raise UsageError(f"log_artifact() got two files called {label!r}; put them into one folder")
            files[label] = file
    folder = f"blobs/incoming/{run_id}/{version.id}"
    try:
        for label, file in files.items():
            pin(file, store / folder / label, linkable=linkable)
    except OSError as error:
        import shutil

        shutil.rmtree(store / folder, ignore_errors=True)
        if error.errno in _NO_ROOM:
            raise StoreError(error.errno, f"{', '.join(map(str, sources))} cannot be kept: {error.strerror}") from error
        raise
    fields = {
        "id": version.id,
        "name": name,
        "type": type,
        "aliases": aliases,
        "metadata": metadata,
        "description": description,
        "folder": folder,
        "files": list(files),
    }
    return version, fields


def _files_below(path: Path) -> list[tuple[str, Path]]:
    """Return (path inside the version, file): one for a file, all below a folder; links are followed to files only."""
    if not path.is_dir():
        if not path.exists():
            raise FileNotFoundError(f"log_artifact() found no file at {path}")
        return [(path.name, path)]
    found: list[tuple[str, Path]] = []
    for root, folders, names in os.walk(path):
        folders.sort()
        found += [(os.path.relpath(os.path.join(root, name), path), Path(root, name)) for name in sorted(names)]
    files = [(label.replace(os.sep, "/"), file) for label, file in found if file.is_file()]
    if not files:
        raise FileNotFoundError(f"log_artifact() found no files below {path}")
    return files


def check_name(name: str) -> str:
    """Return `name` if a collection may be called so.

    Raises:
        UsageError: it may not.
    """
    name = str(name)
    if not _NAME.fullmatch(name) or ".." in name:
        raise UsageError(
            f"artifact name {name!r} cannot be taken; use up to 200 letters, digits, '-', '_', '.', the first a letter "
            "or digit, and no '..'"
        )
    return name


def _checked_alias(alias: str) -> str:
    alias = str(alias)
    if not alias or len(alias) > _MAX_ALIAS or not alias.isprintable():
        raise UsageError(f"alias {alias!r} cannot be taken; use 1 to {_MAX_ALIAS} printable characters")
    if _RESERVED_ALIAS.fullmatch(alias):
        raise UsageError(f"alias {alias!r} looks like a version's number, which treering gives; choose another word")
    return alias
