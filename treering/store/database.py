"""One small face over two databases: SQLite through the standard library, PostgreSQL through SQLAlchemy.

Statements are plain SQL with `:named` parameters that both take (`INSERT ... ON CONFLICT` among them). SQLite is not
reached through SQLAlchemy here, because a run that starts has no time to import it.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import time
import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from treering.errors import NotFound, StoreError

if TYPE_CHECKING:
    from sqlalchemy import Connection

__all__ = ["FORMAT", "SCHEMA_SQL", "Database", "Postgres", "Sqlite", "open_database", "too_new"]

Parameters = Mapping[str, Any]

#: Number of the tables' form, kept in `PRAGMA user_version` and, on PostgreSQL, in `store_info`. Raised with each
#: change of `schema.py`; what that needs beyond is said there.
FORMAT = 2
#: Compiled from `schema.py`, which takes too long to import when a run starts.
SCHEMA_SQL = Path(__file__).with_name("schema.sql")
_LOCK_TIMEOUT_S = 60.0


def too_new(place: object, found: int) -> StoreError:
    """Return the refusal of a store that a newer treering made."""
    return StoreError(
        f"{place} has format {found} and this treering reads up to {FORMAT}; upgrade with `pip install -U treering`"
    )


class Database(ABC):
    """A connection that any one thread at a time may use."""

    #: "sqlite" or "postgresql".
    dialect: str

    def __init__(self) -> None:
        self._lock = threading.RLock()

    @abstractmethod
    def query(self, sql: str, parameters: Parameters | None = None) -> list[tuple[Any, ...]]:
        """Return all rows of a SELECT, or of a statement with RETURNING."""

    @abstractmethod
    def execute(self, sql: str, parameters: Parameters | None = None) -> int:
        """Run one statement and return the number of rows it changed."""

    @abstractmethod
    def execute_many(self, sql: str, parameters: Iterable[Parameters]) -> None:
        """Run one statement once for each set of parameters."""

    @abstractmethod
    def transaction(self) -> contextlib.AbstractContextManager[None]:
        """Make what happens inside visible whole or not at all; nested ones belong to the outer one.

        SQLite's takes the write lock at once, waiting for other writers up to a minute.
        """

    @abstractmethod
    def close(self) -> None:
        """Release the connection; a second call does nothing."""


class _Squares:
    """Sum of the squared distances from the mean, as Welford adds it up: SQLite has none that keeps small ones."""

    def __init__(self) -> None:
        self._count = 0
        self._mean = self._sum = 0.0

    def step(self, value: float | None) -> None:
        if value is not None:
            self._count += 1
            apart = value - self._mean
            self._mean += apart / self._count
            self._sum += apart * (value - self._mean)

    def finalize(self) -> float | None:
        return self._sum if self._count else None


class Sqlite(Database):
    """The embedded store's file, or a bundle.

    Args:
        path: the file.
        create: make the file, its tables and its folder when they are missing.
        read_only: open without the right to write, for stores on read-only media.
        wal: write-ahead log, so that readers never wait; False on network file systems, where it is unsafe.

    Raises:
        NotFound: no file there and not `create`.
        StoreError: not a database of ours, or one written by a newer treering.

    A store of an earlier format is upgraded, or read as it is where `read_only`.
    """

    dialect = "sqlite"

    def __init__(self, path: Path, *, create: bool = False, read_only: bool = False, wal: bool = True) -> None:
        super().__init__()
        self.path = path
        self._depth = 0
        self._views: list[str] = []  # what stands before the tables of an earlier format, to be taken away
        if create:
            path.parent.mkdir(parents=True, exist_ok=True)
        elif not path.is_file():
            raise NotFound(f"there is no store at {path.parent}; name one with --dir or TREERING_DIR")
        mode = "ro" if read_only else "rwc" if create else "rw"
        with _opening, _translated(path):
            self._connection = sqlite3.connect(
                f"{path.absolute().as_uri()}?mode={mode}",
                uri=True,
                timeout=_LOCK_TIMEOUT_S,
                isolation_level=None,
                check_same_thread=False,
                cached_statements=256,
            )
            try:
                self._prepare(read_only=read_only, wal=wal)
            except BaseException:
                self._connection.close()
                raise
            self._inode = os.stat(path).st_ino
            _open.add(self)
        # Whoever only reads (a notebook, a listing) closes nothing. Not at exit: a forked child must not.
        self._close_connection = weakref.finalize(self, self._connection.close)
        self._close_connection.atexit = False

    def _prepare(self, *, read_only: bool, wal: bool) -> None:
        self._connection.execute("PRAGMA foreign_keys = ON")
        self._connection.create_aggregate("squares", 1, _Squares)  # type: ignore[arg-type]  # typeshed wants results to be of one type
        if not read_only:
            # Each commit is on the disk when it returns, so a journal may be deleted after it, power loss or not.
            self._connection.execute("PRAGMA synchronous = FULL")
        if self._version() == 0 and not read_only:
            self._create(wal=wal)
        self._agree_on_format(read_only=read_only)

    def _version(self) -> int:
        return int(self._connection.execute("PRAGMA main.user_version").fetchone()[0])

    def _agree_on_format(self, *, read_only: bool) -> None:
        version = self._version()
        if version == FORMAT:
            return
        if version > FORMAT:
            raise too_new(self.path, version)
        if version == 0:
            raise StoreError(f"{self.path} is empty, or no store of treering's")
        from treering.store.upgrading import upgrade_sqlite, view_as_current

        if read_only:
            self._views = view_as_current(self._connection)
        else:
            upgrade_sqlite(self._connection)

    def _look_again(self) -> None:
        """Read the store's own tables once another program has upgraded them."""
        if self._version() == FORMAT:
            for statement in self._views:
                self._connection.execute(statement)
            self._views = []

    def _create(self, *, wal: bool) -> None:
        deadline = time.monotonic() + _LOCK_TIMEOUT_S
        self._connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        while True:
            try:
                self._connection.execute(f"PRAGMA journal_mode = {'WAL' if wal else 'DELETE'}")
                break
            except sqlite3.OperationalError as error:
                # Switching to the log needs the file alone, and does not wait as other statements do.
                if "locked" not in str(error) or time.monotonic() > deadline:
                    raise
                time.sleep(0.01)
        with self.transaction():
            if self._version() == 0:
                for statement in SCHEMA_SQL.read_text(encoding="utf-8").split(";\n"):
                    self._connection.execute(statement)

    def is_at(self, path: Path) -> bool:
        """Tell whether the file that is open here is still the one at `path`."""
        try:
            return os.stat(path).st_ino == self._inode
        except OSError:
            return False

    def query(self, sql: str, parameters: Parameters | None = None) -> list[tuple[Any, ...]]:
        """See `Database.query`."""
        with self._lock, _translated(self.path):
            if self._views:
                self._look_again()
            return self._connection.execute(sql, parameters or {}).fetchall()

    def execute(self, sql: str, parameters: Parameters | None = None) -> int:
        """See `Database.execute`."""
        with self._lock, _translated(self.path):
            return self._connection.execute(sql, parameters or {}).rowcount

    def execute_many(self, sql: str, parameters: Iterable[Parameters]) -> None:
        """See `Database.execute_many`."""
        with self._lock, _translated(self.path):
            self._connection.executemany(sql, parameters)

    @contextlib.contextmanager
    def transaction(self) -> Generator[None]:
        """See `Database.transaction`."""
        with self._lock:
            if self._depth:
                yield
                return
            with _translated(self.path):
                self._connection.execute("BEGIN IMMEDIATE")
            self._depth += 1
            try:
                yield
                with _translated(self.path):
                    self._connection.execute("COMMIT")
            except BaseException:
                # A failed COMMIT (full disk) may have rolled back by itself.
                with contextlib.suppress(sqlite3.Error):
                    self._connection.execute("ROLLBACK")
                raise
            finally:
                self._depth -= 1

    def lock_for_fork(self, timeout_s: float) -> bool:
        """Wait until no statement is in progress, and let none begin."""
        return self._lock.acquire(timeout=timeout_s)

    def unlock_after_fork(self) -> None:
        """Go on."""
        self._lock.release()

    def close(self) -> None:
        """See `Database.close`."""
        with self._lock:
            self._close_connection()
            _open.discard(self)


