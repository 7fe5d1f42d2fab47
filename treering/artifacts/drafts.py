"""What an artifact is to hold, while it can still be changed."""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from treering.artifacts.contents import encoded, folder_of
from treering.artifacts.names import check_path
from treering.artifacts.pinning import files_below
from treering.artifacts.references import refer_to
from treering.errors import NotFound, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

    from treering.artifacts.manifest import Entry

__all__ = ["Draft"]


class Draft:
    """Files by their paths, and entries that are in a store already or stay where they are."""

    def __init__(self, base: Iterable[Entry] = ()) -> None:
        self.files: dict[str, Path] = {}
        self.kept: dict[str, Entry] = {entry.path: entry for entry in base}
        self._own: str | None = None
        self._forget: Callable[[], object] = _nothing

    def add_file(self, source: str | os.PathLike[str], name: str | None) -> str:
        """Take a file; returns its path inside."""
        file = Path(source)
        if file.is_dir():
            raise UsageError(f"add_file() got the folder {file}; add_dir() takes folders")
        if not file.is_file():
            raise FileNotFoundError(f"add_file() found no file at {file}")
        path = check_path(name if name is not None else file.name)
        self._put(path, file)
        return path

    def add_dir(self, source: str | os.PathLike[str], name: str | None, links: str) -> list[str]:
        """Take all files below a folder; returns their paths inside."""
        folder = Path(source)
        if links not in {"refuse", "follow", "skip"}:
            raise UsageError(f"add_dir() got links={links!r}; it takes 'refuse', 'follow' or 'skip'")
        if not folder.is_dir():
            raise FileNotFoundError(f"add_dir() found no folder at {folder}")
        found = files_below(folder, links)
        prefix = f"{name.strip('/')}/" if name else ""
        paths = [check_path(f"{prefix}{below}") for below, _ in found]
        for path, (_, file) in zip(paths, found, strict=True):
            self._put(path, file)
        return paths

    def add_reference(self, uri: str, name: str | None, *, checksum: bool, max_objects: int) -> list[str]:
        """Take an address; returns the paths inside."""
        entries = refer_to(uri, name, checksum=checksum, max_objects=max_objects)
        for entry in entries:
            self.files.pop(entry.path, None)
            self.kept[entry.path] = entry
        return [entry.path for entry in entries]

    def _put(self, path: str, file: Path) -> None:
        self.kept.pop(path, None)
        self.files[path] = file

    @contextmanager
    def new_file(self, name: str, mode: str, encoding: str | None) -> Generator[IO[Any]]:
        """Lend a new file, which is taken when it is closed without an exception."""
        path = check_path(name)
        if mode not in {"w", "wb"}:
            raise UsageError(f"new_file() got mode={mode!r}; it takes 'w' and 'wb'")
        if path in self.files or path in self.kept:
            raise UsageError(f"new_file() got {path!r}, which is there already; remove() it first")
        if self._own is None:
            self._own = tempfile.mkdtemp(prefix="treering-draft-")
            self._forget = weakref.finalize(self, shutil.rmtree, self._own, ignore_errors=True)
        place = Path(self._own, str(len(os.listdir(self._own))))
        with place.open(mode, encoding=None if "b" in mode else encoding or "utf-8") as file:
            yield file
        self._put(path, place)

    def add(self, value: Any, name: str) -> str:
        """Take an object as a file, or as several; returns the path of the first."""
        files = encoded(value, name)
        path = next(iter(files))
        self.remove(path, missing_ok=True)
        for one, data in files.items():
            with self.new_file(one, "wb", None) as file:
                file.write(data)
        return path

    def remove(self, path: str, *, missing_ok: bool = False) -> None:
        """Leave a file out, or all below a folder; with a medium goes what lies beside it."""
        folders = tuple(f"{one.rstrip('/')}/" for one in (path, folder_of(path)) if one is not None)
        gone = [one for one in (*self.files, *self.kept) if one == path or one.startswith(folders)]
        if not gone and not missing_ok:
            raise NotFound(f"remove() found no {path!r} in this artifact")
        for one in gone:
            self.files.pop(one, None)
            self.kept.pop(one, None)

    def close(self) -> None:
        """Delete what `new_file` has made."""
        self._forget()
        self._own = None


def _nothing() -> None: ...
