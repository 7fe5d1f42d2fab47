"""Bringing in what other tools have recorded: runs written straight into a store, without a journal.

What an importer hands over between two commits becomes visible at once, together with its note of how far it has read.
So an import that is repeated, or goes on after it was killed, brings in nothing twice.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import msgspec
from xxhash import xxh3_64_hexdigest

from treering.errors import UsageError
from treering.journal import Page, Position
from treering.lease import Lease
from treering.recording import Recording
from treering.records import HISTORY, OPERATION
from treering.store import Store
from treering.store.values import encode, encode_logged
from treering.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from typing_extensions import Self

__all__ = ["ImportedRun", "imported_id"]

_NS = 1_000_000_000


def imported_id(tool: str, *parts: object) -> str:
    """Return the id of a run that came from elsewhere, the same whenever `parts`, which tell it from others, are."""
    return f"{tool}-{xxh3_64_hexdigest(chr(0).join(map(str, parts)).encode('utf-8', 'surrogateescape'))}"


class ImportedRun:
    """One run on its way into a store; a context manager, whose end without an exception says nothing of `end`.

    Args:
        store: open; this uses it from the calling thread only.
        run_id: made by `imported_id`.
        project: of the run.
        name: of the run.
        started_s: when it began, in seconds since 1970.
        group: that it belongs to.
        notes: such as where it comes from.

    Raises:
        UsageError: another process is bringing it in right now.
    """

    def __init__(
        self,
        store: Store,
        run_id: str,
        *,
        project: str,
        name: str,
        started_s: float,
        group: str | None = None,
        notes: str | None = None,
    ) -> None:
        self.id = run_id
        self._started_s = started_s
        self._begin = {"project": project, "name": name, "group_name": group, "notes": notes, "job_type": None}
        self._records: list[bytes] = []
        self._bytes = 0
        place = Store.journal_path(store.folder, run_id)
        place.mkdir(parents=True, exist_ok=True)
        self._lease = Lease(place / "lock")
        if not self._lease.acquire():
            raise UsageError(f"run {run_id!r} is being written by another process; wait for it, and import again")
        self._writer = Writer(store, run_id)
        #: Whether nothing of it has ever been imported.
        self.is_new = not self._writer.run.exists
        self._begun = not self.is_new
        self._row = self._writer.history.next_row("history")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def note(self) -> dict[str, Any]:
        """What the last commit was told to remember; empty for a new run."""
        capture: dict[str, Any] = self._writer.run.row.get("capture") or {}
        note: dict[str, Any] = capture.get("imported") or {}
        return note

    @property
    def config(self) -> dict[str, Any]:
        """The configuration as of the last commit."""
        return dict(self._writer.run.row.get("config") or {})

    @property
    def rows(self) -> int:
        """Rows so far, those of earlier imports among them."""
        return self._row

    @property
    def waiting_bytes(self) -> int:
        """Bytes of what is not committed."""
        return self._bytes

    def log(self, data: Mapping[str, object], step: int, time_s: float) -> None:
        """Add a row, with the values that `Run.log` takes.

        Raises:
            UnsupportedValue: a value that no column can hold.
        """
        if not self._begun:
            self._open()
        time_ns = round(time_s * 1e6) * 1000
        self._add(encode((HISTORY, self._row, step, time_ns, msgspec.Raw(encode_logged(data)))))
        self._row += 1

    def configure(self, values: Mapping[str, object]) -> None:
        """Set entries of the configuration; secrets are masked."""
        self._operate("config", {"set": Recording.config_of(values), "deleted": []}, self._started_s)

    def commit(self, note: Mapping[str, object]) -> None:
        """Write all that was added since the last commit, and the note, in one transaction."""
        # Whatever becomes of this import, what it wrote belongs to a run that is over.
        self._operate("state", {"state": "finished", "failure": None}, self._started_s)
        self._operate("set", {"capture": {"imported": Recording.to_plain(note)}}, self._started_s)
        self._write()

    def end(self, state: str, time_s: float) -> None:
        """Say how the run ended, and when; also after more has been added to one that was imported before."""
        self._operate("end", {"state": state, "failure": None}, time_s)
        self._write()

    def close(self) -> None:
        """Let the run go; what was not committed is forgotten."""
        place = self._lease.path.parent
        self._lease.release(unlink=True)
        with contextlib.suppress(OSError):
            place.rmdir()

    def _open(self) -> None:
        run = {**self._begin, "resume_key": None, "next_step": 0, "parent_id": None, "parent_step": None}
        begin = {"run": run, "attempt": 1, "first_row": 0, "from_step": None, "process": {"imported": True}}
        self._begun = True
        self._operate("begin", begin, self._started_s)

    def _operate(self, name: str, fields: Mapping[str, Any], time_s: float) -> None:
        if not self._begun:
            self._open()
        record = (OPERATION, 0, 0, round(time_s * _NS), {"name": name, "fields": fields})
        self._add(encode(record))

    def _add(self, record: bytes) -> None:
        self._records.append(record)
        self._bytes += len(record)

    def _write(self) -> None:
        before = self._writer.position
        self._writer.write(Page(self._records, Position(max(before.segment, 1), before.offset + self._bytes)))
        self._records, self._bytes = [], 0
