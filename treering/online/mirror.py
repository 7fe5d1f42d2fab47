"""A server's runs, read as a store is: what is asked for is copied here first, and only what is new.

The copy is a store of its own in a temporary folder, with the tables that every store has, so all that reads a store
reads this one. Each question brings the rows of the runs that it is about; a curve brings its column's chunks.
"""

from __future__ import annotations

import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from treering.api._sources import Source
from treering.errors import NotFound, UsageError
from treering.online.client import Client
from treering.online.credentials import find_server
from treering.store import DATABASE
from treering.store.blobs import Blobs
from treering.store.copies import CHUNK_FIELDS, FIELDS_OF
from treering.store.database import Sqlite
from treering.store.filter_tree import tree_of
from treering.store.reader import RunReader

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from treering.artifacts.home import Home
    from treering.artifacts.lookup import Facts
    from treering.store.database import Database
    from treering.store.read_columns import Column, Damage
    from treering.store.read_filter import Field, Node

__all__ = ["Mirror", "open_mirror"]

_PATIENCE_S = 10.0
_PAGE = 5000
_KEYS_AT_ONCE = 50
_KNOWN = {**FIELDS_OF, "chunks": ("column_id", *CHUNK_FIELDS)}
_KEY_OF = {
    "runs": ("id",),
    "attempts": ("run_id", "attempt"),
    "streams": ("run_id", "stream"),
    "columns": ("run_id", "stream", "key"),
    "chunks": ("column_id", "first_row"),
}


def open_mirror(url: str | None, key: str | None) -> Mirror:
    """Open a server for reading.

    Args:
        url: of the server; None for that of `TREERING_URL` or the last `treering login`.
        key: None for what `TREERING_API_KEY` says, or `treering login` has kept.

    Raises:
        UsageError: no server, no key, or not its key.
        Unreachable: it does not answer.
    """
    from treering.settings import resolve

    settings = resolve({})
    server = find_server(url or settings.url, key or settings.api_key)
    mirror = Mirror(Client(server.url, server.key, patience_s=_PATIENCE_S))
    try:
        mirror.projects()  # so that a wrong address or key is told now
    except BaseException:
        mirror.close()
        raise
    return mirror


