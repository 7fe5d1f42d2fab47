"""From a journal to the store: `Writer` moves records, `Background` is the thread that keeps it going.

Every batch is one transaction that also moves the journal's position in the database, so a record is applied exactly
once whatever dies in between. Replaying a dead run's journal is the same code reading the same records.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
import warnings
from typing import TYPE_CHECKING, Any, NamedTuple

from treering._ahead import make_ready
from treering.errors import CorruptData, TreeringError, TreeringWarning
from treering.journal import Journal, Page, Position
from treering.records import HISTORY, OPERATION, STREAMS, Operation, Row
from treering.store.history import ColumnState, HistoryWriter, PreparedRows
from treering.store.runs import RunWriter
from treering.store.superseded import restate
from treering.store.uniform import Block, read_rows
from treering.store.values import Carried

if TYPE_CHECKING:
    from collections.abc import Callable

    from treering.artifacts.committing import Request
    from treering.onlookers import Pace
    from treering.store import Store

__all__ = ["Background", "Writer"]

#: Journal bytes taken into one transaction; bounds the writer's memory.
BATCH_BYTES = 1 << 20
_BEGINNING = Position(0, 0)
_ARTIFACTS = ("version", "use")
# What the first checkpoint takes is loaded when a run has been going on for so long: short ones do without.
_AHEAD_S = 5.0
# After a failure the store is tried again this much later, and twice as late each time up to the second figure.
_RETRY_S, _MAX_RETRY_S = 1.0, 30.0


class _Batch(NamedTuple):
    rows: dict[int, list[Row | Block]]
    operations: list[Operation]
    end: Position

    def rewinds(self) -> list[int]:
        """Return the number of the first row behind each rewind."""
        return [operation.fields["first_row"] for operation in self.operations if operation.name == "rewind"]


class Writer:
    """Applies the records of one run's journal to a store.

    Args:
        store: opened by the thread that uses the writer.
        run_id: whose journal it is.
        on_pending: told of each version that is to be saved from now on.
    """

    def __init__(self, store: Store, run_id: str, on_pending: Callable[[Request], None] | None = None) -> None:
        self.store = store
        self.run = RunWriter(store.database, run_id)
        self.history = HistoryWriter(store.database, run_id)
        self.position = _BEGINNING
        #: Rows that the journal had no room for; kept with the attempt.
        self.dropped_rows = 0
        #: Records that could not be stored, in words.
        self.refused: list[str] = []
        self._on_pending = on_pending
        # The statistics still count rows that the present attempt replaces.
        self._restate_due = False
        # The present attempt's first row, while its `from_step` is not known.
        self._awaits_row: int | None = None
        # What would have to be done again in a new store.
        self._begin: Operation | None = None
        self.reload()

    def reload(self) -> None:
        """Forget what a failed transaction has mixed up and read it back."""
        self.run.load()
        self.history.load()
        if self.run.exists:
            rows = self.store.database.query(
                "SELECT journal_segment, journal_offset FROM attempts WHERE run_id = :run_id "
                "ORDER BY journal_segment DESC, journal_offset DESC LIMIT 1",
                {"run_id": self.run.run_id},
            )
            self.position = Position(*rows[0]) if rows else _BEGINNING
            self._await_row()

    def _await_row(self) -> None:
        rows = self.store.database.query(
            "SELECT first_row FROM attempts WHERE run_id = :run_id AND attempt = :attempt AND from_step IS NULL",
            {"run_id": self.run.run_id, "attempt": self.run.attempt},
        )
        resumed = self.run.attempt > 1 and rows and self.history.next_row("history") == rows[0][0]
        self._awaits_row = rows[0][0] if resumed else None

    def write(self, page: Page) -> int:
        """Apply records in one transaction and return how many there were.

        Args:
            page: records from `position` on, of about `BATCH_BYTES`.

        Raises:
            TreeringError, OSError: nothing was applied; call `reload` before the next try.
        """
        if not page.records:
            return 0
        batch, prepared = self._prepare(page)
        with self.store.database.transaction():
            pending = self._apply(batch, prepared)
            self._save_position(batch.end)
        self.position = batch.end
        self._begin = next((operation for operation in batch.operations if operation.name == "begin"), self._begin)
        if self._on_pending is not None:
            for request in pending:
                self._on_pending(request)
        return len(page.records)

    def _apply(self, batch: _Batch, prepared: list[PreparedRows]) -> list[Request]:
        """Change the database, inside its transaction; returns the versions that are to be saved."""
        pending: list[Request] = []
        run = self.run
        for operation in batch.operations:
            if operation.name == "begin":
                run.apply(operation)
                self._await_row()
        touched = [(part.stream, self.history.append(part)) for part in prepared]
        self._find_start(batch)
        for operation in batch.operations:
            if operation.name in _ARTIFACTS:
                request = self._apply_artifact(operation)
                pending += [] if request is None else [request]
            elif operation.name != "begin":
                run.apply(operation)
        self._settle(batch, touched)
        ended = any(operation.name == "end" for operation in batch.operations)
        if ended:
            self.history.compact()
        run.save(final=ended)
        return pending

    def _apply_artifact(self, operation: Operation) -> Request | None:
        """Note what a run keeps or uses; what it keeps is returned."""
        from treering.artifacts import changing, saving

        fields = operation.fields
        if operation.name == "use":
            now_us = operation.time_ns // 1000
            changing.record_use(self.store.database, fields["version"], self.run.run_id, fields["asked"], now_us)
            return None
        request = saving.read_request(fields)
        saving.add_pending(self.store.database, request)
        return request

    def _prepare(self, page: Page) -> tuple[_Batch, list[PreparedRows]]:
        """Do what needs no transaction."""
        try:
            batch = self._parse(page)
            return batch, self._prepare_rows(batch)
        except OSError:
            raise
        except Exception:  # a record that nothing can be made of must not keep the others out
            batch = self._parse(self._sound(page))
            return batch, self._prepare_rows(batch)

    def _sound(self, page: Page) -> Page:
        """Return the records that can be stored; the others are named in `refused`."""
        sound: list[bytes] = []
        for data in page.records:
            try:
                self._prepare_rows(self._parse(Page([data], page.end)))
            except OSError:
                raise
            except Exception as error:
                self.refused.append(
                    f"a record of {len(data)} bytes before byte {page.end.offset} of journal segment "
                    f"{page.end.segment} cannot be stored ({type(error).__name__}: {error})"
                )
            else:
                sound.append(data)
        return page._replace(records=sound)

    def _parse(self, page: Page) -> _Batch:
        rows: dict[int, list[Row | Block]] = {}
        operations: list[Operation] = []
        for record in read_rows(page.records):
            if isinstance(record, Row) and record.stream == OPERATION:
                operations.append(Operation.of(record))
                continue
            found = rows.get(record.stream)
            if found is None:
                found = rows[record.stream] = []
            found.append(record)
        return _Batch(rows, operations, page.end)

    def _prepare_rows(self, batch: _Batch) -> list[PreparedRows]:
        prepared = (
            self.history.prepare(STREAMS[stream], rows, self._store_media) for stream, rows in batch.rows.items()
        )
        return [part for part in prepared if part is not None]

    def _store_media(self, value: Carried) -> Carried:
        from treering import media

        return Carried(value.kind, media.store(value.kind, value.payload, self.store.blobs))

    def _settle(self, batch: _Batch, touched: list[tuple[str, list[ColumnState]]]) -> None:
        """Bring the run's row up to its new history rows."""
        columns = [column for stream, found in touched if stream == "history" for column in found]
        rows = batch.rows.get(HISTORY)
        names = {operation.name for operation in batch.operations}
        self._restate_due |= bool(names & {"begin", "rewind"}) and self.run.attempt > 1
        restating = self._restate_due and self._awaits_row is None
        anew = "define" in names or restating
        if restating:
            restate(self.store.database, self.history, self.run.run_id)
            self._restate_due = False
        if anew:
            columns = [column for (stream, _), column in self.history.columns.items() if stream == "history"]
        self.run.summarise(columns, anew=anew)
        # What was logged before a rewind is not where the run goes on.
        if rows and rows[-1].next_row > max(batch.rewinds(), default=0):
            self.run.set(next_step=rows[-1].last_step + 1)

    def _find_start(self, batch: _Batch) -> None:
        """Where the run was resumed without being told from where, the first row says it."""
        rewinds = batch.rewinds()
        awaited = self._awaits_row
        if awaited is None:
            return
        first = next((row for row in batch.rows.get(HISTORY, ()) if row.next_row > awaited), None)
        if first is not None and max(first.row, awaited) < min(rewinds, default=first.next_row):
            step = first.step_from(awaited)
            if step < self.run.row["next_step"]:
                self.run.supersede(step)
                self._restate_due = True
            self._awaits_row = None
        if rewinds:
            self._awaits_row = None

    def _save_position(self, end: Position) -> None:
        self.store.database.execute(
            "UPDATE attempts SET journal_segment = :segment, journal_offset = :offset, dropped_rows = :dropped "
            "WHERE run_id = :run_id AND attempt = :attempt",
            {
                "run_id": self.run.run_id,
                "attempt": self.run.attempt,
                "segment": end.segment,
                "offset": end.offset,
                "dropped": self.dropped_rows,
            },
        )

    def conclude(self, operation: Operation) -> None:
        """Apply an operation that is in no journal."""
        with self.store.database.transaction():
            self.run.apply(operation)
            self.run.save(final=operation.name == "end")

    def begin_again(self, store: Store) -> None:
        """Go on in a store that took the place of the one that was deleted; what that one held is gone."""
        self.store = store
        self.run.database = self.history.database = store.database
        row, position = self.run.row, self.position
        self.reload()
        begin = self._begin
        if begin is not None:
            with store.database.transaction():
                fields = {**begin.fields, "attempt": row["attempt"], "from_step": None}
                self.run.apply(begin._replace(fields=fields))
                self.run.restore(row)
                self.run.save()
        self.position = position


