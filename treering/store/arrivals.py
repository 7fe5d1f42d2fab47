"""Taking in a run that comes over the network, part by part; see `treering.online.delivery`.

A part may come twice, late, or at one of several servers that share the database. So each change is one transaction
that holds the run against others, and raises its generation there: whoever remembers another one reads anew.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

from treering.errors import NotFound
from treering.online.delivery import Progress
from treering.store.arriving_documents import GIVEN_HERE_TOO, apply_document, give_back
from treering.store.history import HistoryWriter, PreparedRows
from treering.store.packed import PackedRows
from treering.store.runs import RunWriter
from treering.store.values import decode, encode

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from treering.online.delivery import RunDocument
    from treering.records import Row
    from treering.store.database import Database
    from treering.store.uniform import Block

__all__ = ["Arrival", "Arriving", "Gap"]

#: Rows in one of the forms in which they come: records, or columns.
Arriving: TypeAlias = "Sequence[Row | Block] | PackedRows"

_STREAMS = ("history", "system", "console", "events")


class Gap(Exception):  # noqa: N818  # a state more than an error
    """Rows came before those in front of them; `expected` is the number of the row that has to come next."""

    def __init__(self, expected: int) -> None:
        super().__init__(f"row {expected} is expected next")
        self.expected = expected


class Arrival:
    """One run that comes in; any thread may call any method.

    Args:
        database: open for writing.
        run_id: need not be there before its document has come.
    """

    def __init__(self, database: Database, run_id: str) -> None:
        self.database = database
        self.run_id = run_id
        self.run = RunWriter(database, run_id)
        self.history = HistoryWriter(database, run_id)
        self._lock = threading.RLock()
        self._generation: int | None = None
        self._lapsed = self._stale = False
        self._version, self._fingerprint = 0, ""
        self._said: bytes | None = None
        # What an earlier attempt logged comes before this row; it may be superseded.
        self._newest_first_row = 0

    @contextmanager
    def _changing(self) -> Generator[None]:
        """Hold the run, as it is in the database, inside of a transaction."""
        with self.held(), self.database.transaction():
            self._look()
            if self._lapsed and self.run.exists:
                give_back(self.run)
                self._lapsed = False
            yield
            if self.run.exists:
                self._mark()

    @contextmanager
    def held(self) -> Generator[None]:
        """Keep others from the run; what is remembered of it is forgotten where what is done inside fails."""
        with self._lock:
            try:
                yield
            except BaseException:
                self._generation = None  # it may have been rolled back
                raise

    def _look(self) -> None:
        if self.database.dialect == "postgresql":
            self.database.query("SELECT pg_advisory_xact_lock(7463, hashtext(:id))", {"id": self.run_id})
        found = self.database.query(
            "SELECT generation, version, fingerprint, said, stale, lapsed FROM deliveries WHERE run_id = :id",
            {"id": self.run_id},
        )
        generation, self._version, self._fingerprint, self._said, stale, lapsed = (
            found[0] if found else (0, 0, "", None, 0, 0)
        )
        self._stale, self._lapsed = bool(stale), bool(lapsed)
        if generation != self._generation or not generation:
            self._load()
            self._generation = generation

    def _load(self) -> None:
        self.run.load()
        self.history.load()
        rows = self.database.query(
            "SELECT COALESCE(MAX(first_row), 0) FROM attempts WHERE run_id = :id", {"id": self.run_id}
        )
        self._newest_first_row = int(rows[0][0])

    def _mark(self) -> None:
        generation = (self._generation or 0) + 1
        self.database.execute(
            "INSERT INTO deliveries (run_id, generation, version, fingerprint, said, stale, lapsed, seen_us) "
            "VALUES (:id, :generation, :version, :fingerprint, :said, :stale, :lapsed, :now) ON CONFLICT (run_id) "
            "DO UPDATE SET generation = excluded.generation, version = excluded.version, fingerprint = "
            "excluded.fingerprint, said = excluded.said, stale = excluded.stale, lapsed = excluded.lapsed, "
            "seen_us = excluded.seen_us",
            {
                "id": self.run_id,
                "generation": generation,
                "version": self._version,
                "fingerprint": self._fingerprint,
                "said": self._said,
                "stale": int(self._stale),
                "lapsed": int(self._lapsed),
                "now": time.time_ns() // 1000,
            },
        )
        self._generation = generation

    # -- parts --------------------------------------------------------------------------------------------------------

    def append(self, stream: str, first_row: int, stop: int, rows: Arriving) -> int:
        """Add rows to a stream; those that are there already are left out.

        Args:
            stream: one of the four.
            first_row: number of the row that they begin with.
            stop: number behind the last of them; numbers in between that none of them has are of rows that are lost.
            rows: ascending, all within these two.

        Returns:
            The row that is expected next.

        Raises:
            Gap: rows before `first_row` have not come yet.
            NotFound: the run's document has not come yet.
        """
        with self._lock:
            # Encoded before the database is locked; done again if another server has changed it meanwhile.
            generation, prepared = self._generation, self._prepare(stream, stop, rows)
            with self._changing():
                if not self.run.exists:
                    raise NotFound(f"run {self.run_id!r} is not known here; send its document first")
                expected = self.history.next_row(stream)
                if first_row > expected:
                    raise Gap(expected)
                if stop <= expected:
                    return expected
                if generation is None or generation != self._generation:
                    prepared = self._prepare(stream, stop, rows)
                self._store(stream, first_row, prepared, rows)
            return self.history.next_row(stream)

    def _prepare(self, stream: str, stop: int, rows: Arriving) -> PreparedRows:
        if isinstance(rows, PackedRows):
            return PreparedRows(stream, stop, rows.since(self.history.next_row(stream)))
        prepared = self.history.prepare(stream, rows) if rows else None
        return PreparedRows(stream, stop, prepared.parts if prepared is not None else [])

    def _store(self, stream: str, first_row: int, prepared: PreparedRows, rows: Arriving) -> None:
        columns = self.history.append(prepared)
        if stream != "history":
            return
        if rows:
            last = rows if isinstance(rows, PackedRows) else rows[-1]
            self.run.set(next_step=last.last_step + 1)
        self._stale |= first_row < self._newest_first_row
        self.run.summarise(columns)
        self.run.save()

    def put(self, document: RunDocument, fingerprint: str) -> Progress:
        """Take in a run's document, unless a later one is there.

        Raises:
            UsageError: it cannot be stored, or is of another run with this id.
        """
        with self._changing():
            if self.run.exists and document.version <= self._version:
                return self._progress()
            before: dict[str, Any] = decode(self._said) if self._said is not None else {}
            apply_document(self.run, self.history, document, stale=self._stale, said=before)
            self._stale, self._said = False, encode({name: getattr(document, name) for name in GIVEN_HERE_TOO})
            if document.uses or document.aliases:
                from treering.artifacts.receiving import link_versions

                link_versions(self.database, self.run_id, document)
            self._version, self._fingerprint = document.version, fingerprint
            self._newest_first_row = max(part.first_row for part in document.attempts)
            return self._progress()

    def beat(self) -> Progress:
        """Take note that the writer lives, and return how far it has got.

        Raises:
            NotFound: the run's document has not come yet.
        """
        with self._changing():
            return self._progress()

    def lapse(self, before_us: int) -> bool:
        """Mark the run as lost unless its writer has been heard of since `before_us`; True when it is."""
        with self._lock, self.database.transaction():
            self._generation = None
            self._look()
            seen = self.database.query("SELECT seen_us FROM deliveries WHERE run_id = :id", {"id": self.run_id})
            if not seen or seen[0][0] >= before_us or self._lapsed or self.run.row.get("state") != "running":
                return False
            message = "nothing has been heard of its process; it was killed, or has lost the network"
            failure = {"type": "", "message": message, "traceback": "", "step": self.run.row["next_step"] - 1}
            self.run.apply_end({"state": "lost", "failure": failure}, seen[0][0])
            self.run.save(final=True)
            self.database.execute(
                "UPDATE deliveries SET lapsed = 1, generation = generation + 1 WHERE run_id = :id", {"id": self.run_id}
            )
            self._generation = None
            return True

    def _progress(self) -> Progress:
        if not self.run.exists:
            raise NotFound(f"run {self.run_id!r} is not known here; send its document first")
        ((created_us,),) = self.database.query("SELECT created_us FROM runs WHERE id = :id", {"id": self.run_id})
        next_rows = {stream: self.history.next_row(stream) for stream in _STREAMS}
        state: Any = self.run.row["state"]
        return Progress(created_us, state, self.run.attempt, self._version, self._fingerprint, next_rows)
