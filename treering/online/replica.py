"""Bringing one run from a store of this machine to a server.

Nothing is remembered here that the server does not know: it says which rows it expects and which document it has, so
it does not matter how often, or by how many, a run is brought over, nor when one of them was cut off.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import msgspec

from treering.errors import NotFound, UsageError
from treering.online.client import FilePieces, RefusedKey, RowsExpected
from treering.online.delivery import fingerprint
from treering.records import decode_record
from treering.store.departures import RowsPage, document_of, pages
from treering.store.packed import columns_page
from treering.store.streams import STREAMS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from treering.online.client import Client
    from treering.online.delivery import Progress, RunDocument
    from treering.store import Store
    from treering.store.packed import ColumnsPage
    from treering.store.read_columns import Damage

__all__ = ["Replica"]

_BEAT_S = 30.0
# While somebody looks at the run: so a row that comes after a while is still seen at once.
_WATCHED_BEAT_S = 2.0
_BLOBS_AT_ONCE = 1000


class Replica:
    """One run on its way to a server; for one thread at a time.

    Args:
        store: that has the run; may be read-only.
        client: of the server.
        run_id: of the run.
        warn: told of what cannot be brought over, in words; the rest is.
        every_version: bring over also those that are meant to stay on this machine, as checkpoints mostly are.
    """

    def __init__(
        self, store: Store, client: Client, run_id: str, warn: Callable[[str], None], *, every_version: bool = False
    ) -> None:
        self._store = store
        self._client = client
        self._run_id = run_id
        self._warn = warn
        self._every_version = every_version
        self._progress: Progress | None = None
        self._known_versions: set[str] = set()
        self._capture_digest: str | None = None
        self._restate = False
        self._heard_s = 0.0
        self._signature: object = None
        #: Rows that the server has not got, as of the last look.
        self.rows_behind = 0
        #: Versions that it has not got.
        self.versions_behind = 0

    def advance(self) -> bool:
        """Bring over what is new; True when the server has all that the store had at the call.

        Raises:
            Unreachable: the server does not answer now.
            RefusedKey: it does not take the key.
            Conflict: another run has this id there.
            TreeringError: other trouble of the server's, or of the store's.
        """
        try:
            return self._advance()
        except NotFound:
            # The server has another store by now, or has deleted the run; it gets all of it again.
            if self._progress is None:
                raise
            self._progress, self._known_versions, self._signature = None, set(), None
            return self._advance()

    def _advance(self) -> bool:
        signature = self._sign()
        if signature == self._signature and self._progress is not None:
            if time.monotonic() - self._heard_s > (_WATCHED_BEAT_S if self.watched else _BEAT_S):
                self._hear(self._client.beat(self._run_id))
            return True
        # Before the rows: whatever it says is over, all rows of it are there when they are looked at.
        document = document_of(self._store.database, self._run_id)
        ends = dict(
            self._store.database.query("SELECT stream, next_row FROM streams WHERE run_id = :id", {"id": self._run_id})
        )
        progress = self._meet(document)
        self.rows_behind = sum(max(end - progress.next_rows.get(stream, 0), 0) for stream, end in ends.items())
        if self._differs(document, complete=False):
            self._put(document, complete=False)
        for stream in STREAMS:
            self._send_rows(stream, ends.get(stream, 0))
        complete = self._send_versions()
        self._restate |= self._every_version  # aliases of versions that the server had not got went nowhere
        if self._restate or self._differs(document, complete=complete):
            self._put(document, complete=complete)
        self._signature = signature if complete else None
        return complete

    @property
    def watched(self) -> bool:
        """Whether somebody looks at the run on the server, as its last answer said."""
        return self._client.watched

    def _sign(self) -> object:
        """Return what changes with the run."""
        return self._store.database.query(
            "SELECT updated_us, (SELECT SUM(next_row) FROM streams WHERE run_id = :id), "
            "(SELECT COUNT(*) FROM versions WHERE run_id = :id), "
            "(SELECT COUNT(*) FROM pending_versions WHERE run_id = :id) FROM runs WHERE id = :id",
            {"id": self._run_id},
        )

    def _hear(self, progress: Progress) -> Progress:
        self._progress = progress
        self._heard_s = time.monotonic()
        return progress

    def _meet(self, document: RunDocument) -> Progress:
        """Ask what the server has of the run; one that it does not know is made there."""
        if self._progress is not None:
            return self._progress
        try:
            return self._hear(self._client.beat(self._run_id))
        except NotFound:
            pass
        return self._put(document, complete=False)

    # -- the document -------------------------------------------------------------------------------------------------

    def _shown(self, document: RunDocument, *, complete: bool) -> RunDocument:
        """Return the document as it is sent now: with what is large only where it has changed."""
        known = document.capture_digest == self._capture_digest
        return msgspec.structs.replace(document, complete=complete, capture=None if known else document.capture)

    def _differs(self, document: RunDocument, *, complete: bool) -> bool:
        progress = self._progress
        if progress is None:
            return True
        there = {fingerprint(msgspec.structs.replace(document, complete=which)) for which in {complete, True}}
        # What is complete once stays so while nothing changes.
        return progress.fingerprint not in there

    def _put(self, document: RunDocument, *, complete: bool) -> Progress:
        known = self._progress.version if self._progress is not None else 0
        shown = msgspec.structs.replace(
            self._shown(document, complete=complete), version=max(document.version, known + 1)
        )
        progress = self._client.put_run(self._run_id, shown)
        self._capture_digest = document.capture_digest
        self._restate = False
        return self._hear(progress)

    # -- rows ---------------------------------------------------------------------------------------------------------

    def _send_rows(self, stream: str, end: int) -> None:
        assert self._progress is not None  # noqa: S101  # for type checkers: the server has been asked
        at = self._progress.next_rows.get(stream, 0)
        damage: list[Damage] = []
        while at < end:
            columns = columns_page(self._store.database, self._run_id, stream, at, end)
            if columns is not None and (next_row := self._send_columns(stream, columns)) is not None:
                at = self._note_rows(stream, next_row)
                continue
            stop = end if columns is None else columns.stop
            for page in pages(self._store.database, self._run_id, stream, at, stop, damage):
                at = self._note_rows(stream, self._send_page(stream, page))
                if at != page.stop:
                    break
        for item in damage:
            self._warn(f"rows {item.first_row} to {item.last_row} of run {self._run_id}: {item.message}")

    def _note_rows(self, stream: str, next_row: int) -> int:
        """Take note that the server expects this row next."""
        assert self._progress is not None  # noqa: S101  # for type checkers: the server has been asked
        self.rows_behind -= max(next_row - self._progress.next_rows.get(stream, 0), 0)
        self._progress.next_rows[stream] = next_row
        self._heard_s = time.monotonic()
        # More than one attempt: the server counts what it has got meanwhile, and leaves out what is superseded.
        self._restate |= stream == "history" and self._progress.attempt > 1
        return next_row

    def _send_columns(self, stream: str, page: ColumnsPage) -> int | None:
        """Send columns; returns the row that is expected next, None where the server does not take them."""
        try:
            return self._client.append_columns(self._run_id, stream, page.first_row, page.stop, page.pieces)
        except RowsExpected as gap:
            return gap.expected
        except RefusedKey:
            raise
        except UsageError:
            return None  # as rows, the one that it does not take is found

    def _send_page(self, stream: str, page: RowsPage) -> int:
        """Send rows; returns the row that is expected next."""
        if page.digests:
            self._send_blobs(page.digests)
        try:
            return self._client.append(self._run_id, stream, page.first_row, page.stop, page.records)
        except RowsExpected as gap:
            return gap.expected
        except RefusedKey:
            raise
        except UsageError as refusal:
            return self._send_less(stream, page, refusal)

    def _send_less(self, stream: str, page: RowsPage, refusal: UsageError) -> int:
        """Find the row that the server does not take, and leave it out."""
        records = page.records
        if len(records) < 2:  # noqa: PLR2004  # nothing to halve
            if not records:
                raise refusal
            self._warn(f"row {decode_record(records[0]).row} of run {self._run_id} is not taken: {refusal}")
            return self._send_page(stream, page._replace(records=[], digests=[]))
        half = len(records) // 2
        middle = decode_record(records[half]).row
        at = self._send_page(stream, RowsPage(page.first_row, middle, records[:half], []))
        return at if at != middle else self._send_page(stream, RowsPage(middle, page.stop, records[half:], []))

    # -- large bytes --------------------------------------------------------------------------------------------------

    def _send_blobs(self, digests: Sequence[str]) -> None:
        wanted = list(dict.fromkeys(digests))
        for start in range(0, len(wanted), _BLOBS_AT_ONCE):
            try:
                missing = self._client.missing_blobs(self._run_id, wanted[start : start + _BLOBS_AT_ONCE])
                for digest in missing:
                    self._send_blob(digest)
            except RefusedKey:
                raise
            except UsageError as refusal:
                self._warn(f"media of run {self._run_id} are not taken: {refusal}")

    def _send_blob(self, digest: str) -> None:
        try:
            path = self._store.blobs.path(digest)
        except NotFound as error:
            self._warn(str(error))
            return
        if not path.is_file():
            self._warn(f"blob {digest} of run {self._run_id} is not in the store")
            return

        self._client.put_blob(self._run_id, digest, FilePieces(path))

    def _send_versions(self) -> bool:
        """Bring over versions; False while some are not saved in the store yet."""
        from treering.artifacts.sending import send_versions

        self.versions_behind = send_versions(
            self._store, self._client, self._run_id, self._known_versions, self._warn, every=self._every_version
        )
        return not self.versions_behind
