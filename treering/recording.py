"""A run's machinery: journal, lease, writer thread and observers, opened and closed together."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from treering._notice import warn
from treering.journal import ClosedJournal, Journal
from treering.lease import Lease
from treering.onlookers import Pace
from treering.plain import to_plain
from treering.records import Operation
from treering.secrets import mask_mapping
from treering.store import DATABASE, Store
from treering.store.database import Sqlite
from treering.writer import Background

if TYPE_CHECKING:
    from collections.abc import Callable

    from treering.artifacts import Artifact
    from treering.artifacts.committing import Filed, Request
    from treering.artifacts.saver import Saver
    from treering.observer import Observer
    from treering.online.credentials import Server
    from treering.online.uploading import Uploader
    from treering.settings import Settings

__all__ = ["Companion", "Recording", "Start"]

# A finish that takes longer than this says what it waits for.
_PATIENCE_S = 2.0
_FINISH_TIMEOUT_S = 120.0
_SAVE_TIMEOUT_S = 600.0
# ... and for checkpoints to be stored in less room, which another run or `treering artifact gc` goes on with.
_CATCH_UP_S = 5.0


@dataclass
class Start:
    """What a run begins with; kept up to date with what the user sets.

    Attributes:
        folder: of the store.
        bundle: the run is written to a file of its own.
        first_row: number of this attempt's first history row; `next_rows` those of the other streams, by number.
        first_segment: number of the journal's first segment, beyond those of earlier attempts.
        process: who writes this attempt.
        server: that the run is brought to while it goes on; None for none.
    """

    id: str
    project: str
    name: str
    mode: str
    folder: Path
    settings: Settings
    bundle: bool = False
    attempt: int = 1
    first_row: int = 0
    next_step: int = 0
    first_segment: int = 1
    next_rows: dict[int, int] = field(default_factory=dict[int, int])
    config: dict[str, Any] = field(default_factory=dict[str, Any])
    group_name: str | None = None
    job_type: str | None = None
    notes: str | None = None
    tags: tuple[str, ...] = ()
    process: dict[str, Any] = field(default_factory=dict[str, Any])
    server: Server | None = None
    sweep: str | None = None


class Companion(Protocol):
    """What goes on beside a run and logs to it."""

    def stop(self) -> None:
        """Log what there is left, and end; called before the run ends."""

    def forget(self) -> None:
        """In a forked child: do nothing more."""


class Recording:
    """All that works behind one `Run`.

    Args:
        start: of the run; its journal's folder is leased here.
        lease: acquired.
    """

    def __init__(self, start: Start, lease: Lease) -> None:
        self.start = start
        self.state = "running"
        self.failure: dict[str, Any] | None = None
        self.ended = False
        self._ending = False
        #: Nothing is recorded: the run is disabled, or this is a forked child's copy.
        self.inert = False
        self._lease = lease
        self._warned: set[str] = set()
        self._expected: dict[str, Artifact] = {}
        self._saver: Saver | None = None
        self._uploader: Uploader | None = None
        self._lock = threading.RLock()
        self.observer: Observer | None = None
        self._companions: list[Companion] = []
        self._open(start.first_segment)

    def _open(self, first_segment: int) -> None:
        self.journal = self._new_journal(first_segment)
        self.background = self._new_background()

    @classmethod
    def nothing(cls, start: Start) -> Recording:
        """Return the machinery of a run that records nothing."""
        recording = _Nothing(start, Lease(Path(os.devnull)))
        recording.inert = True
        return recording

    def _new_journal(self, first_segment: int, lock: threading.RLock | None = None) -> Journal:
        limit_bytes = self.start.settings.journal_limit_mb << 20
        folder = Store.journal_path(self.start.folder, self.start.id)
        return Journal(folder, first_segment=first_segment, limit_bytes=limit_bytes, lock=lock)

    def _new_background(self) -> Background:
        return Background(
            self.open_store,
            self.journal,
            self.start.id,
            pace=Pace(self.start.folder, self.start.id, self.start.settings.flush_interval_s),
            on_pending=self._save,
            on_tick=self._tick,
        )

    def open_store(self) -> Store:
        """Open what the run is written to, made when missing."""
        if self.start.bundle:
            return Store.open_bundle(self.start.folder, self.start.id, create=True)
        return Store.open(self.start.folder, create=True)

    def begin(self) -> None:
        """Start the writer; the operation "begin" is in the journal."""
        self.background.begin()
        self._begin_upload()

    def _begin_upload(self) -> None:
        """Start bringing the run to its server, if it has one."""
        start = self.start
        if start.server is not None:
            from treering.online.uploading import Uploader

            self._uploader = Uploader(
                self._open_to_read, start.server, start.id, start.settings.flush_interval_s, self.background.warn
            )
            self._uploader.begin()

    def _open_to_read(self) -> Store:
        folder = self.start.folder
        path = Store.bundle_path(folder, self.start.id) if self.start.bundle else folder / DATABASE
        return Store(folder, Sqlite(path, read_only=True))

    def observe(self, observer: Observer) -> None:
        """Start watching the process."""
        self.observer = observer
        observer.start()

    def accompany(self, companion: Companion) -> None:
        """Have something stopped before the run ends."""
        self._companions.append(companion)

    def _tick(self) -> None:
        self._lease.touch()
        if self.observer is not None:
            self.observer.tick()

    @staticmethod
    def to_plain(value: object) -> Any:
        """Return any object as plain data with its secrets masked."""
        plain = to_plain(value)
        return mask_mapping(plain) if isinstance(plain, dict) else plain

    @classmethod
    def config_of(cls, value: object) -> dict[str, Any]:
        """Return any object as config entries; what has no fields becomes one called "value"."""
        plain: object = {} if value is None else cls.to_plain(value)
        return cast("dict[str, Any]", plain) if isinstance(plain, dict) else {"value": plain}

    # -- artifacts ----------------------------------------------------------------------------------------------------

    def expect_artifact(self, artifact: Artifact) -> None:
        """Remember whom to tell when a version is in the store."""
        self._expected[artifact.id] = artifact

    def _save(self, request: Request) -> None:
        """Have a version saved that the journal's writer has entered as pending; on the writer's thread."""
        if self._saver is None:
            from treering.artifacts.saver import Saver

            self._saver = Saver(self.open_store, self.start.id, self._filed, self._failed, self.background.warn)
        self._saver.add(request)

    def _filed(self, version_id: str, filed: Filed) -> None:
        artifact = self._expected.pop(version_id, None)
        if artifact is not None:
            artifact.resolve(filed)

    def _failed(self, version_id: str, why: str) -> None:
        artifact = self._expected.pop(version_id, None)
        if artifact is not None:
            artifact.fail(why)

    def _close_saver(self) -> None:
        """Wait for what is being saved, with a word about it where that takes long; the next command saves the rest."""
        saver, self._saver = self._saver, None
        # Whoever stopped it does not want to wait for what others can do later.
        catch_up_s = _CATCH_UP_S if self.state == "finished" else 0.0
        if saver is None or saver.close(_PATIENCE_S, catch_up_s=catch_up_s):
            return
        deadline = time.monotonic() + _SAVE_TIMEOUT_S
        waiting = saver.waiting
        doing = f"saving {waiting} artifacts" if waiting else "storing the checkpoints in less room"
        print(f"treering: {doing} {'of' if waiting else 'for'} run {self.start.id} ...", file=sys.stderr)  # noqa: T201  # a long wait explained
        while time.monotonic() < deadline and saver.is_busy:
            # Before it is waited for, so that something is seen of whatever takes longer than a moment.
            if sys.stderr.isatty():
                print(f"\r\x1b[Ktreering: {saver.describe()}", end="", file=sys.stderr, flush=True)  # noqa: T201  # the same
            if saver.close(0.5, catch_up_s=catch_up_s):
                break
        if sys.stderr.isatty():
            print(file=sys.stderr)  # noqa: T201  # the same
        if not saver.waiting:
            return
        self.warn_once(
            "unsaved artifacts",
            f"{saver.waiting} artifacts of run {self.start.id} are not saved yet; their files are secured, and the "
            "next `treering` command saves them.",
        )

    # -- trouble ------------------------------------------------------------------------------------------------------

    def drop_row(self, error: OSError) -> None:
        """Count something that the journal had no room for; the first is a warning."""
        self.background.dropped_rows += 1
        self.warn_once(
            "journal full",
            f"run {self.start.id} cannot keep what is logged: {error.strerror or error}. The training goes on; rows "
            "are counted, not kept, until there is room again.",
        )

    def warn_once(self, kind: str, text: str) -> None:
        """Warn, once for each kind of trouble."""
        if kind not in self._warned:
            self._warned.add(kind)
            warn(text)

    # -- reading and waiting ------------------------------------------------------------------------------------------

    def flush(self, timeout_s: float | None = None) -> bool:
        """See `Background.flush`; waits for artifacts, too."""
        if self.inert or self.ended:
            return True
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        if not self.background.flush(timeout_s):
            return False
        left_s = None if deadline is None else max(deadline - time.monotonic(), 0.0)
        return self._saver is None or self._saver.wait(left_s)

    def hurry(self, timeout_s: float | None) -> bool:
        """Hand over to the saver what the journal holds, and have it make haste."""
        flushed = self.background.flush(timeout_s)
        if self._saver is not None:
            self._saver.hurry()
        return flushed

    def flush_rows(self, timeout_s: float) -> bool:
        """Wait until what the journal holds is in the store."""
        return self.inert or self.ended or self.background.flush(timeout_s)

    def read_summary(self) -> dict[str, Any]:
        """Return the summary as the writer has it."""
        return {} if self.inert else dict(self.background.summary)

    # -- the end ------------------------------------------------------------------------------------------------------

    def finish(self, write_end: Callable[[str, dict[str, Any] | None], None]) -> None:
        """End the run; a second call does nothing.

        Args:
            write_end: puts the operation "end" into the journal and seals it.
        """
        with self._lock:
            if self.ended or self.inert or self._ending:  # ending: a signal handler came in the middle of this
                return
            self._ending = True
            while self._companions:
                try:
                    self._companions.pop().stop()
                except Exception as error:  # the run's own end must come
                    self.background.warn("bringing in the last of what goes with the run", error)
            if self.observer is not None:
                self.observer.stop()
                self.observer = None
            if self.state == "running":
                self.state = "finished"
            write_end(self.state, self.failure)
            complete = self._close_background()
            self._close_saver()
            self.ended, self._ending = True, False
            self._close_journal(complete=complete)
            self._close_uploader()

    def _close_background(self) -> bool:
        if self.background.close(_PATIENCE_S):
            return True
        if not self.background.is_alive():
            return False
        print(f"treering: writing the last rows of run {self.start.id} ...", file=sys.stderr)  # noqa: T201  # a long wait explained
        deadline = time.monotonic() + _FINISH_TIMEOUT_S
        while self.background.is_alive() and time.monotonic() < deadline:
            self.background.join(0.2)
        return self.background.close(0.0)

    def _close_uploader(self) -> None:
        """Wait for the server to have all of the run, for a while; all of it is safe here by now."""
        uploader, self._uploader = self._uploader, None
        if uploader is None:
            return

        def say(text: str) -> None:
            print(f"treering: bringing run {self.start.id} to {uploader.server.url}: {text}", file=sys.stderr)  # noqa: T201  # a long wait explained

        if not uploader.close(self.start.settings.finish_timeout_s, say):
            self.warn_once(
                "not on the server",
                f"run {self.start.id} is not on {uploader.server.url} completely. All of it is in {self.start.folder}; "
                f"`treering sync {self.start.id} --url {uploader.server.url} --dir {self.start.folder}` does it.",
            )

    def _close_journal(self, *, complete: bool) -> None:
        self.journal.close(delete=complete)
        folder = self.journal.folder
        self._lease.release(unlink=complete)
        if complete:
            for empty in (folder, self.start.folder / "blobs" / "incoming" / self.start.id):
                with contextlib.suppress(OSError):
                    empty.rmdir()
        else:
            self.warn_once(
                "unwritten rows",
                f"run {self.start.id} could not be written to the store completely; its last rows are kept in {folder} "
                "and the next `treering` command there brings them in.",
            )

    def reopen(self) -> Journal:
        """Go on after the end, as the same attempt."""
        with self._lock:
            if not self.ended:
                return self.journal
            folder = Store.journal_path(self.start.folder, self.start.id)
            folder.mkdir(parents=True, exist_ok=True)
            self._lease = Lease(folder / "lock")
            self._lease.acquire()
            position = self.background.position
            self.journal = self._new_journal(position.segment + 1, self.journal.lock)
            dropped = self.background.dropped_rows
            self.background = self._new_background()
            self.background.dropped_rows = dropped
            self.background.begin()
            self._begin_upload()
            self.state, self.failure, self.ended = "running", None, False
            return self.journal

    def note(self, name: str, fields: dict[str, Any], timeout_s: float) -> None:
        """Have the writer apply an operation that cannot go through the journal, behind all that is in it."""
        if not (self.inert or self.ended):
            self.background.note(Operation(name, time.time_ns(), fields), timeout_s)

    def become_inert(self) -> None:
        """Turn this copy, in a forked child, into one that does nothing; the parent's goes on."""
        self.inert = True
        self._lock = threading.RLock()
        self.journal.disable()
        self._saver = self._uploader = None
        if self.observer is not None:
            self.observer.forget()
        while self._companions:
            self._companions.pop().forget()


class _Nothing(Recording):
    def _open(self, first_segment: int) -> None:  # noqa: ARG002  # the signature is `Recording`'s
        self.journal = ClosedJournal()
