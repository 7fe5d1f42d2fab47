"""Where runs that come over the network go: the store that this server writes, and what it remembers of each run."""

from __future__ import annotations

import asyncio
import logging
import tempfile
import threading
import time
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING

from treering.api._sources import store_folder
from treering.artifacts.depot import Depot
from treering.artifacts.reading import entries_of
from treering.errors import NotFound, StoreError, UsageError
from treering.server.refusals import Refusal
from treering.store import Store
from treering.store.arrivals import Arrival
from treering.store.arriving_documents import check_id
from treering.store.database import Sqlite, open_database

if TYPE_CHECKING:
    from treering.store.blobs import Blobs
    from treering.store.database import Database

__all__ = ["Inbox", "watch_lost"]

_REMEMBERED, _REMEMBERED_VERSIONS = 256, 8
#: A run that has not been heard of for so long is lost; writers show themselves every 30 s.
_SILENCE_S = 300.0
_LOOK_S = 30.0


class Inbox:
    """Gives any thread what it needs to take in a part of a run.

    Args:
        place: as for `Api`; made when it is missing.
        scratch: folder for what is on its way where the store has none; a temporary one unless given.
    """

    def __init__(self, place: str | Path | None, scratch: Path | None = None) -> None:
        self._place = place
        self._scratch = scratch
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        self._lock = threading.Lock()
        self._store: Store | None = None
        self._arrivals: OrderedDict[str, Arrival] = OrderedDict()
        self._chunks: OrderedDict[str, frozenset[bytes]] = OrderedDict()
        self._since_us = time.time_ns() // 1000

    @property
    def store(self) -> Store:
        """The store, open for writing.

        Raises:
            StoreError: it cannot be opened or written.
        """
        with self._lock:
            store = self._store
            # Somebody deleted the file: SQLite would go on writing to one that nobody sees.
            if (
                store is not None
                and isinstance(store.database, Sqlite)
                and not store.database.is_at(store.database.path)
            ):
                store.close()
                store = None
            if store is None:
                self._arrivals.clear()
                store = self._store = self._open()
            return store

    def _open(self) -> Store:
        place = self._place
        if isinstance(place, str) and place.startswith(("postgresql:", "postgresql+")):
            if self._scratch is None:
                self._temporary = self._temporary or tempfile.TemporaryDirectory(prefix="treering-server-")
                self._scratch = Path(self._temporary.name)
            return Store(self._scratch, open_database(place, create=True))
        if place is not None and Path(place).is_file():
            raise StoreError(f"{place} is the file of one run; serve a folder or a database to take runs in")
        return Store.open(store_folder(place), create=True)

    def arrival(self, run_id: str) -> Arrival:
        """Return what is remembered of a run.

        Raises:
            UsageError: no run can have this id.
            Refusal: a process of this machine writes it.
        """
        store = self.store
        with self._lock:
            arrival = self._arrivals.get(run_id)
            if arrival is None or arrival.database is not store.database:
                self._check_free(store, check_id(run_id))
                arrival = self._arrivals[run_id] = Arrival(store.database, run_id)
                while len(self._arrivals) > _REMEMBERED:
                    self._arrivals.popitem(last=False)
            self._arrivals.move_to_end(run_id)
            return arrival

    def _check_free(self, store: Store, run_id: str) -> None:
        if Store.journal_path(store.folder, run_id).exists() or Store.bundle_path(store.folder, run_id).exists():
            raise Refusal(
                409, "written_here", f"run {run_id!r} is recorded in this server's own store; it need not be sent there"
            )

    def depot(self) -> Depot:
        """Return where chunks of artifacts go.

        Raises:
            UsageError: the database has no object store beside it.
        """
        store = self.store
        depot = Depot(store.database, store.folder)
        self._check_bytes(store.database, remote=depot.backend.remote)
        return depot

    def chunks_of(self, version_id: str) -> frozenset[bytes]:
        """Return the ids of a version's chunks.

        Raises:
            NotFound: there is no such version.
        """
        database = self.store.database
        if not database.query("SELECT 1 FROM versions WHERE id = :id", {"id": version_id}):
            raise NotFound(f"there is no version {version_id!r}")
        found = self._chunks.get(version_id)  # what a version is made of never changes
        if found is None:
            entries = entries_of(database, version_id, version_id)
            found = frozenset(chunk_id for entry in entries for chunk_id, _ in entry.pieces())
            with self._lock:
                self._chunks[version_id] = found
                while len(self._chunks) > _REMEMBERED_VERSIONS:
                    self._chunks.popitem(last=False)
        return found

    def blobs(self) -> Blobs:
        """Return where media go.

        Raises:
            UsageError: the database has no object store beside it.
        """
        store = self.store
        if store.database.dialect != "postgresql":
            return store.blobs
        from treering.artifacts.media_objects import ObjectBlobs

        depot = self.depot()
        return ObjectBlobs(depot.backend, depot.scratch)

    def _check_bytes(self, database: Database, *, remote: bool) -> None:
        if database.dialect == "postgresql" and not remote:
            raise UsageError(
                "this server's database has no object store for large bytes; say where they go with "
                "`treering artifact store s3://... --dir postgresql://...`"
            )

    def give_up_lost(self) -> list[str]:
        """Mark runs whose writer has not been heard of for long; returns their ids. They go on when it comes back."""
        database = self.store.database
        now_us = time.time_ns() // 1000
        before_us = now_us - int(_SILENCE_S * 1e6)
        if before_us < self._since_us:
            return []  # while no server was there, nobody could be heard
        rows = database.query(
            "SELECT id FROM runs JOIN deliveries ON run_id = id WHERE state = 'running' AND lapsed = 0 "
            "AND seen_us < :before",
            {"before": before_us},
        )
        return [run_id for (run_id,) in rows if self.arrival(run_id).lapse(before_us)]

    def close(self) -> None:
        """Close the store."""
        with self._lock:
            if self._store is not None:
                self._store.close()
                self._store = None
            if self._temporary is not None:
                self._temporary.cleanup()
                self._temporary = None


async def watch_lost(inbox: Inbox) -> None:
    """Look now and then for runs that have not been heard of; until cancelled."""
    while True:
        await asyncio.sleep(_LOOK_S)
        try:
            await asyncio.to_thread(inbox.give_up_lost)
        except Exception as error:  # the next look may be luckier, and the server goes on
            logging.getLogger("treering.server").warning("looking for lost runs: %s", error)