class Mirror(Source):
    """What has been read of a server; for any thread.

    Args:
        client: belongs to this from now on.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._lock = threading.RLock()
        self._scratch = tempfile.TemporaryDirectory(prefix="treering-mirror-", ignore_cleanup_errors=True)
        folder = Path(self._scratch.name)
        database = Sqlite(folder / DATABASE, create=True)
        database.execute("PRAGMA synchronous = OFF")  # nothing here is worth keeping
        super().__init__(database, folder)

    @property
    def url(self) -> str:
        """Of the server."""
        return self._client.url

    def close(self) -> None:
        """Close the connection and throw away what was read."""
        with self._lock:
            self._client.close()
            self.database.close()
            self._scratch.cleanup()

    def writable(self) -> Database:
        """Refuse: what is changed here would be changed nowhere else."""
        raise UsageError(f"nothing is changed through a server's Api; use the dashboard at {self.url}")

    # -- runs ---------------------------------------------------------------------------------------------------------

    def projects(self) -> list[str]:
        """Return the projects' names in order of the alphabet."""
        with self._lock:
            return [one["name"] for one in self._client.get("projects")]

    def find(self, where: Node, order: list[tuple[Field, bool]], limit: int | None, offset: int = 0) -> list[str]:
        """Return the ids of runs in order, after they were brought here."""
        words = [f"{'-' if down else ''}{_name_of(field)}" for field, down in order]
        query: dict[str, Any] = {"where": tree_of(where), "order": words}
        ids: list[str] = []
        with self._lock:
            while limit is None or len(ids) < limit:
                most = _PAGE if limit is None else min(limit - len(ids), _PAGE)
                found = self._client.find_copies({**query, "limit": most, "offset": offset + len(ids)})
                with self.database.transaction():
                    self._put("runs", found["names"], found["rows"])
                ids += [row[0] for row in found["rows"]]
                if len(found["rows"]) < most:
                    break
        return list(dict.fromkeys(ids))

    def refresh(self, run_id: str) -> None:
        """See `Source.refresh`."""
        with self._lock:
            try:
                tables = self._client.copy_run(run_id)
            except NotFound:
                self.database.execute("DELETE FROM runs WHERE id = :id", {"id": run_id})
                return
            with self.database.transaction():
                for table in FIELDS_OF:
                    self._put(table, tables[table]["names"], tables[table]["rows"])

    def _put(self, table: str, names: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """Store rows as they are there; columns that only a newer server has are left out."""
        key, fields = _KEY_OF[table], _KNOWN[table]
        kept = [name for name in names if name in fields]
        sets = ", ".join(f"{name} = excluded.{name}" for name in kept if name not in key)
        self.database.execute_many(
            f"INSERT INTO {table} ({', '.join(kept)}) VALUES ({', '.join(f':{name}' for name in kept)}) "
            f"ON CONFLICT ({', '.join(key)}) DO UPDATE SET {sets}",
            [dict(zip(names, row, strict=True)) for row in rows],
        )

    # -- what they logged ---------------------------------------------------------------------------------------------

    def reader(self, run_id: str) -> RunReader:
        """See `Source.reader`."""
        self.refresh(run_id)
        return _MirrorReader(self, run_id)

    def bring(self, run_id: str, stream: str, keys: Sequence[str] | None) -> None:
        """Copy what is not here of some columns of a run; None for all."""
        with self._lock:
            ids = {
                key: column_id
                for column_id, key in self.database.query(
                    "SELECT id, key FROM columns WHERE run_id = :run AND stream = :stream",
                    {"run": run_id, "stream": stream},
                )
            }
            wanted = list(ids) if keys is None else [key for key in keys if key in ids]
            for start in range(0, len(wanted), _KEYS_AT_ONCE):
                part = wanted[start : start + _KEYS_AT_ONCE]
                while self._bring({key: ids[key] for key in part}, run_id, stream):
                    pass

    def _bring(self, ids: dict[str, int], run_id: str, stream: str) -> bool:
        """Bring one answer's worth of columns; True while there is more."""
        known = {
            key: self.database.query("SELECT first_row, checksum FROM chunks WHERE column_id = :id", {"id": column_id})
            for key, column_id in ids.items()
        }
        found = self._client.copy_chunks(run_id, stream, {"keys": list(ids), "known": known})
        with self.database.transaction():
            for key, column in found["columns"].items():
                there = {tuple(one) for one in column["prints"]}
                self.database.execute_many(
                    "DELETE FROM chunks WHERE column_id = :id AND first_row = :row",
                    [{"id": ids[key], "row": one[0]} for one in known[key] if tuple(one) not in there],
                )
                rows = [[ids[key], *chunk] for chunk in column["chunks"]]
                self._put("chunks", ("column_id", *CHUNK_FIELDS), rows)
        return bool(found["more"])

    def blobs_of(self, run_id: str) -> Blobs:
        """See `Source.blobs_of`."""
        return _MirrorBlobs(Path(self._scratch.name) / "blobs", self, run_id)

    def blob(self, run_id: str, digest: str) -> bytes:
        """Return the bytes of a medium from the server."""
        with self._lock:
            return self._client.blob(run_id, digest)

    # -- versions -----------------------------------------------------------------------------------------------------

    @property
    def home(self) -> Home:
        """Where versions are that were brought here."""
        from treering.artifacts.home import Home

        return Home(Path(self._scratch.name), self.database)

    def fetch(self, name: str, project: str | None) -> Facts:
        """Bring a version here, whole, and return what is known of it.

        Raises:
            NotFound: no such version.
        """
        from treering.artifacts.fetching import fetch_version
        from treering.artifacts.lookup import Facts
        from treering.store import Store

        with self._lock:
            there = msgspec.convert(self._client.find_version(name, project or "")["facts"], Facts)
            store = Store(Path(self._scratch.name), self.database)
            here = fetch_version(store, self._client, f"{there.name}:v{there.version}", there.project)
            return msgspec.structs.replace(there, id=here.id)  # numbers and aliases are the server's

    def check_lists_versions(self) -> None:
        """See `Source.check_lists_versions`."""
        raise UsageError(
            "versions are not listed through a server's Api; name one, as in api.version('name:latest'), or look at "
            f"{self.url}"
        )


class _MirrorReader(RunReader):
    """Brings what it reads, once."""

    def __init__(self, mirror: Mirror, run_id: str) -> None:
        super().__init__(mirror.database, run_id)
        self._mirror = mirror
        self._brought: set[tuple[str, str, str | None]] = set()

    def _bring(self, run_id: str, stream: str, keys: Sequence[str] | None) -> None:
        wanted = {(run_id, stream, key) for key in (keys if keys is not None else [None])}
        if not wanted <= self._brought and (run_id, stream, None) not in self._brought:
            self._mirror.bring(run_id, stream, keys)
            self._brought |= wanted

    def _own(self, run_id: str, stream: str, key: str) -> Column:
        self._bring(run_id, stream, [key])
        return super()._own(run_id, stream, key)

    def _window(
        self,
        run_id: str,
        stream: str,
        keys: Sequence[str] | None,
        low: int,
        high: int,
        damage: dict[Damage, None],
    ) -> dict[int, dict[str, Any]]:
        self._bring(run_id, stream, keys)
        return super()._window(run_id, stream, keys, low, high, damage)


class _MirrorBlobs(Blobs):
    """Media of a server's run, each kept here once it was asked for."""

    def __init__(self, folder: Path, mirror: Mirror, run_id: str) -> None:
        super().__init__(folder)
        self._mirror = mirror
        self._run_id = run_id

    def get(self, digest: str) -> bytes:
        """See `Blobs.get`."""
        if not self.path(digest).exists():
            self.put(self._mirror.blob(self._run_id, digest))
        return super().get(digest)


def _name_of(field: Field) -> str:
    return field.key if field.scope == "run" else f"{field.scope}.{field.key}"