class Background(threading.Thread):
    """The thread between a journal and its store.

    Args:
        open_store: called on this thread, and again when the store was deleted.
        journal: its reading end is this thread's alone.
        run_id: of the run.
        pace: seconds between two moves; 0.01 or more.
        on_pending: see `Writer`.
        on_tick: called before moves, at the usual pace at most; what it raises is a warning.
    """

    def __init__(
        self,
        open_store: Callable[[], Store],
        journal: Journal,
        run_id: str,
        *,
        pace: Pace,
        on_pending: Callable[[Request], None] | None = None,
        on_tick: Callable[[], None] | None = None,
    ) -> None:
        super().__init__(name=f"treering-{run_id}", daemon=True)
        self._open_store = open_store
        self._journal = journal
        self._run_id = run_id
        self._pace = pace
        self._tick_at_s = 0.0
        self._on_pending = on_pending
        self._on_tick = on_tick
        self._writer: Writer | None = None
        self._wake = _Bell()
        self._moved = threading.Condition()
        self._position = _BEGINNING
        self._note: Operation | None = None
        self._noted = _Bell()
        self._closing = False
        self._failures = self._failed_tries = 0
        self._warned: set[str] = set()
        self.dropped_rows = 0

    def begin(self) -> None:
        """Start; where no thread can be started any more, as the interpreter is ending, `close` does all the work."""
        if not sys.is_finalizing():
            with contextlib.suppress(RuntimeError):
                self.start()

    def run(self) -> None:
        """Move records until `close`."""
        ahead_at_s = time.monotonic() + _AHEAD_S
        while True:
            self._tick()
            begun_s, closing = time.monotonic(), self._closing  # first: what comes before `close` must still be moved
            failed = self._try_to_move()
            if closing:
                break
            delay_s = self._pace.interval_s(time.monotonic() - begun_s)
            if time.monotonic() > ahead_at_s:
                make_ready()  # the training thread would else do it, with its first checkpoint
            if failed:
                self._failures += 1
                delay_s = min(_RETRY_S * 2 ** (self._failures - 1), _MAX_RETRY_S)
            else:
                self._failures = 0
            self._wake.wait(delay_s)
        self._close_store()

    def _close_store(self) -> None:
        if self._writer is not None:
            with contextlib.suppress(TreeringError):
                self._writer.store.close()

    def _tick(self, *, at_once: bool = False) -> None:
        now_s = time.monotonic()
        if self._on_tick is not None and (at_once or now_s >= self._tick_at_s or self._closing):
            self._tick_at_s = now_s + self._pace.usual_s / 2
            try:
                self._on_tick()
            except Exception as error:  # a failing observer must not stop the writer
                self.warn("observing the process", error)

    def _try_to_move(self) -> bool:
        try:
            self._move()
        except Exception as error:  # whatever is wrong with the store, the training goes on
            self.warn("writing to the store", error)
            self._failed_tries += 1
            self._recover_writer()
            return True
        return False

    def _move(self) -> None:
        if self._writer is None:
            self._writer = Writer(self._open_store(), self._run_id, self._on_pending)
            self._advance(self._writer.position)
        writer = self._writer
        self._check_store(writer)
        while (page := self._journal.read(writer.position, BATCH_BYTES)).records:
            writer.dropped_rows = self.dropped_rows  # asked after reading: all that came before what was read
            writer.write(page)
            self._advance(writer.position)
            self._journal.release(writer.position)
            self._journal.prepare()
        for trouble in (*writer.refused, *writer.history.damage):
            self.warn("writing to the store", CorruptData(trouble))
        self._journal.prepare()
        note = self._note
        if note is not None and writer.run.exists:
            writer.conclude(note)
            self._note = None
            self._noted.ring()

    def _advance(self, position: Position) -> None:
        self._position = position
        # Not waited for: a signal handler may be waiting for this thread while the thread it interrupted has the lock.
        if self._moved.acquire(blocking=False):
            self._moved.notify_all()
            self._moved.release()

    def _check_store(self, writer: Writer) -> None:
        """Notice that somebody deleted the store: SQLite would go on writing to a file that nobody sees."""
        place = getattr(writer.store.database, "path", None)
        if place is None or (place.exists() and writer.store.database.is_at(place)):  # type: ignore[attr-defined]  # has a path
            return
        self.warn(
            "writing to the store",
            TreeringError(f"{place} was deleted while the run was going on; it goes on in a new store at that place"),
        )
        with contextlib.suppress(TreeringError):
            writer.store.close()
        self._journal.restore_folder()
        self._tick(at_once=True)  # until its lease is there again, others would take the run for dead
        writer.begin_again(self._open_store())

    def _recover_writer(self) -> None:
        with contextlib.suppress(Exception):
            if self._writer is not None:
                self._writer.reload()

    def warn(self, doing: str, error: BaseException) -> None:
        """Say once for each kind of trouble what is wrong; the training goes on."""
        kind = f"{doing}:{type(error).__name__}"
        if kind in self._warned:
            return
        self._warned.add(kind)
        with contextlib.suppress(TreeringWarning):  # warnings may be errors; not on this thread
            # No line of the user's is to blame, so none is named.
            warnings.warn_explicit(
                f"trouble while {doing}: {error}. The training goes on.", TreeringWarning, "treering", 1
            )

    @property
    def position(self) -> Position:
        """How far the journal is in the store."""
        return self._position

    @property
    def summary(self) -> dict[str, Any]:
        """The run's summary as of `position`."""
        return dict(self._writer.run.row.get("summary") or {}) if self._writer is not None else {}

    def note(self, operation: Operation, timeout_s: float) -> bool:
        """Apply an operation behind all that is in the journal now; takes no lock. False when time runs out."""
        self._note = operation
        deadline = time.monotonic() + timeout_s
        while self._note is operation and self.is_alive() and time.monotonic() < deadline:
            self._wake.ring()
            self._noted.wait(0.05)
        return self._note is not operation

    def flush(self, timeout_s: float | None = None) -> bool:
        """Wait until all that was appended before the call is in the store.

        Returns:
            False when time runs out, or when the store cannot be written: a training must not wait for that.
        """
        target = self._journal.position()
        failed_tries = self._failed_tries
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        with self._moved:
            while self._position < target:
                # The first failure may be of a try from before the call.
                if not self.is_alive() or self._failed_tries > failed_tries + 1:
                    return False
                self._wake.ring()
                left = 0.1 if deadline is None else min(0.1, deadline - time.monotonic())
                if left <= 0:
                    return False
                self._moved.wait(left)
        return True

    def close(self, timeout_s: float | None = None) -> bool:
        """Move what is left and end; True when everything is in the store."""
        target = self._journal.position()
        self._closing = True
        if self.ident is None:
            self._try_to_move()
            self._close_store()
        else:
            self._wake.ring()
            self.join(timeout_s)
        return not self.is_alive() and self._position >= target


class _Bell:
    """An event whose `ring` may interrupt any of its methods, as a signal handler does; `threading.Event` may not."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()

    def ring(self) -> None:
        """End the present `wait`, or the next one."""
        with contextlib.suppress(RuntimeError):  # it has been rung already
            self._lock.release()

    def wait(self, timeout_s: float) -> None:
        """Wait until it rings, or for so long; for one thread at a time."""
        self._lock.acquire(timeout=timeout_s)
