"""Sweeps in a folder that several machines share, with no server.

SQLite's write-ahead log needs memory that machines share, and its locks are not to be trusted on network file systems.
So each sweep is one SQLite file in the old journal mode, opened and closed within each transaction (a network file
system shows a file as its last writer left it to whoever opens it after that), under a lock of our own: a file that
can be created once only. A holder that is gone is noticed by its process on the same machine, else by its silence.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
import uuid
from typing import TYPE_CHECKING, Any

import msgspec

from treering.errors import NotFound, StoreError
from treering.lease import boot_id, host_name
from treering.store.database import FORMAT, SCHEMA_SQL, Database, too_new
from treering.sweeps.opening import bundle_has_checkpoint, rows_in_files
from treering.sweeps.store import StoredSweeps

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Mapping
    from pathlib import Path

    from typing_extensions import Self

    from treering.sweeps.records import Agent, Curve, Key, Offer, Orders, Result, Sweep, Trial

__all__ = ["SharedFile", "SharedSweeps"]

_WAIT_S = 60.0
# A transaction takes milliseconds; a holder that has been silent for so long is gone.
_SILENCE_S = 120.0


class SharedSweeps:
    """The sweeps of a folder, each in its file; see `treering.sweeps.store.Sweeps`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._open: dict[str, StoredSweeps] = {}

    def of(self, sweep_id: str) -> StoredSweeps:
        """Return the sweeps of one file.

        Raises:
            NotFound: there is no such sweep.
        """
        if sweep_id not in self._open:
            path = self._folder / "sweeps" / f"{sweep_id}.db"
            if os.sep in sweep_id or not path.is_file():
                raise NotFound(f"there is no sweep {sweep_id!r} in {path.parent}; see `treering sweep list`")
            self._open[sweep_id] = self._stored(SharedFile(path))
        return self._open[sweep_id]

    def _stored(self, database: Database) -> StoredSweeps:
        return StoredSweeps(
            database,
            lambda run_id: bundle_has_checkpoint(self._folder, run_id),
            elsewhere=lambda name: rows_in_files(self._folder, name),
        )

    def create(self, config: dict[str, Any], *, project: str | None = None, source: str | None = None) -> Sweep:
        """See `Sweeps`."""
        folder = self._folder / "sweeps"
        folder.mkdir(parents=True, exist_ok=True)
        # Its id, and so its file's name, is known only when it has been made.
        young = folder / f".{uuid.uuid4().hex}"
        sweep = self._stored(SharedFile(young)).create(config, project=project, source=source)
        os.replace(young, folder / f"{sweep.id}.db")
        return sweep

    def sweep(self, sweep_id: str) -> Sweep:
        """See `Sweeps`."""
        return self.of(sweep_id).sweep(sweep_id)

    def sweeps(self, project: str | None = None) -> list[Sweep]:
        """See `Sweeps`."""
        files = (self._folder / "sweeps").glob("*.db")
        found = [self.sweep(file.stem) for file in files]
        chosen = [sweep for sweep in found if project in {None, sweep.project}]
        return sorted(chosen, key=lambda sweep: -sweep.created_us)

    def change(self, sweep_id: str, action: str) -> Sweep:
        """See `Sweeps`."""
        return self.of(sweep_id).change(sweep_id, action)

    def trials(self, sweep_id: str, after: int = -1) -> list[Trial]:
        """See `Sweeps`."""
        return self.of(sweep_id).trials(sweep_id, after)

    def lease(self, sweep_id: str, agent: Agent) -> Offer:
        """See `Sweeps`."""
        return self.of(sweep_id).lease(sweep_id, agent)

    def beat(self, key: Key, agent: Agent) -> Orders:
        """See `Sweeps`."""
        return self.of(key.sweep).beat(key, agent)

    def report(self, key: Key, points: Curve) -> Orders:
        """See `Sweeps`."""
        return self.of(key.sweep).report(key, points)

    def finish(self, key: Key, result: Result) -> bool:
        """See `Sweeps`."""
        return self.of(key.sweep).finish(key, result)

    def give_back(self, key: Key, reason: str) -> bool:
        """See `Sweeps`."""
        return self.of(key.sweep).give_back(key, reason)