# -- forks ------------------------------------------------------------------------------------------------------------
# What SQLite knows of a file's locks is the process's, and a forked child believes that it holds those of its parent:
# what it would write may be thrown away when the parent closes the file. So a child keeps its hands off such files.

_opening = threading.RLock()
_open: weakref.WeakSet[Sqlite] = weakref.WeakSet()
_held: list[Callable[[], object]] = []
_inherited: dict[tuple[int, int], list[Sqlite]] = {}
_FORK_TIMEOUT_S = 5.0


def is_inherited(path: Path) -> bool:
    """Tell whether the process that this one was forked off had the file at `path` open."""
    if not _inherited:
        return False
    try:
        found = os.stat(path)
    except OSError:
        return False
    return (found.st_dev, found.st_ino) in _inherited


def _before_fork() -> None:
    # A statement in progress would leave SQLite's own mutexes locked for ever in the child.
    if _opening.acquire(timeout=_FORK_TIMEOUT_S):
        _held.append(_opening.release)
    _held.extend(database.unlock_after_fork for database in list(_open) if database.lock_for_fork(_FORK_TIMEOUT_S))


def _after_fork() -> None:
    while _held:
        _held.pop()()


def _after_fork_in_child() -> None:
    _after_fork()
    for database in list(_open):
        with contextlib.suppress(OSError):
            found = os.stat(database.path)
            # Kept, since closing them here is no better than using them.
            _inherited.setdefault((found.st_dev, found.st_ino), []).append(database)
    _open.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork_in_child)


