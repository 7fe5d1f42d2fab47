"""Where an artifact lives: a store's folder and its database, opened for as long as something is done there."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from treering.artifacts.depot import Depot
from treering.errors import StoreError
from treering.store.database import Sqlite

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from treering.store.database import Database

__all__ = ["Home"]


class Home:
    """A store, by its folder and its database.

    Args:
        folder: of the store; None for a PostgreSQL store without one.
        database: open, if it is anybody's already.
        path: of the database's file, opened anew each time; for when `database` is not given.
    """

    def __init__(self, folder: Path | None, database: Database | None = None, path: Path | None = None) -> None:
        self.folder = folder
        self._database = database
        self._path = path if path is not None else getattr(database, "path", None)

    @contextlib.contextmanager
    def reading(self) -> Generator[Database]:
        """Lend a connection for reading."""
        if self._database is not None:
            yield self._database
            return
        if self._path is None:
            raise StoreError("this artifact is in no store")
        database = Sqlite(self._path, read_only=True)
        try:
            yield database
        finally:
            database.close()

    @contextlib.contextmanager
    def writing(self) -> Generator[Database]:
        """Lend a connection for writing."""
        if self._path is None:
            if self._database is None:
                raise StoreError("this artifact is in no store")
            yield self._database
            return
        database = Sqlite(self._path)
        try:
            yield database
        finally:
            database.close()

    @contextlib.contextmanager
    def depot(self) -> Generator[Depot]:
        """Lend the chunks, for reading."""
        with self.reading() as database:
            yield Depot(database, self.folder)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Home) and (self.folder, self._path) == (other.folder, other._path)

    def __hash__(self) -> int:
        return hash((self.folder, self._path))