class SharedFile(Database):
    """A SQLite file that is open within transactions only, under `FolderLock`.

    Args:
        path: made, with all tables, when missing.
    """

    dialect = "sqlite"

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        self._connection: sqlite3.Connection | None = None

    @contextlib.contextmanager
    def transaction(self) -> Generator[None]:
        """See `Database.transaction`."""
        with self._lock:
            if self._connection is not None:
                yield
                return
            with FolderLock(self._path.with_name(f"{self._path.name}.lock")) as lock:
                try:
                    self._connection = self._opened()
                    yield
                    lock.check()
                    self._connection.execute("COMMIT")
                except sqlite3.DatabaseError as error:
                    raise StoreError(f"{self._path}: {error}") from error
                finally:
                    if self._connection is not None:
                        self._connection.close()  # what was not committed is undone
                    self._connection = None

    def _opened(self) -> sqlite3.Connection:
        # nolock: our own lock keeps others out, and a network file system may refuse SQLite's.
        uri = f"{self._path.absolute().as_uri()}?mode=rwc&nolock=1"
        connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.execute("PRAGMA synchronous = FULL")
        try:
            self._agree_on_format(connection)
            connection.execute("BEGIN IMMEDIATE")
        except BaseException:
            connection.close()
            raise
        return connection

    def _agree_on_format(self, connection: sqlite3.Connection) -> None:
        (found,) = connection.execute("PRAGMA user_version").fetchone()
        if found > FORMAT:
            raise too_new(self._path, found)
        if found == 0:
            script = SCHEMA_SQL.read_text(encoding="utf-8")
            connection.executescript(f"BEGIN IMMEDIATE;\n{script}\nCOMMIT;")
        elif found < FORMAT:
            from treering.store.upgrading import upgrade_sqlite

            upgrade_sqlite(connection)

    def _do(self, work: Callable[[sqlite3.Connection], Any]) -> Any:
        with self.transaction():
            if self._connection is None:
                raise StoreError(f"{self._path} is not open")
            return work(self._connection)

    def query(self, sql: str, parameters: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """See `Database.query`."""
        found: list[tuple[Any, ...]] = self._do(lambda one: one.execute(sql, parameters or {}).fetchall())
        return found

    def execute(self, sql: str, parameters: Mapping[str, Any] | None = None) -> int:
        """See `Database.execute`."""
        return int(self._do(lambda one: one.execute(sql, parameters or {}).rowcount))

    def execute_many(self, sql: str, parameters: Iterable[Mapping[str, Any]]) -> None:
        """See `Database.execute_many`."""
        self._do(lambda one: one.executemany(sql, parameters))

    def close(self) -> None:
        """See `Database.close`; nothing is open between two calls."""


class FolderLock:
    """Held by whoever could create the file.

    Args:
        path: of the lock; its folder exists.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._mine = msgspec.json.encode(
            {"host": host_name(), "boot": boot_id(), "pid": os.getpid(), "token": uuid.uuid4().hex}
        )

    def __enter__(self) -> Self:
        deadline_s, delay_s = time.monotonic() + _WAIT_S, 0.002
        while not self._take():
            if time.monotonic() > deadline_s:
                raise StoreError(f"{self._path} is held by another process for a minute; delete it if that is gone")
            self._break_if_stale()
            time.sleep(delay_s)
            delay_s = min(delay_s * 1.5, 0.05)
        return self

    def _take(self) -> bool:
        try:
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return False
        try:
            os.write(descriptor, self._mine)
        finally:
            os.close(descriptor)
        return True

    def check(self) -> None:
        """Make sure that it is held still.

        Raises:
            StoreError: another process took it for dead.
        """
        if self._path.read_bytes() != self._mine:
            raise StoreError(f"{self._path} was taken by another process; this one was away for too long")

    def _break_if_stale(self) -> None:
        """Take a lock away from a holder that is gone."""
        with contextlib.suppress(OSError):
            found = self._path.read_bytes()
            if not self._is_gone(found):
                return
            aside = self._path.with_name(f"{self._path.name}.{uuid.uuid4().hex}")
            os.rename(self._path, aside)
            if aside.read_bytes() != found:  # another was quicker, and this is his
                os.link(aside, self._path)
            aside.unlink()

    def _is_gone(self, found: bytes) -> bool:
        import psutil

        try:
            holder = msgspec.json.decode(found, type=dict[str, Any])
        except msgspec.DecodeError:  # its maker has not written into it yet, or never will
            holder = {}
        if (
            holder.get("host") == host_name()
            and holder.get("boot") == boot_id()
            and not psutil.pid_exists(holder["pid"])
        ):
            return True
        # The times of one file system agree with each other, though not with this machine's clock.
        probe = self._path.with_name(f".{uuid.uuid4().hex}")
        probe.touch()
        now_s = probe.stat().st_mtime
        probe.unlink()
        return now_s - self._path.stat().st_mtime > _SILENCE_S

    def __exit__(self, *_exception: object) -> None:
        with contextlib.suppress(OSError):
            if self._path.read_bytes() == self._mine:
                self._path.unlink()