@contextlib.contextmanager
def _translated(path: Path) -> Generator[None]:
    try:
        yield
    except sqlite3.DatabaseError as error:
        raise StoreError(f"{path}: {error}") from error


class Postgres(Database):
    """The team store.

    Args:
        url: SQLAlchemy's, such as "postgresql+psycopg://user@host/name".
        create: make the tables when they are missing.
    """

    dialect = "postgresql"

    def __init__(self, url: str, *, create: bool = False) -> None:
        super().__init__()
        try:
            import sqlalchemy
            import sqlalchemy.exc
        except ModuleNotFoundError as error:  # pragma: no cover - a base dependency
            raise StoreError("PostgreSQL needs SQLAlchemy; run: pip install 'treering[postgres]'") from error
        if url.startswith("postgresql://"):
            url = url.replace("postgresql://", "postgresql+psycopg://", 1)
        self._text = sqlalchemy.text
        self._engine = sqlalchemy.create_engine(url)
        self._connection: Connection | None = None
        self._error: type[Exception] = sqlalchemy.exc.SQLAlchemyError
        from treering.store.upgrading import upgrade_postgres

        try:
            with self._translated(), self._engine.begin() as connection:
                upgrade_postgres(connection, create=create)
        except BaseException:
            self._engine.dispose()
            raise

    @contextlib.contextmanager
    def _translated(self) -> Generator[None]:
        try:
            yield
        except self._error as error:
            # SQLAlchemy's own text repeats the statement and all that was to be stored.
            raise StoreError(f"PostgreSQL: {getattr(error, 'orig', None) or error}") from error

    @contextlib.contextmanager
    def _connected(self) -> Generator[Connection]:
        with self._lock, self._translated():
            if self._connection is not None:
                yield self._connection
                return
            with self._engine.begin() as connection:
                yield connection

    def query(self, sql: str, parameters: Parameters | None = None) -> list[tuple[Any, ...]]:
        """See `Database.query`."""
        with self._connected() as connection:
            return [tuple(row) for row in connection.execute(self._text(sql), _clean(parameters or {}))]

    def execute(self, sql: str, parameters: Parameters | None = None) -> int:
        """See `Database.execute`."""
        with self._connected() as connection:
            return connection.execute(self._text(sql), _clean(parameters or {})).rowcount

    def execute_many(self, sql: str, parameters: Iterable[Parameters]) -> None:
        """See `Database.execute_many`."""
        batch: Sequence[Parameters] = [_clean(one) for one in parameters]
        if batch:
            with self._connected() as connection:
                connection.execute(self._text(sql), batch)

    @contextlib.contextmanager
    def transaction(self) -> Generator[None]:
        """See `Database.transaction`."""
        with self._lock:
            if self._connection is not None:
                yield
                return
            with self._translated(), self._engine.begin() as connection:
                self._connection = connection
                try:
                    yield
                finally:
                    self._connection = None

    def close(self) -> None:
        """See `Database.close`."""
        self._engine.dispose()


def _clean(parameters: Parameters) -> dict[str, Any]:
    """PostgreSQL's text has no NUL."""
    return {
        name: value.replace("\0", "\N{SYMBOL FOR NULL}") if isinstance(value, str) else value
        for name, value in parameters.items()
    }


def open_database(place: Path | str, *, create: bool = False, read_only: bool = False, wal: bool = True) -> Database:
    """Open a file as SQLite or a "postgresql://" address."""
    if isinstance(place, str) and place.startswith(("postgresql:", "postgresql+")):
        return Postgres(place, create=create)
    return Sqlite(Path(place), create=create, read_only=read_only, wal=wal)
