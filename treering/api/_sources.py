"""Opening what there is to read: a store's database and the bundles beside it, one bundle, or a PostgreSQL store."""

from __future__ import annotations

import contextlib
import sqlite3
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from treering._notice import warn
from treering.errors import NotFound, StoreError
from treering.store.database import Sqlite, open_database

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from treering.artifacts.home import Home
    from treering.store.blobs import Blobs
    from treering.store.database import Database
    from treering.store.reader import RunReader

__all__ = ["Source", "open_sources", "recover_dead", "store_folder"]

_DATABASE = "treering.db"
_BEING_MADE_S = 3.0


class Source:
    """One database and where its large bytes lie.

    Attributes:
        database: open for reading.
        folder: of the store; None for one without a folder.
    """

    def __init__(self, database: Database, folder: Path | None) -> None:
        self.database = database
        self.folder = folder

    def rows(self, fields: Sequence[str], ids: Sequence[str]) -> list[tuple[Any, ...]]:
        """Return columns of the table `runs` for those of some runs that there are, in any order."""
        from msgspec import json

        from treering.store.read_query import LISTED

        return self.database.query(
            f"SELECT {', '.join(fields)} FROM runs WHERE id IN ({LISTED[self.database.dialect]})",
            {"ids": json.encode(ids).decode()},
        )

    def refresh(self, run_id: str) -> None:
        """See to it that the database has all of a run, as it is now, but for what it logged."""

    def reader(self, run_id: str) -> RunReader:
        """Return what reads the streams of a run."""
        from treering.store.reader import RunReader

        return RunReader(self.database, run_id)

    def close(self) -> None:
        """Close the database."""
        self.database.close()

    def writable(self) -> Database:
        """Return a connection that may write; to be closed when it is another one than `database`.

        Raises:
            StoreError: the store is read-only.
        """
        path = getattr(self.database, "path", None)
        return self.database if path is None else open_database(path)

    def check_lists_versions(self) -> None:
        """Raise `UsageError` where not every version can be known."""

    @property
    def home(self) -> Home:
        """Where its artifacts are."""
        from treering.artifacts.home import Home

        return Home(self.folder, self.database)

    @property
    def blobs(self) -> Blobs:
        """The media and files of the runs in this database."""
        from treering.store.blobs import Blobs

        if self.folder is None:
            return self._objects()
        return Blobs(self.folder / "blobs")

    def blobs_of(self, _run_id: str) -> Blobs:
        """Return the media of one run."""
        return self.blobs

    def _objects(self) -> Blobs:
        """Return the media of a database without a folder: they are in its object store."""
        from treering.artifacts.depot import Depot
        from treering.artifacts.media_objects import ObjectBlobs

        return ObjectBlobs(Depot(self.database, None).backend, Path(tempfile.gettempdir()))


class _ReadOnly(Sqlite):
    """A SQLite file opened without the right to write, also where nothing may be written beside it."""

    def __init__(self, path: Path) -> None:
        deadline_s = time.monotonic() + _BEING_MADE_S
        while True:
            try:
                super().__init__(path, read_only=True)
                self.query("SELECT 1 FROM runs LIMIT 1")
            except StoreError as error:
                if isinstance(error.__cause__, sqlite3.OperationalError) and _is_refusal(error.__cause__):
                    self._open_immutable()
                    break
                if not _is_young(path) or time.monotonic() > deadline_s:
                    raise
                time.sleep(0.02)
            else:
                break

    def __del__(self) -> None:
        # Runs outlive the `Api` that found them; the connection goes with the last of them, without a warning.
        with contextlib.suppress(Exception):
            self._connection.close()

    def _open_immutable(self) -> None:
        """Open a file of a read-only folder: without its log and locks, which cannot be made there."""
        with contextlib.suppress(AttributeError):
            self._connection.close()
        uri = f"file:{quote(str(self.path.absolute()))}?mode=ro&immutable=1"
        self._connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
        self._agree_on_format(read_only=True)
        log = self.path.with_name(f"{self.path.name}-wal")
        if log.exists() and log.stat().st_size:
            warn(
                f"{self.path.parent} is read-only, so what its last writer left in {log.name} cannot be read; "
                "copy the folder to a place where you may write to see everything"
            )


def _is_young(path: Path) -> bool:
    """Tell whether a file is so new that its first writer may still be making the tables."""
    try:
        return abs(time.time() - path.stat().st_mtime) < _BEING_MADE_S
    except OSError:
        return False


def _is_refusal(error: sqlite3.OperationalError) -> bool:
    return any(words in str(error) for words in ("unable to open", "readonly", "read-only"))


def store_folder(place: str | Path | None) -> Path:
    """Return the folder of the store that a user means; None means what the settings say.

    Raises:
        UsageError: a setting that cannot be taken.
    """
    from treering.settings import find_store, resolve

    return find_store(resolve({} if place is None else {"dir": place}))


def open_sources(place: str | Path | None) -> list[Source]:
    """Open everything to read at `place`, dead runs' journals replayed first where that is possible.

    Args:
        place: a store's folder, a bundle's file, or a "postgresql://" address; None means what the settings say.

    Raises:
        NotFound: there is no store.
        StoreError: it cannot be opened.
    """
    if isinstance(place, str) and place.startswith(("postgresql:", "postgresql+")):
        return [Source(open_database(place), None)]
    if place is not None and Path(place).is_file():
        bundle = Path(place)
        folder = bundle.parent.parent if bundle.parent.name == "bundles" else bundle.parent
        return [Source(_ReadOnly(bundle), folder)]
    folder = store_folder(place)
    recover_dead(folder)
    sources = [Source(_ReadOnly(path), folder) for path in _files(folder)]
    if not sources:
        raise NotFound(
            f"there is no store at {folder}; runs appear there once treering.init() has been called, or name another "
            "folder with dir= (--dir) or TREERING_DIR"
        )
    return sources


def _files(folder: Path) -> Iterator[Path]:
    if (folder / _DATABASE).is_file():
        yield folder / _DATABASE
    yield from sorted((folder / "bundles").glob("*.db"))


def _has_any(folder: Path) -> bool:
    try:
        return any(folder.iterdir())
    except OSError:
        return False


def recover_dead(folder: Path) -> None:
    """Have dead runs' journals replayed; whatever goes wrong there, what is in the database can be read."""
    if not (_has_any(folder / "journal") or _has_any(folder / "blobs" / "incoming")):
        return
    try:
        from treering.store.recover import recover_folder

        troubles = recover_folder(folder).troubles
    except Exception as error:
        troubles = [str(error)]
    if troubles:
        warn(f"what dead runs left behind could not be taken into the store: {troubles[0]}; see `treering doctor`")
